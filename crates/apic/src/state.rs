//! Plain saved state.

use crate::apic::LocalApic;
use crate::base::ApicBase;
use crate::lvt;
use crate::timer::Timer;
use crate::vectors::VectorSet;

/// Everything a [`LocalApic`] holds besides its configuration, as plain numbers.
///
/// Timer moments are absolute [`GuestTime`](crate::GuestTime): they mean the same after a restore only if the
/// guest's time is restored too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// `IA32_APIC_BASE`.
    pub base: u64,
    /// APIC ID.
    pub id: u32,
    /// Task priority register.
    pub tpr: u8,
    /// Logical destination register of xAPIC mode.
    pub ldr: u32,
    /// Destination format register.
    pub dfr: u32,
    /// Spurious vector register.
    pub svr: u32,
    /// In-service vectors.
    pub isr: VectorSet,
    /// Level-triggered vectors.
    pub tmr: VectorSet,
    /// Requested vectors.
    pub irr: VectorSet,
    /// Error status as software reads it.
    pub esr: u32,
    /// Errors since the last write of the status register.
    pub esr_pending: u32,
    /// Interrupt command register, high half in bits 63:32.
    pub icr: u64,
    /// LVT entries in the order of [`LvtEntry::ALL`](crate::LvtEntry::ALL).
    pub lvt: [u32; 7],
    /// Remote read data.
    pub remote_read: u32,
    /// An NMI waits.
    pub nmi_pending: bool,
    /// Timer initial count.
    pub timer_initial: u32,
    /// Timer divide configuration.
    pub timer_divide: u32,
    /// Ticks at which the count was `timer_count`.
    pub timer_start: u64,
    /// What was left of the count-down at `timer_start`; 0 when the counter stands still.
    pub timer_count: u32,
    /// `IA32_TSC_DEADLINE`, 0 when disarmed.
    pub tsc_deadline: u64,
}

impl LocalApic {
    /// Takes the whole state out.
    pub fn save(&self) -> State {
        State {
            base: self.base.bits(),
            id: self.id,
            tpr: self.tpr,
            ldr: self.ldr,
            dfr: self.dfr,
            svr: self.svr,
            isr: self.isr,
            tmr: self.tmr,
            irr: self.irr,
            esr: self.esr,
            esr_pending: self.esr_pending,
            icr: self.icr,
            lvt: self.lvt,
            remote_read: self.remote_read,
            nmi_pending: self.is_nmi_pending(),
            timer_initial: self.timer.initial,
            timer_divide: self.timer.divide,
            timer_start: self.timer.start,
            timer_count: self.timer.count,
            tsc_deadline: self.timer.deadline,
        }
    }

    /// Puts a state back. Bits that no register could hold are dropped.
    pub fn restore(&mut self, state: &State) {
        self.base = ApicBase::from_bits(state.base);
        self.id = state.id;
        self.tpr = state.tpr;
        self.ldr = state.ldr & 0xFF00_0000;
        self.dfr = state.dfr | 0x0FFF_FFFF;
        self.svr = state.svr & 0x3FF;
        self.isr = state.isr.without_reserved();
        self.tmr = state.tmr.without_reserved();
        self.irr = state.irr.without_reserved();
        self.esr = state.esr & 0xFF;
        self.esr_pending = state.esr_pending & 0xFF;
        self.store_icr(state.icr);
        for entry in crate::LvtEntry::ALL {
            let kept = entry.writable(self.config.tsc_deadline) | entry.read_only() & lvt::REMOTE_IRR;
            self.lvt[entry as usize] = state.lvt[entry as usize] & kept;
        }
        self.force_masks();
        self.remote_read = state.remote_read;
        self.set_nmi_pending(state.nmi_pending);
        self.timer = Timer {
            initial: state.timer_initial,
            divide: state.timer_divide & 0xB,
            start: state.timer_start,
            count: state.timer_count.min(state.timer_initial),
            deadline: state.tsc_deadline,
        };
    }
}
