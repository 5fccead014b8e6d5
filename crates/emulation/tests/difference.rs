//! Random instructions of every class, once in ordinary memory and once through the emulator, with the same result.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::collections::BTreeMap;

use openwhp_emulation::CallbackFailed;
use openwhp_emulation::Emulator;
use openwhp_emulation::EmulatorError;
use openwhp_emulation::EmulatorHost;
use openwhp_emulation::MemoryRequest;
use openwhp_emulation::PortRequest;
use openwhp_engine::ExecutionState;
use openwhp_engine::Gpa;
use openwhp_engine::Gva;
use openwhp_engine::MemoryAccess;
use openwhp_engine::RegisterName as Name;
use openwhp_engine::RegisterValue;
use openwhp_engine::SegmentRegister;
use openwhp_engine::TranslateFlags;
use openwhp_engine::TranslateResult;
use openwhp_engine::Translation;
use openwhp_engine::VpContext;
use openwhp_x86::state::VectorState;
use openwhp_x86::state::rflags;
use openwhp_x86_difftest::case::CODE;
use openwhp_x86_difftest::case::Case;
use openwhp_x86_difftest::case::End;
use openwhp_x86_difftest::case::READ_ONLY;
use openwhp_x86_difftest::case::SCRATCH;
use openwhp_x86_difftest::case::State;
use openwhp_x86_difftest::compare::compare;
use openwhp_x86_difftest::filter::Class;
use openwhp_x86_difftest::filter::codes;
use openwhp_x86_difftest::generate::make;
use openwhp_x86_difftest::guest::Guest;
use openwhp_x86_difftest::rng::Rng;

/// What the physical addresses of the host are ahead of linear ones.
const AHEAD: u64 = 0x40_0000_0000;

/// A user-mode processor that exists only as registers, with memory behind callbacks.
struct Host {
    registers: BTreeMap<Name, RegisterValue>,
    memory: Vec<u8>,
    sets: u32,
}

fn segment(selector: u16, attributes: u16) -> SegmentRegister {
    SegmentRegister { base: 0, limit: u32::MAX, selector, attributes }
}

fn code_segment(bits: u32) -> SegmentRegister {
    segment(11, if bits == 64 { 0xA0FB } else { 0xC0FB })
}

impl Host {
    fn new(case: &Case) -> Self {
        let mut r = BTreeMap::new();
        for (n, value) in (0..).zip(case.before.gpr) {
            r.insert(Name::gpr(n), value.into());
        }
        for name in [Name::ES, Name::SS, Name::DS, Name::FS, Name::GS] {
            r.insert(name, segment(19, 0xC0F3).into());
        }
        r.insert(Name::CR0, 0x8001_0033.into());
        r.insert(Name::CR4, 0x4_0620.into());
        r.insert(Name::XCR0, 0xE7.into());
        let v = case.before.vec.as_deref().cloned().unwrap_or_default();
        let word = |bytes: &[u8]| {
            let mut all = [0; 16];
            all[..bytes.len()].copy_from_slice(bytes);
            RegisterValue(u128::from_le_bytes(all))
        };
        for n in 0..32 {
            for part in 0..4 {
                let name = if n < 16 && part == 0 { Name::xmm(n) } else { Name::vector_part(n, part) };
                r.insert(name, word(&v.zmm[n as usize][part as usize * 16..][..16]));
            }
        }
        for n in 0..8 {
            r.insert(Name::opmask(n), v.k[n as usize].into());
            let physical = (v.x87.top() + n as usize) & 7;
            r.insert(Name(Name::FP_MMX0.0 + n), word(&v.x87.st[physical][..10]));
        }
        let status = u64::from(v.x87.fcw)
            | u64::from(v.x87.fsw) << 16
            | u64::from(v.x87.ftw) << 32
            | u64::from(v.x87.fop) << 48;
        r.insert(Name::FP_CONTROL_STATUS, RegisterValue::from_halves(status, v.x87.fip));
        let mxcsr = u64::from(v.mxcsr) | u64::from(v.mxcsr_mask) << 32;
        r.insert(Name::XMM_CONTROL_STATUS, RegisterValue::from_halves(v.x87.fdp, mxcsr));
        r.insert(Name::PENDING_EVENT, RegisterValue::default());
        r.insert(Name::PENDING_INTERRUPTION, RegisterValue::default());
        r.insert(Name::RIP, case.rip.into());
        r.insert(Name::RFLAGS, (case.before.flags | rflags::IF | rflags::ONE).into());
        Self { registers: r, memory: case.before.mem.clone(), sets: 0 }
    }

    fn get(&self, name: Name) -> RegisterValue {
        self.registers[&name]
    }

    fn state(&self, case: &Case) -> State {
        let mut gpr = [0; 16];
        for (n, value) in (0..).zip(&mut gpr) {
            *value = self.get(Name::gpr(n)).low();
        }
        let vec = case.before.vec.as_ref().map(|_| Box::new(self.vectors()));
        State { gpr, flags: self.get(Name::RFLAGS).low(), mem: self.memory.clone(), vec }
    }

    fn vectors(&self) -> VectorState {
        let mut v = VectorState::default();
        for n in 0..32 {
            for part in 0..4 {
                let name = if n < 16 && part == 0 { Name::xmm(n) } else { Name::vector_part(n, part) };
                v.zmm[n as usize][part as usize * 16..][..16]
                    .copy_from_slice(&self.get(name).0.to_le_bytes());
            }
        }
        let status = self.get(Name::FP_CONTROL_STATUS).low();
        (v.x87.fcw, v.x87.fsw) = (status as u16, (status >> 16) as u16);
        v.x87.ftw = (status >> 32) as u8;
        for n in 0..8 {
            v.k[n as usize] = self.get(Name::opmask(n)).low();
            let physical = (v.x87.top() + n as usize) & 7;
            v.x87.st[physical][..10]
                .copy_from_slice(&self.get(Name(Name::FP_MMX0.0 + n)).0.to_le_bytes()[..10]);
        }
        v.mxcsr = self.get(Name::XMM_CONTROL_STATUS).high() as u32;
        v
    }

    fn end(&self, case: &Case) -> End {
        let event = self.get(Name::PENDING_EVENT);
        let rip = self.get(Name::RIP).low();
        if event.low() & 1 != 0 {
            let vector = (event.low() >> 16) as u8;
            assert_eq!(rip, case.rip, "a fault moves nothing");
            return End::Fault(vector, if vector == 14 { event.high() } else { 0 });
        }
        if rip == case.rip + case.bytes.len() as u64 { End::Done } else { End::Odd }
    }
}

impl EmulatorHost for Host {
    fn io_port(&mut self, _: &mut PortRequest) -> Result<(), CallbackFailed> {
        Err(CallbackFailed)
    }

    fn memory(&mut self, request: &mut MemoryRequest) -> Result<(), CallbackFailed> {
        let size = usize::from(request.size);
        assert!((1..=8).contains(&size));
        assert_eq!(request.gpa.0 >> 12, (request.gpa.0 + size as u64 - 1) >> 12, "a page was crossed");
        let at = (request.gpa.0 - AHEAD - SCRATCH) as usize;
        let cells = self.memory.get_mut(at..at + size).ok_or(CallbackFailed)?;
        if request.is_write {
            assert!(request.gpa.0 - AHEAD < READ_ONLY);
            cells.copy_from_slice(&request.data[..size]);
        } else {
            request.data[..size].copy_from_slice(cells);
        }
        Ok(())
    }

    fn get_registers(&mut self, names: &[Name], values: &mut [RegisterValue]) -> Result<(), CallbackFailed> {
        for (name, value) in names.iter().zip(values) {
            *value = *self.registers.get(name).unwrap_or_else(|| panic!("{name} is not needed"));
        }
        Ok(())
    }

    fn set_registers(&mut self, names: &[Name], values: &[RegisterValue]) -> Result<(), CallbackFailed> {
        self.sets += 1;
        self.registers.extend(names.iter().copied().zip(values.iter().copied()));
        Ok(())
    }

    fn translate(&mut self, page: Gva, flags: TranslateFlags) -> Result<Translation, CallbackFailed> {
        assert_eq!(page.0 & 0xFFF, 0);
        let is_write = flags.contains(TranslateFlags::VALIDATE_WRITE);
        let result = match page.0 {
            CODE => TranslateResult::Success,
            READ_ONLY if is_write => TranslateResult::PrivilegeViolation,
            SCRATCH..=READ_ONLY => TranslateResult::Success,
            _ => TranslateResult::PageNotPresent,
        };
        Ok(Translation { result, gpa: Gpa(page.0 + AHEAD) })
    }
}

/// Emulates a case; `None` if its instruction accesses no memory.
fn emulate(emulator: &mut Emulator, case: &Case) -> Option<(State, End)> {
    let mut host = Host::new(case);
    let execution = ExecutionState::CPL | ExecutionState::CR0_PE | ExecutionState::EFER_LMA;
    let rflags = host.get(Name::RFLAGS).low();
    let vp =
        VpContext { execution, cs: code_segment(case.bits), rip: case.rip, rflags, ..VpContext::default() };
    let access = MemoryAccess { instruction: case.bytes.as_slice().into(), ..MemoryAccess::default() };
    match emulator.try_mmio(&mut host, &vp, &access) {
        Ok(()) => {
            assert_eq!(host.sets, 1);
            Some((host.state(case), host.end(case)))
        }
        Err(EmulatorError::Internal) => {
            assert_eq!(host.sets, 0);
            None
        }
        Err(error) => panic!("{error}: {:02x?}", case.bytes),
    }
}

/// Runs random cases; gives how many were compared.
fn run(classes: &[Class], bits: u32, count: u32, seed: u64) -> u32 {
    let (mut guest, mut emulator) = (Guest::new(bits), Emulator::new());
    let (list, mut random) = (codes(classes, bits), Rng::new(seed));
    let mut compared = 0;
    for _ in 0..count {
        let code = random.pick(&list);
        let Some(case) = make(code, bits, random.bits()) else { continue };
        let plain = guest.run(&case);
        let Some(emulated) = emulate(&mut emulator, &case) else { continue };
        let lines = compare(&case, &plain, &emulated, true);
        assert!(
            lines.is_empty(),
            "{code:?} {:#x} {bits} {:02x?}\n{}",
            case.seed,
            case.bytes,
            lines.join("\n")
        );
        compared += 1;
    }
    compared
}

#[test]
fn integer_instructions_do_the_same() {
    assert!(run(&[Class::Int], 64, 12_000, 1) > 4_000);
    assert!(run(&[Class::Int], 32, 8_000, 2) > 3_000);
}

#[test]
fn vector_instructions_do_the_same() {
    assert!(run(&[Class::Mmx, Class::Sse], 64, 6_000, 3) > 1_500);
    assert!(run(&[Class::Avx], 64, 6_000, 4) > 1_500);
    // Only hosts that have it offer AVX-512.
    let _ = run(&[Class::Avx512], 64, 8_000, 5);
}

#[test]
fn x87_instructions_do_the_same() {
    assert!(run(&[Class::X87], 64, 6_000, 6) > 1_500);
}
