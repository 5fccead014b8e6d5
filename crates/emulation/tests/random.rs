//! Random bytes, modes, registers and answers: whatever comes, the emulator neither panics nor hangs, and registers are
//! set once or not at all.

use openwhp_emulation::CallbackFailed;
use openwhp_emulation::Emulator;
use openwhp_emulation::EmulatorHost;
use openwhp_emulation::MemoryRequest;
use openwhp_emulation::PortRequest;
use openwhp_engine::ExecutionState;
use openwhp_engine::Gpa;
use openwhp_engine::Gva;
use openwhp_engine::IoPortAccess;
use openwhp_engine::MemoryAccess;
use openwhp_engine::RegisterName;
use openwhp_engine::RegisterValue;
use openwhp_engine::SegmentRegister;
use openwhp_engine::TranslateFlags;
use openwhp_engine::TranslateResult;
use openwhp_engine::Translation;
use openwhp_engine::VpContext;

/// A host that answers anything (splitmix64).
struct Noise {
    state: u64,
    /// One callback in so many fails; 0: none.
    failure: u64,
    sets: u32,
}

impl Noise {
    fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.state ^ self.state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn below(&mut self, n: u64) -> u64 {
        self.word() % n
    }

    fn outcome(&mut self) -> Result<(), CallbackFailed> {
        if self.failure != 0 && self.below(self.failure) == 0 { Err(CallbackFailed) } else { Ok(()) }
    }

    /// A value that instructions find interesting.
    fn value(&mut self) -> u64 {
        match self.below(6) {
            0 => self.word(),
            1 => self.below(64),
            2 => self.below(1 << 32),
            3 => self.word() | 0xFFFF_8000_0000_0000,
            4 => 1 << self.below(64),
            _ => self.below(1 << 47) & !63,
        }
    }
}

impl EmulatorHost for Noise {
    fn io_port(&mut self, request: &mut PortRequest) -> Result<(), CallbackFailed> {
        assert!(matches!(request.size, 1 | 2 | 4));
        request.data = self.word() as u32;
        self.outcome()
    }

    fn memory(&mut self, request: &mut MemoryRequest) -> Result<(), CallbackFailed> {
        assert!((1..=8).contains(&request.size));
        assert!((request.gpa.0 & 0xFFF) + u64::from(request.size) <= 0x1000);
        if !request.is_write {
            request.data = self.word().to_le_bytes();
        }
        self.outcome()
    }

    fn get_registers(
        &mut self,
        names: &[RegisterName],
        values: &mut [RegisterValue],
    ) -> Result<(), CallbackFailed> {
        for (name, value) in names.iter().zip(values) {
            *value = match *name {
                RegisterName::RCX => self.below(64).into(),
                RegisterName::XCR0 => 0x2E7.into(),
                RegisterName::XMM_CONTROL_STATUS => RegisterValue::from_halves(0, 0x0002_FFFF_0000_1F80),
                _ => RegisterValue::from_halves(self.value(), self.value()),
            };
        }
        self.outcome()
    }

    fn set_registers(
        &mut self,
        names: &[RegisterName],
        values: &[RegisterValue],
    ) -> Result<(), CallbackFailed> {
        assert_eq!(names.len(), values.len());
        self.sets += 1;
        self.outcome()
    }

    fn translate(&mut self, page: Gva, _: TranslateFlags) -> Result<Translation, CallbackFailed> {
        assert_eq!(page.0 & 0xFFF, 0);
        self.outcome()?;
        let result = match self.below(24) {
            0 => TranslateResult::PageNotPresent,
            1 => TranslateResult::PrivilegeViolation,
            2 => TranslateResult::InvalidPageTableFlags,
            3 => TranslateResult::GpaUnmapped,
            _ => TranslateResult::Success,
        };
        let offset = if self.below(64) == 0 { 8 } else { 0 };
        Ok(Translation { result, gpa: Gpa((page.0 & 0xF_FFFF_F000) + offset) })
    }
}

const PREFIXES: [u8; 12] = [0x66, 0x67, 0xF2, 0xF3, 0xF0, 0x2E, 0x36, 0x64, 0x65, 0x26, 0x48, 0x41];

fn code(noise: &mut Noise) -> Vec<u8> {
    let mut bytes = Vec::new();
    while noise.below(3) == 0 {
        bytes.push(PREFIXES[noise.below(12) as usize]);
    }
    match noise.below(8) {
        0 | 1 => bytes.push(0x0F),
        2 => bytes.extend([0x0F, 0x38]),
        3 => bytes.extend([0xC5, noise.word() as u8]),
        4 => bytes.extend([0xC4, noise.below(4) as u8 | 0xE0, noise.word() as u8]),
        5 => bytes.extend([0x62, 0xF1 | noise.below(3) as u8, noise.word() as u8 | 4, noise.word() as u8]),
        _ => {}
    }
    while bytes.len() < 16 {
        bytes.push(noise.word() as u8);
    }
    bytes.truncate(noise.below(17) as usize);
    bytes
}

fn context(noise: &mut Noise) -> VpContext {
    let mode = [0, 0x4, 0x14][noise.below(3) as usize];
    // Interruption pending now and then; privilege, alignment, breakpoints, shadow.
    let odd = if noise.below(16) == 0 { 1 << 6 } else { 0 };
    let execution = mode | odd | noise.word() as u16 & 0x102B;
    let attributes = 0x9B | noise.word() as u16 & 0x6000;
    let limit = if noise.below(4) == 0 { 0xFFFF } else { u32::MAX };
    VpContext {
        execution: ExecutionState::from_bits_truncate(execution),
        instruction_length: noise.below(16) as u8,
        cr8: 0,
        cs: SegmentRegister { base: noise.below(1 << 32), limit, selector: 8, attributes },
        rip: noise.value(),
        rflags: noise.word() & 0x3F_7FD7 | 2,
    }
}

#[test]
fn nothing_disturbs_the_emulator() {
    let mut emulator = Emulator::new();
    let mut successes = 0;
    for seed in 0..40_000 {
        let mut noise = Noise { state: seed, failure: [0, 0, 8][seed as usize % 3], sets: 0 };
        let bytes = code(&mut noise);
        let vp = context(&mut noise);
        let outcome = if seed % 4 == 0 {
            let access = IoPortAccess {
                instruction: bytes.as_slice().into(),
                is_write: noise.below(2) == 0,
                size: [1, 2, 4][noise.below(3) as usize],
                is_string: noise.below(2) == 0,
                port: noise.word() as u16,
                rax: noise.word(),
                ..IoPortAccess::default()
            };
            emulator.try_io(&mut noise, &vp, &access)
        } else {
            let access = MemoryAccess { instruction: bytes.as_slice().into(), ..MemoryAccess::default() };
            emulator.try_mmio(&mut noise, &vp, &access)
        };
        assert!(noise.sets <= 1, "seed {seed}");
        if outcome.is_ok() {
            assert_eq!(noise.sets, 1, "seed {seed}");
            successes += 1;
        }
    }
    assert!(successes > 4_000, "only {successes} instructions did anything");
}
