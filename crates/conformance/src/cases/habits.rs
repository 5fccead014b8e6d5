//! What the miniature clients share: properties as whole unions, long-mode guests, gates, interrupts.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;
use zerocopy::Immutable;
use zerocopy::IntoBytes;

use crate::Engine;
use crate::Machine;
use crate::call;
use crate::machine::CODE;
use crate::machine::flat_segment;
use crate::machine::word;

/// Page tables of [`long_mode`]: first GiB one to one in 2 MiB pages.
const TABLES: u64 = 0x1_0000;
/// Interrupt gates of [`gate`].
const IDT: u64 = 0x1_4000;
/// Descriptors of [`long_mode`]: null, kernel code 8, kernel data 0x10, user data 0x1B, user code 0x23.
const GDT: u64 = 0x1_5000;

/// Sets a property the way most clients do: the whole union, with its size.
pub(super) fn set_union<T: IntoBytes + Immutable + ?Sized>(
    machine: &Machine,
    code: WHV_PARTITION_PROPERTY_CODE,
    value: &T,
) -> HRESULT {
    let mut bytes = [0xEE_u8; size_of::<WHV_PARTITION_PROPERTY>()];
    bytes[..value.as_bytes().len()].copy_from_slice(value.as_bytes());
    machine.set_property(code, &bytes)
}

/// Sets a property through the whole union; it must be accepted.
pub(super) fn configure<T: IntoBytes + Immutable + ?Sized>(
    machine: &Machine,
    code: WHV_PARTITION_PROPERTY_CODE,
    value: &T,
) {
    assert_eq!(set_union(machine, code, value), S_OK, "{code:?}");
}

/// Switches on those exits that the engine has.
pub(super) fn exits(engine: &Engine, set: impl FnOnce(&mut WHV_EXTENDED_VM_EXITS)) -> WHV_EXTENDED_VM_EXITS {
    let mut exits = WHV_EXTENDED_VM_EXITS::default();
    set(&mut exits);
    exits.set_AsUINT64(exits.AsUINT64() & engine.capability(WHvCapabilityCodeExtendedVmExits)[0]);
    exits
}

/// One processor in 64-bit mode at [`CODE`], level 0, with flat segments and a stack.
pub(super) fn long_mode(engine: &Engine, code: &[u8], configure: impl FnOnce(&Machine)) -> Machine {
    let machine = Machine::set_up(engine, 1, configure);
    machine.map_all();
    machine.create_vp(0);
    machine.memory.write(CODE, code);
    enter_long_mode(&machine, 0);
    machine
}

/// Writes the tables and puts a processor into 64-bit mode at [`CODE`].
pub(super) fn enter_long_mode(machine: &Machine, vp: u32) {
    let memory = &machine.memory;
    memory.write_u64(TABLES, TABLES + 0x1007);
    memory.write_u64(TABLES + 0x1000, TABLES + 0x2007);
    (0..512).for_each(|entry| memory.write_u64(TABLES + 0x2000 + entry * 8, entry << 21 | 0x87));
    memory.write_u64(GDT + 0x08, 0x00AF_9B00_0000_FFFF);
    memory.write_u64(GDT + 0x10, 0x00CF_9300_0000_FFFF);
    memory.write_u64(GDT + 0x18, 0x00CF_F300_0000_FFFF);
    memory.write_u64(GDT + 0x20, 0x00AF_FB00_0000_FFFF);
    let data = flat_segment(0x10, 0, 0xFFFF_FFFF, 0xC093);
    machine.set(
        vp,
        &[
            (WHvX64RegisterCr3, word(TABLES)),
            (WHvX64RegisterCr4, word(0x620)),
            (WHvX64RegisterEfer, word(0xD01)),
            (WHvX64RegisterCr0, word(0x8000_0033)),
            (WHvX64RegisterCs, flat_segment(8, 0, 0xFFFF_FFFF, 0xA09B)),
            (WHvX64RegisterSs, data),
            (WHvX64RegisterDs, data),
            (WHvX64RegisterEs, data),
            (WHvX64RegisterTr, flat_segment(0x28, 0x1_6000, 0x67, 0x8B)),
            (WHvX64RegisterGdtr, table(GDT, 0x27)),
            (WHvX64RegisterIdtr, table(IDT, 0xFFF)),
            (WHvX64RegisterRip, word(CODE)),
            (WHvX64RegisterRsp, word(0x8000)),
            (WHvX64RegisterRflags, word(2)),
        ],
    );
}

/// A descriptor-table register.
pub(super) fn table(base: u64, limit: u16) -> WHV_REGISTER_VALUE {
    let mut value = WHV_REGISTER_VALUE::default();
    value.set_Table(WHV_X64_TABLE_REGISTER { Base: base, Limit: limit, ..Default::default() });
    value
}

/// Lets a 64-bit interrupt gate lead to `code`, which is put at `target`.
pub(super) fn gate(machine: &Machine, vector: u8, target: u64, code: &[u8]) {
    machine.memory.write(target, code);
    let entry = IDT + u64::from(vector) * 16;
    machine.memory.write_u64(entry, target & 0xFFFF | 8 << 16 | 0x8E00 << 32 | (target >> 16 & 0xFFFF) << 48);
    machine.memory.write_u64(entry + 8, target >> 32);
}

/// Lets a real-mode vector lead to `code`, which is put at `target` below 64 KiB.
pub(super) fn real_gate(machine: &Machine, vector: u8, target: u16, code: &[u8]) {
    machine.memory.write(u64::from(target), code);
    machine.memory.write(u64::from(vector) * 4, &u32::from(target).to_le_bytes());
}

/// `PendingInterruption`.
pub(super) fn interruption(kind: WHV_X64_PENDING_INTERRUPTION_TYPE, vector: u16) -> WHV_REGISTER_VALUE {
    let mut pending = WHV_X64_PENDING_INTERRUPTION_REGISTER::default();
    pending.set_InterruptionPending(1);
    pending.set_InterruptionType(kind.0);
    pending.set_InterruptionVector(u32::from(vector));
    let mut value = WHV_REGISTER_VALUE::default();
    value.set_PendingInterruption(pending);
    value
}

/// `PendingEvent` with an exception.
pub(super) fn exception(vector: u8, error: Option<u32>, parameter: u64) -> WHV_REGISTER_VALUE {
    let mut event = WHV_X64_PENDING_EXCEPTION_EVENT::default();
    event.set_EventPending(1);
    event.set_EventType(WHvX64PendingEventException.0);
    event.set_Vector(u32::from(vector));
    event.set_DeliverErrorCode(u32::from(error.is_some()));
    event.set_ErrorCode(error.unwrap_or_default());
    event.set_ExceptionParameter(parameter);
    let mut value = WHV_REGISTER_VALUE::default();
    value.set_ExceptionEvent(event);
    value
}

/// `PendingEvent` with an interrupt of an 8259.
pub(super) fn external(vector: u8) -> WHV_REGISTER_VALUE {
    let mut event = WHV_X64_PENDING_EXT_INT_EVENT::default();
    event.set_EventPending(1);
    event.set_EventType(u64::from(WHvX64PendingEventExtInt.0));
    event.set_Vector(u64::from(vector));
    let mut value = WHV_REGISTER_VALUE::default();
    value.set_ExtIntEvent(event);
    value
}

/// Moves RIP behind the instruction of an exit.
pub(super) fn skip_instruction(machine: &Machine, vp: u32, context: &WHV_RUN_VP_EXIT_CONTEXT) {
    let context = context.VpContext();
    assert_ne!(context.InstructionLength(), 0, "the length is given");
    machine.set64(vp, WHvX64RegisterRip, context.Rip() + u64::from(context.InstructionLength()));
}

/// Runs to a port write and completes it; gives port and value.
pub(super) fn run_to_output(machine: &Machine, vp: u32) -> (u16, u64) {
    let context = machine.run_to(vp, WHvRunVpExitReasonX64IoPortAccess);
    let access = context.IoPortAccess();
    assert_eq!(access.AccessInfo.IsWrite(), 1);
    skip_instruction(machine, vp, &context);
    let mask = u64::MAX >> (64 - 8 * access.AccessInfo.AccessSize());
    (access.PortNumber, access.Rax & mask)
}

/// The APIC page of a processor.
pub(super) fn apic_page(machine: &Machine, vp: u32) -> Vec<u8> {
    let mut page = vec![0_u8; 4096];
    let start = page.as_mut_ptr().cast();
    let size = std::ptr::null_mut();
    let result = call!(
        machine.api,
        WHvGetVirtualProcessorInterruptControllerState2(machine.partition, vp, start, 4096, size)
    );
    assert_eq!(result, S_OK);
    page
}

/// Sets the APIC page of a processor.
pub(super) fn set_apic_page(machine: &Machine, vp: u32, page: &[u8]) {
    let (start, size) = (page.as_ptr().cast(), page.len() as u32);
    let result = call!(
        machine.api,
        WHvSetVirtualProcessorInterruptControllerState2(machine.partition, vp, start, size)
    );
    assert_eq!(result, S_OK);
}

/// Changes words of the APIC page of a processor.
pub(super) fn change_apic(machine: &Machine, vp: u32, words: &[(usize, u32)]) {
    let mut page = apic_page(machine, vp);
    for (offset, value) in words {
        page[*offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    }
    set_apic_page(machine, vp, &page);
}

/// A word of an APIC page.
pub(super) fn apic_word(page: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(page[offset..offset + 4].try_into().expect("four bytes"))
}

/// The XSAVE image of a processor, its size asked for first.
pub(super) fn xsave(machine: &Machine, vp: u32) -> Vec<u8> {
    let mut size = 0;
    let (api, partition) = (machine.api, machine.partition);
    let probe =
        call!(api, WHvGetVirtualProcessorXsaveState(partition, vp, std::ptr::null_mut(), 0, &raw mut size));
    assert_eq!(probe, WHV_E_INSUFFICIENT_BUFFER);
    let mut image = vec![0_u8; size as usize];
    let mut written = 0;
    let start = image.as_mut_ptr().cast();
    let result = call!(api, WHvGetVirtualProcessorXsaveState(partition, vp, start, size, &raw mut written));
    assert_eq!((result, written), (S_OK, size), "the size asked for is the size written");
    image
}

/// Sets the XSAVE image of a processor.
pub(super) fn set_xsave(machine: &Machine, vp: u32, image: &[u8]) -> HRESULT {
    let (start, size) = (image.as_ptr().cast(), image.len() as u32);
    call!(machine.api, WHvSetVirtualProcessorXsaveState(machine.partition, vp, start, size))
}

/// Translates a guest-virtual address: result code and address.
pub(super) fn translate(machine: &Machine, vp: u32, gva: u64, flags: u32) -> (u32, u64) {
    let mut result = WHV_TRANSLATE_GVA_RESULT::default();
    let mut gpa = 0xDEAD;
    let flags = WHV_TRANSLATE_GVA_FLAGS(flags);
    let code =
        call!(machine.api, WHvTranslateGva(machine.partition, vp, gva, flags, &raw mut result, &raw mut gpa));
    assert_eq!(code, S_OK);
    (result.ResultCode.0, gpa)
}
