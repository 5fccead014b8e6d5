//! Every register name: what is there, what is not, what goes one way only.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use crate::Engine;
use crate::Item;
use crate::Machine;
use crate::machine::word;

cases! { "register sweep":
    what_cannot_be_read_cannot_be_written from "state.md 1" covers [Item::Ability("Q26")],
    what_can_only_be_read_refuses_writes from "state.md 2.1, 2.4, 2.5",
    x2apic_registers_are_there_in_that_mode from "state.md 2.5",
    x2apic_registers_without_a_value_are_written_only from "state.md 2.5",
}

/// Registers that a write is a command to.
const COMMANDS: [WHV_REGISTER_NAME; 6] = [
    WHvX64RegisterApicEoi,
    WHvX64RegisterApicSelfIpi,
    WHvX64RegisterPredCmd,
    WHvX64RegisterNestedVmxInvEpt,
    WHvX64RegisterNestedVmxInvVpid,
    WHvRegisterEom,
];

fn names() -> impl Iterator<Item = WHV_REGISTER_NAME> {
    WHV_REGISTER_NAME::ENUMERATION.members.iter().map(|member| WHV_REGISTER_NAME(member.1))
}

fn what_cannot_be_read_cannot_be_written(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |_| ());
    machine.create_vp(0);
    for name in names() {
        let Err(read) = machine.try_get(0, &[name]) else { continue };
        assert_eq!(read, ERROR_HV_INVALID_PARAMETER, "{name:?}");
        let written = machine.try_set(0, &[(name, word(0))]);
        let is_command = written == S_OK && COMMANDS.contains(&name);
        assert!(is_command || written == ERROR_HV_INVALID_PARAMETER, "{name:?}: {written:?}");
    }
}

fn what_can_only_be_read_refuses_writes(engine: &Engine) {
    let machine = x2apic(engine);
    for name in [
        WHvX64RegisterVirtualCr0,
        WHvX64RegisterVirtualCr3,
        WHvX64RegisterVirtualCr4,
        WHvX64RegisterVirtualCr8,
        WHvX64RegisterMsrMtrrCap,
        WHvX64RegisterApicVersion,
    ] {
        let value = machine.get(0, name);
        assert!(!machine.try_set(0, &[(name, word(!value.Reg64()))]).is_success(), "{name:?}");
        assert_eq!(machine.get(0, name), value, "{name:?}");
    }
}

/// One processor whose APIC is in x2APIC mode.
fn x2apic(engine: &Engine) -> Machine {
    let machine = Machine::set_up(engine, 1, |machine| machine.use_apic(WHvX64LocalApicEmulationModeX2Apic));
    machine.create_vp(0);
    machine.set64(0, WHvX64RegisterApicBase, 0xFEE0_0D00);
    machine
}

fn x2apic_registers_are_there_in_that_mode(engine: &Engine) {
    let machine = x2apic(engine);
    for name in names().filter(|name| (0x3002..0x3040).contains(&name.0) && !COMMANDS.contains(name)) {
        let Ok(values) = machine.try_get(0, &[name]) else { panic!("{name:?} cannot be read") };
        let written = machine.try_set(0, &[(name, values[0])]);
        let is_read_only = [
            WHvX64RegisterApicVersion,
            WHvX64RegisterApicPpr,
            WHvX64RegisterApicLdr,
            WHvX64RegisterApicCurrentCount,
        ]
        .contains(&name);
        assert!(written == S_OK || is_read_only, "{name:?}: {written:?}");
    }
    assert_eq!(machine.get64(0, WHvX64RegisterApicId), 0);
    assert_eq!(machine.get64(0, WHvX64RegisterApicVersion) & 0xFF, 0x14);
    assert_eq!(machine.get64(0, WHvX64RegisterApicLvtTimer), 0x1_0000);
    assert_eq!(machine.get64(0, WHvX64RegisterApicSpurious), 0xFF);
}

fn x2apic_registers_without_a_value_are_written_only(engine: &Engine) {
    let machine = x2apic(engine);
    for name in [WHvX64RegisterApicEoi, WHvX64RegisterApicSelfIpi] {
        assert!(machine.try_get(0, &[name]).is_err(), "{name:?}");
    }
    machine.set64(0, WHvX64RegisterApicSpurious, 0x1FF);
    machine.set64(0, WHvX64RegisterApicSelfIpi, 0x45);
    assert_eq!(machine.get64(0, WHvX64RegisterApicIrr2), 1 << 5);
    machine.set64(0, WHvX64RegisterApicEoi, 0);
}
