//! What the emulator asks its owner.

use openwhp_engine::Gpa;
use openwhp_engine::Gva;
use openwhp_engine::RegisterName;
use openwhp_engine::RegisterValue;
use openwhp_engine::TranslateFlags;
use openwhp_engine::Translation;

/// A callback could not answer: the emulation ends, registers unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallbackFailed;

/// An access to guest physical memory, device or not: 1 to 8 bytes that do not cross a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRequest {
    /// First byte.
    pub gpa: Gpa,
    /// Whether the guest writes.
    pub is_write: bool,
    /// Bytes, 1 to 8.
    pub size: u8,
    /// The bytes written, or the place for those read; what lies behind `size` does not count.
    pub data: [u8; 8],
}

/// A port access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRequest {
    /// Whether the guest writes.
    pub is_write: bool,
    /// Port number.
    pub port: u16,
    /// Bytes: 1, 2 or 4.
    pub size: u8,
    /// The value written, or the place for the one read, in the low bytes.
    pub data: u32,
}

/// The processor whose instruction is finished, and its surroundings.
///
/// Every callback may fail; the emulation then ends with that callback's error and no register is set.
///
/// # Source
/// WHP `WHV_EMULATOR_CALLBACKS`.
pub trait EmulatorHost {
    /// Accesses a port.
    ///
    /// # Errors
    /// [`CallbackFailed`].
    fn io_port(&mut self, request: &mut PortRequest) -> Result<(), CallbackFailed>;

    /// Accesses memory. Called for every operand, ordinary memory included.
    ///
    /// # Errors
    /// [`CallbackFailed`].
    fn memory(&mut self, request: &mut MemoryRequest) -> Result<(), CallbackFailed>;

    /// Reads registers; `values` has the length of `names`.
    ///
    /// # Errors
    /// [`CallbackFailed`].
    fn get_registers(
        &mut self,
        names: &[RegisterName],
        values: &mut [RegisterValue],
    ) -> Result<(), CallbackFailed>;

    /// Writes registers, all or none; `values` has the length of `names`.
    ///
    /// # Errors
    /// [`CallbackFailed`].
    fn set_registers(
        &mut self,
        names: &[RegisterName],
        values: &[RegisterValue],
    ) -> Result<(), CallbackFailed>;

    /// Translates the linear address of a page as the processor would for the access that `flags` name.
    ///
    /// # Errors
    /// [`CallbackFailed`]; a translation that faults is an answer.
    fn translate(&mut self, page: Gva, flags: TranslateFlags) -> Result<Translation, CallbackFailed>;
}
