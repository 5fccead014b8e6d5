//! Surroundings without anything: the emulator's processor has no memory, time or interrupts of its own.

use std::any::Any;

use openwhp_x86::env::Effect;
use openwhp_x86::env::Env;
use openwhp_x86::env::Lines;
use openwhp_x86::env::Page;
use openwhp_x86::env::Poll;
use openwhp_x86::env::PollResult;

/// The empty surroundings.
#[derive(Debug)]
pub(crate) struct Nowhere;

impl Env for Nowhere {
    fn page(&mut self, _gpa: u64) -> Page {
        Page::Unmapped
    }
    fn protect_code(&mut self, _gpa: u64) {}
    fn wrote(&mut self, _gpa: u64, _len: u64) {}
    fn ring(&mut self, _gpa: u64, _data: &[u8]) -> bool {
        false
    }
    fn poll(&mut self) -> PollResult {
        PollResult { poll: Poll::Continue, flush_map: false, flush_writes: false }
    }
    fn lines(&mut self) -> Lines {
        Lines::default()
    }
    fn acknowledge(&mut self, _vector: u8) {}
    fn acknowledge_nmi(&mut self) {}
    fn tsc(&mut self, _icount: u64) -> u64 {
        0
    }
    fn set_tsc(&mut self, _icount: u64, _value: u64) {}
    fn random(&mut self) -> u64 {
        0
    }
    fn apic_read(&mut self, _offset: u32, _icount: u64) -> u32 {
        0
    }
    fn apic_write(&mut self, _offset: u32, _value: u32, _icount: u64) -> Effect<()> {
        Effect::Done(())
    }
    fn tpr(&mut self) -> u8 {
        0
    }
    fn set_tpr(&mut self, _tpr: u8) {}
    fn rdmsr(&mut self, _index: u32, _icount: u64) -> Option<Effect<u64>> {
        Some(Effect::Fault)
    }
    fn wrmsr(&mut self, _index: u32, _value: u64, _icount: u64) -> Option<Effect<()>> {
        Some(Effect::Fault)
    }
    fn unknown_rdmsr(&mut self, _index: u32) -> Effect<u64> {
        Effect::Fault
    }
    fn unknown_wrmsr(&mut self, _index: u32, _value: u64) -> Effect<()> {
        Effect::Fault
    }
    fn exclusive(&mut self, f: &mut dyn FnMut()) {
        f();
    }
    fn pause(&mut self) {}
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
