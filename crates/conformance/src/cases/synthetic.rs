//! Machines whose guests see the hypervisor's interface, for the cases about it.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::exits::protected_mode;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::machine::CODE;

/// The features that a large client asks for.
pub(super) const USUAL: u64 = 0x7F44_8FFF;
/// HypervisorPresent and Hv1.
pub(super) const INTERFACE: u64 = 3;

/// Where the cases put pages.
pub(super) const CALL_PAGE: u64 = 0x5000;
pub(super) const MESSAGE_PAGE: u64 = 0x6000;
pub(super) const EVENT_PAGE: u64 = 0x7000;
pub(super) const CLOCK_PAGE: u64 = 0x9000;

/// Sets the synthetic features.
pub(super) fn offer(machine: &Machine, features: u64) {
    assert_eq!(try_offer(machine, features), S_OK);
}

pub(super) fn try_offer(machine: &Machine, features: u64) -> HRESULT {
    let mut banks = WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS::default();
    banks.set_BanksCount(1);
    banks.set_AsUINT64([features]);
    machine.set_property(WHvPartitionPropertyCodeSyntheticProcessorFeaturesBanks, &banks)
}

/// 32-bit code, put together step by step.
#[derive(Default)]
pub(super) struct Code(pub(super) Vec<u8>);

impl Code {
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn load(self, opcode: u8, value: u32) -> Self {
        self.bytes(&[opcode]).bytes(&value.to_le_bytes())
    }

    /// Writes a model-specific register.
    pub(super) fn wrmsr(self, index: u32, value: u64) -> Self {
        self.load(0xB9, index).load(0xB8, value as u32).load(0xBA, (value >> 32) as u32).bytes(&[0x0F, 0x30])
    }

    /// Reads a model-specific register into EDX:EAX.
    pub(super) fn rdmsr(self, index: u32) -> Self {
        self.load(0xB9, index).bytes(&[0x0F, 0x32])
    }

    /// Leaves by a port.
    pub(super) fn out(self) -> Self {
        self.bytes(&[0xE7, 0x80])
    }

    /// Enables the local APIC by software.
    pub(super) fn enable_apic(self) -> Self {
        self.bytes(&[0xC7, 0x05, 0xF0, 0x00, 0xE0, 0xFE]).bytes(&0x1FF_u32.to_le_bytes())
    }

    /// STI; HLT; and again, for ever.
    pub(super) fn wait(self) -> Self {
        self.bytes(&[0xFB, 0xF4, 0xEB, 0xFC])
    }

    pub(super) fn sti_nop(self) -> Self {
        self.bytes(&[0xFB, 0x90])
    }

    /// Stores a word.
    pub(super) fn store(self, address: u64, value: u32) -> Self {
        self.bytes(&[0xC7, 0x05]).bytes(&(address as u32).to_le_bytes()).bytes(&value.to_le_bytes())
    }

    /// Says who the guest is, and places the hypercall page.
    pub(super) fn establish_calls(self) -> Self {
        self.wrmsr(0x4000_0000, 1 << 48).wrmsr(0x4000_0001, CALL_PAGE | 1)
    }

    /// Makes a hypercall by the page: control value, input and output as 32-bit callers pass them.
    pub(super) fn hypercall(self, control: u64, input: u64, output: u64) -> Self {
        let code = self
            .load(0xB8, control as u32)
            .load(0xBA, (control >> 32) as u32)
            .load(0xB9, input as u32)
            .load(0xBB, (input >> 32) as u32)
            .load(0xBE, output as u32)
            .load(0xBF, (output >> 32) as u32);
        let next = CODE as u32 + code.0.len() as u32 + 5;
        code.load(0xE8, (CALL_PAGE as u32).wrapping_sub(next))
    }
}

/// A machine in 32-bit mode with an xAPIC, these features, and a handler of vector 0x50 that leaves by a port.
pub(super) fn machine(engine: &Engine, features: u64, code: Code) -> Machine {
    configured(engine, features, code, |_| ())
}

pub(super) fn configured(
    engine: &Engine,
    features: u64,
    code: Code,
    configure: impl FnOnce(&Machine),
) -> Machine {
    let machine = protected_mode(engine, &code.0, |machine| {
        machine.use_apic(WHvX64LocalApicEmulationModeXApic);
        offer(machine, features);
        configure(machine);
    });
    super::apic_exits::gate(&machine, 0x50, &[0xE6, 0x81]);
    machine
}

/// Runs to the port access that ends a piece of code.
pub(super) fn run(machine: &Machine) {
    let port = machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess).IoPortAccess().PortNumber;
    assert_eq!(port, 0x80);
    step_over_port(machine);
}

/// Goes on behind the port access.
pub(super) fn step_over_port(machine: &Machine) {
    machine.set64(0, WHvX64RegisterRip, machine.get64(0, WHvX64RegisterRip) + 2);
}

/// Runs until the handler of vector 0x50.
pub(super) fn run_to_handler(machine: &Machine) {
    let port = machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess).IoPortAccess().PortNumber;
    assert_eq!(port, 0x81, "the handler");
}

/// A word of guest memory, overlays included.
pub(super) fn word_at(machine: &Machine, gpa: u64) -> u64 {
    let mut value = 0_u64;
    let controls = WHV_ACCESS_GPA_CONTROLS::default();
    let result =
        call!(machine.api, WHvReadGpaRange(machine.partition, 0, gpa, controls, (&raw mut value).cast(), 8));
    assert_eq!(result, S_OK);
    value
}
