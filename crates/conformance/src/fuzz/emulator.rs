//! The instruction emulator, with callbacks that answer from a script.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::ptr::without_provenance_mut;

use openwhp_abi::hresult::E_INVALIDARG;
use openwhp_abi::hresult::HRESULT;
use openwhp_abi::hresult::S_OK;
use openwhp_abi::x64::*;
use zerocopy::IntoBytes;

use super::input::Generator;
use super::input::Input;
use crate::machine::flat_segment;

/// What the callbacks draw from.
struct Host(Generator);

impl Host {
    /// Mostly success.
    fn result(&mut self) -> HRESULT {
        if self.0.bits().is_multiple_of(16) { E_INVALIDARG } else { S_OK }
    }
}

/// The host behind a context.
///
/// # Safety
/// `context` is the pointer to a [`Host`] that [`emulate`] passes, during its call.
unsafe fn host<'a>(context: *mut c_void) -> &'a mut Host {
    // SAFETY: by the caller; the emulator calls one callback at a time.
    unsafe { &mut *context.cast::<Host>() }
}

unsafe extern "C" fn io_port(context: *mut c_void, access: *mut WHV_EMULATOR_IO_ACCESS_INFO) -> HRESULT {
    // SAFETY: the emulator passes the context back, and a valid structure.
    let (host, access) = unsafe { (host(context), &mut *access) };
    assert!([1, 2, 4].contains(&access.AccessSize()));
    access.set_Data(host.0.bits() as u32);
    host.result()
}

unsafe extern "C" fn memory(context: *mut c_void, access: *mut WHV_EMULATOR_MEMORY_ACCESS_INFO) -> HRESULT {
    // SAFETY: as above.
    let (host, access) = unsafe { (host(context), &mut *access) };
    assert!((1..=8).contains(&access.AccessSize()));
    assert!((access.GpaAddress() & 0xFFF) + u64::from(access.AccessSize()) <= 0x1000, "within a page");
    if access.Direction() == 0 {
        access.set_Data(host.0.bits().to_le_bytes());
    }
    host.result()
}

unsafe extern "C" fn get_registers(
    context: *mut c_void,
    names: *const WHV_REGISTER_NAME,
    count: u32,
    values: *mut WHV_REGISTER_VALUE,
) -> HRESULT {
    // SAFETY: as above; both lists have `count` entries.
    let host = unsafe { host(context) };
    for index in 0..count as usize {
        // SAFETY: as above.
        let name = unsafe { names.add(index).read_unaligned() };
        let mut value = WHV_REGISTER_VALUE::default();
        match name {
            WHvX64RegisterCs => value = flat_segment(8, 0, u32::MAX, 0xA09B),
            WHvX64RegisterSs | WHvX64RegisterDs | WHvX64RegisterEs => {
                value = flat_segment(0x10, 0, u32::MAX, 0xC093);
            }
            WHvX64RegisterCr0 => value.set_Reg64(0x8000_0011),
            WHvX64RegisterCr4 => value.set_Reg64(0x620),
            WHvX64RegisterEfer => value.set_Reg64(0x500),
            WHvX64RegisterRflags => value.set_Reg64(2),
            _ if name.0 < 0x10 => value.set_Reg64(host.0.bits() >> (host.0.bits() % 64)),
            _ => {}
        }
        // SAFETY: as above.
        unsafe { values.add(index).write_unaligned(value) };
    }
    host.result()
}

unsafe extern "C" fn set_registers(
    context: *mut c_void,
    _: *const WHV_REGISTER_NAME,
    _: u32,
    _: *const WHV_REGISTER_VALUE,
) -> HRESULT {
    // SAFETY: as above.
    unsafe { host(context) }.result()
}

unsafe extern "C" fn translate(
    context: *mut c_void,
    gva: WHV_GUEST_VIRTUAL_ADDRESS,
    _: WHV_TRANSLATE_GVA_FLAGS,
    result: *mut WHV_TRANSLATE_GVA_RESULT_CODE,
    gpa: *mut WHV_GUEST_PHYSICAL_ADDRESS,
) -> HRESULT {
    // SAFETY: as above; both results are writable.
    let host = unsafe { host(context) };
    let code = if host.0.bits().is_multiple_of(16) { (host.0.bits() % 9) as u32 } else { 0 };
    let offset = if host.0.bits().is_multiple_of(64) { 8 } else { 0 };
    // SAFETY: as above.
    unsafe {
        result.write(WHV_TRANSLATE_GVA_RESULT_CODE(code));
        gpa.write(gva & 0xFFFF_F000 | offset);
    }
    host.result()
}

/// Creates an emulator, gives it a few random instructions, destroys it.
pub(super) fn emulate(input: &mut Input<'_>) -> HRESULT {
    let callbacks = WHV_EMULATOR_CALLBACKS {
        Size: if input.once_in(30) { input.word() } else { size_of::<WHV_EMULATOR_CALLBACKS>() as u32 },
        Reserved: u32::from(input.once_in(60)),
        WHvEmulatorIoPortCallback: Some(io_port),
        WHvEmulatorMemoryCallback: Some(memory),
        WHvEmulatorGetVirtualProcessorRegisters: Some(get_registers),
        WHvEmulatorSetVirtualProcessorRegisters: Some(set_registers),
        WHvEmulatorTranslateGvaPage: Some(translate),
    };
    let mut emulator = null_mut();
    // SAFETY: both pointers are of local variables.
    let created =
        unsafe { WinHvEmulation::WHvEmulatorCreateEmulator(&raw const callbacks, &raw mut emulator) };
    let mut host = Host(Generator::new(input.long()));
    let context = (&raw mut host).cast();
    let used = if input.once_in(30) { without_provenance_mut(input.long() as usize) } else { emulator };
    for _ in 0..input.below(8) {
        let mut vp = WHV_VP_EXIT_CONTEXT::default();
        vp.set_Rip(if input.once_in(4) { input.long() } else { 0x1000 });
        vp.set_Cs(flat_segment(8, 0, u32::MAX, 0xA09B).Segment());
        let mut status = WHV_EMULATOR_STATUS::default();
        let (vp, place) = (&raw const vp, &raw mut status);
        let result = if input.once_in(2) {
            let mut access = WHV_X64_IO_PORT_ACCESS_CONTEXT::default();
            input.fill(access.as_mut_bytes());
            let access = &raw const access;
            // SAFETY: every pointer is of a local variable.
            unsafe { WinHvEmulation::WHvEmulatorTryIoEmulation(used, context, vp, access, place) }
        } else {
            let mut access = WHV_MEMORY_ACCESS_CONTEXT::default();
            input.fill(access.as_mut_bytes());
            access.InstructionByteCount = if input.once_in(8) { input.byte() } else { 16 };
            let access = &raw const access;
            // SAFETY: as above.
            unsafe { WinHvEmulation::WHvEmulatorTryMmioEmulation(used, context, vp, access, place) }
        };
        if result == S_OK {
            assert_eq!(status.AsUINT32().count_ones(), 1, "exactly one status bit: {status:?}");
        }
    }
    // SAFETY: the function takes no pointers to memory.
    let destroyed = unsafe { WinHvEmulation::WHvEmulatorDestroyEmulator(emulator) };
    assert_eq!(created, destroyed, "an emulator that was made can be destroyed");
    S_OK
}
