//! The instruction emulator's interface.

use core::ffi::c_void;

use super::memory::WHV_TRANSLATE_GVA_FLAGS;
use super::register::WHV_REGISTER_VALUE;
use super::register_name::WHV_REGISTER_NAME;
use crate::common::{WHV_GUEST_PHYSICAL_ADDRESS, WHV_GUEST_VIRTUAL_ADDRESS, WHV_TRANSLATE_GVA_RESULT_CODE};
use crate::hresult::HRESULT;
use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;
use crate::layout::record;

block! {
    /// Outcome of an emulated instruction.
    pub struct WHV_EMULATOR_STATUS: 4 bytes, align 4 {
        EmulationSuccessful, set_EmulationSuccessful: u32 = 0 bits 0, 1;
        InternalEmulationFailure, set_InternalEmulationFailure: u32 = 0 bits 1, 1;
        IoPortCallbackFailed, set_IoPortCallbackFailed: u32 = 0 bits 2, 1;
        MemoryCallbackFailed, set_MemoryCallbackFailed: u32 = 0 bits 3, 1;
        TranslateGvaPageCallbackFailed, set_TranslateGvaPageCallbackFailed: u32 = 0 bits 4, 1;
        TranslateGvaPageCallbackGpaIsNotAligned, set_TranslateGvaPageCallbackGpaIsNotAligned: u32 = 0 bits 5, 1;
        GetVirtualProcessorRegistersCallbackFailed, set_GetVirtualProcessorRegistersCallbackFailed: u32 = 0 bits 6, 1;
        SetVirtualProcessorRegistersCallbackFailed, set_SetVirtualProcessorRegistersCallbackFailed: u32 = 0 bits 7, 1;
        InterruptCausedIntercept, set_InterruptCausedIntercept: u32 = 0 bits 8, 1;
        GuestCannotBeFaulted, set_GuestCannotBeFaulted: u32 = 0 bits 9, 1;
        Reserved, set_Reserved: u32 = 0 bits 10, 22;
        AsUINT32, set_AsUINT32: u32 = 0;
    }
}

block! {
    /// Memory access that the emulator asks its owner for.
    pub struct WHV_EMULATOR_MEMORY_ACCESS_INFO: 24 bytes, align 8 {
        GpaAddress, set_GpaAddress: WHV_GUEST_PHYSICAL_ADDRESS = 0;
        Direction, set_Direction: u8 = 8;
        AccessSize, set_AccessSize: u8 = 9;
        Data, set_Data: [u8; 8] = 10;
    }
}

block! {
    /// Port access that the emulator asks its owner for.
    pub struct WHV_EMULATOR_IO_ACCESS_INFO: 12 bytes, align 4 {
        Direction, set_Direction: u8 = 0;
        Port, set_Port: u16 = 2;
        AccessSize, set_AccessSize: u16 = 4;
        Data, set_Data: u32 = 8;
    }
}

/// Callback: access a port.
pub type WHV_EMULATOR_IO_PORT_CALLBACK =
    Option<unsafe extern "C" fn(Context: *mut c_void, IoAccess: *mut WHV_EMULATOR_IO_ACCESS_INFO) -> HRESULT>;

/// Callback: access guest physical memory.
pub type WHV_EMULATOR_MEMORY_CALLBACK = Option<
    unsafe extern "C" fn(Context: *mut c_void, MemoryAccess: *mut WHV_EMULATOR_MEMORY_ACCESS_INFO) -> HRESULT,
>;

/// Callback: read registers.
pub type WHV_EMULATOR_GET_VIRTUAL_PROCESSOR_REGISTERS_CALLBACK = Option<
    unsafe extern "C" fn(
        Context: *mut c_void,
        RegisterNames: *const WHV_REGISTER_NAME,
        RegisterCount: u32,
        RegisterValues: *mut WHV_REGISTER_VALUE,
    ) -> HRESULT,
>;

/// Callback: write registers.
pub type WHV_EMULATOR_SET_VIRTUAL_PROCESSOR_REGISTERS_CALLBACK = Option<
    unsafe extern "C" fn(
        Context: *mut c_void,
        RegisterNames: *const WHV_REGISTER_NAME,
        RegisterCount: u32,
        RegisterValues: *const WHV_REGISTER_VALUE,
    ) -> HRESULT,
>;

/// Callback: translate a page address.
pub type WHV_EMULATOR_TRANSLATE_GVA_PAGE_CALLBACK = Option<
    unsafe extern "C" fn(
        Context: *mut c_void,
        Gva: WHV_GUEST_VIRTUAL_ADDRESS,
        TranslateFlags: WHV_TRANSLATE_GVA_FLAGS,
        TranslationResult: *mut WHV_TRANSLATE_GVA_RESULT_CODE,
        Gpa: *mut WHV_GUEST_PHYSICAL_ADDRESS,
    ) -> HRESULT,
>;

record! {
    /// The emulator's view of its owner.
    pointers pub struct WHV_EMULATOR_CALLBACKS {
        Size: u32,
        Reserved: u32,
        WHvEmulatorIoPortCallback: WHV_EMULATOR_IO_PORT_CALLBACK,
        WHvEmulatorMemoryCallback: WHV_EMULATOR_MEMORY_CALLBACK,
        WHvEmulatorGetVirtualProcessorRegisters: WHV_EMULATOR_GET_VIRTUAL_PROCESSOR_REGISTERS_CALLBACK,
        WHvEmulatorSetVirtualProcessorRegisters: WHV_EMULATOR_SET_VIRTUAL_PROCESSOR_REGISTERS_CALLBACK,
        WHvEmulatorTranslateGvaPage: WHV_EMULATOR_TRANSLATE_GVA_PAGE_CALLBACK,
    }
}

/// Opaque handle of an emulator.
pub type WHV_EMULATOR_HANDLE = *mut c_void;

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    WHV_EMULATOR_STATUS::RECORD,
    WHV_EMULATOR_MEMORY_ACCESS_INFO::RECORD,
    WHV_EMULATOR_IO_ACCESS_INFO::RECORD,
    Record::plain::<WHV_EMULATOR_IO_PORT_CALLBACK>("WHV_EMULATOR_IO_PORT_CALLBACK"),
    Record::plain::<WHV_EMULATOR_MEMORY_CALLBACK>("WHV_EMULATOR_MEMORY_CALLBACK"),
    Record::plain::<WHV_EMULATOR_GET_VIRTUAL_PROCESSOR_REGISTERS_CALLBACK>(
        "WHV_EMULATOR_GET_VIRTUAL_PROCESSOR_REGISTERS_CALLBACK",
    ),
    Record::plain::<WHV_EMULATOR_SET_VIRTUAL_PROCESSOR_REGISTERS_CALLBACK>(
        "WHV_EMULATOR_SET_VIRTUAL_PROCESSOR_REGISTERS_CALLBACK",
    ),
    Record::plain::<WHV_EMULATOR_TRANSLATE_GVA_PAGE_CALLBACK>("WHV_EMULATOR_TRANSLATE_GVA_PAGE_CALLBACK"),
    WHV_EMULATOR_CALLBACKS::RECORD,
    Record::plain::<WHV_EMULATOR_HANDLE>("WHV_EMULATOR_HANDLE"),
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[];
