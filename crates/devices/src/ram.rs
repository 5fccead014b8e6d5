//! Access to guest memory as devices see it: copies in and out, never references.

/// An access that does not lie wholly in guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RamError {
    /// First guest physical address of the refused access.
    pub gpa: u64,
    /// Its length in bytes.
    pub len: usize,
}

impl core::fmt::Display for RamError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} bytes at {:#x} are not all guest memory", self.len, self.gpa)
    }
}

impl core::error::Error for RamError {}

/// Guest memory that a device may copy from and to.
///
/// Implementations check every address: a device passes on what a guest wrote.
pub trait GuestRam {
    /// Copies from guest memory.
    ///
    /// # Errors
    /// [`RamError`] when any byte is outside of guest memory; `bytes` is then unspecified.
    fn read(&self, gpa: u64, bytes: &mut [u8]) -> Result<(), RamError>;

    /// Copies to guest memory.
    ///
    /// # Errors
    /// [`RamError`] when any byte is outside of guest memory; nothing is written then.
    fn write(&self, gpa: u64, bytes: &[u8]) -> Result<(), RamError>;
}

/// A plain block of memory from address 0, for tests and small tools.
#[derive(Debug, Default)]
pub struct VecRam(std::sync::Mutex<Vec<u8>>);

impl VecRam {
    /// Makes `len` zero bytes of memory.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self(std::sync::Mutex::new(vec![0; len]))
    }

    fn span(len: usize, gpa: u64, size: usize) -> Result<std::ops::Range<usize>, RamError> {
        let error = RamError { gpa, len: size };
        let start = usize::try_from(gpa).map_err(|_| error)?;
        let end = start.checked_add(size).ok_or(error)?;
        if end > len { Err(error) } else { Ok(start..end) }
    }
}

impl GuestRam for VecRam {
    fn read(&self, gpa: u64, bytes: &mut [u8]) -> Result<(), RamError> {
        let memory = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        bytes.copy_from_slice(&memory[Self::span(memory.len(), gpa, bytes.len())?]);
        Ok(())
    }

    fn write(&self, gpa: u64, bytes: &[u8]) -> Result<(), RamError> {
        let mut memory = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let span = Self::span(memory.len(), gpa, bytes.len())?;
        memory[span].copy_from_slice(bytes);
        Ok(())
    }
}
