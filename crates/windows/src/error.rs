//! Windows error codes: which host error is which, and their texts.

use rustix::io::Errno;

/// A Windows error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Win32(pub(crate) u32);

/// Declares codes with their texts.
macro_rules! codes {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        $(pub(crate) const $name: Win32 = Win32($value);)*

        /// Text of a code.
        fn named(code: u32) -> Option<&'static str> {
            match code {
                $($value => Some($text),)*
                _ => None,
            }
        }
    };
}

codes! {
    ERROR_FILE_NOT_FOUND = 2, "The system cannot find the file specified.";
    ERROR_PATH_NOT_FOUND = 3, "The system cannot find the path specified.";
    ERROR_TOO_MANY_OPEN_FILES = 4, "The system cannot open the file.";
    ERROR_ACCESS_DENIED = 5, "Access is denied.";
    ERROR_INVALID_HANDLE = 6, "The handle is invalid.";
    ERROR_NOT_ENOUGH_MEMORY = 8, "Not enough memory resources are available to process this command.";
    ERROR_GEN_FAILURE = 31, "A device attached to the system is not functioning.";
    ERROR_HANDLE_EOF = 38, "Reached the end of the file.";
    ERROR_NOT_SUPPORTED = 50, "The request is not supported.";
    ERROR_FILE_EXISTS = 80, "The file exists.";
    ERROR_INVALID_PARAMETER = 87, "The parameter is incorrect.";
    ERROR_BROKEN_PIPE = 109, "The pipe has been ended.";
    ERROR_DISK_FULL = 112, "There is not enough space on the disk.";
    ERROR_INSUFFICIENT_BUFFER = 122, "The data area passed to a system call is too small.";
    ERROR_MOD_NOT_FOUND = 126, "The specified module could not be found.";
    ERROR_PROC_NOT_FOUND = 127, "The specified procedure could not be found.";
    ERROR_NEGATIVE_SEEK = 131, "An attempt was made to move the file pointer before the beginning of the file.";
    ERROR_DIR_NOT_EMPTY = 145, "The directory is not empty.";
    ERROR_ALREADY_EXISTS = 183, "Cannot create a file when that file already exists.";
    ERROR_ENVVAR_NOT_FOUND = 203, "The system could not find the environment option that was entered.";
    ERROR_NOT_OWNER = 288, "Attempt to release mutex not owned by caller.";
    ERROR_TOO_MANY_POSTS = 298, "Too many posts were made to a semaphore.";
    ERROR_MR_MID_NOT_FOUND = 317, "The system cannot find message text for this message number.";
    ERROR_INVALID_ADDRESS = 487, "Attempt to access invalid address.";
    ERROR_IO_PENDING = 997, "Overlapped I/O operation is in progress.";
    ERROR_NOACCESS = 998, "Invalid access to memory location.";
    ERROR_FILE_INVALID = 1006, "The volume for a file has been externally altered so that the opened file is no longer valid.";
    ERROR_MAPPED_ALIGNMENT = 1132, "The base address or the file offset specified does not have the proper alignment.";
    ERROR_PRIVILEGE_NOT_HELD = 1314, "A required privilege is not held by the client.";
    ERROR_INTERNAL_ERROR = 1359, "An internal error occurred.";
    ERROR_WORKING_SET_QUOTA = 1453, "Insufficient quota to complete the requested service.";
    ERROR_COMMITMENT_LIMIT = 1455, "The paging file is too small for this operation to complete.";
    ERROR_TIMEOUT = 1460, "This operation returned because the timeout period expired.";
}

/// Texts of codes that only programs and the platform use.
fn result(code: u32) -> Option<&'static str> {
    Some(match code {
        0 => "The operation completed successfully.",
        13 => "The data is invalid.",
        14 => "Not enough memory resources are available to complete this operation.",
        120 => "This function is not supported on this system.",
        1168 => "Element not found.",
        5023 => "The group or resource is not in the correct state to perform the requested operation.",
        0x8000_4001 => "Not implemented",
        0x8000_4003 => "Invalid pointer",
        0x8000_4005 => "Unspecified error",
        0x8000_FFFF => "Catastrophic failure",
        0x8037_0300 => "An unknown capability was specified.",
        0x8037_0301 => "The specified buffer is too small.",
        0x8037_0302 => "An unknown property was specified.",
        0x8037_0303 => "The specified hypervisor configuration is not supported.",
        0x8037_0304 => "The configuration of the partition is not valid.",
        0x8037_0305 => "The specified GPA range was not found.",
        0x8037_0306 => "A virtual processor with the specified index already exists.",
        0x8037_0307 => "A virtual processor with the specified index does not exist.",
        0x8037_0308 => {
            "The virtual processor is not in the correct state to perform the requested operation."
        }
        0x8037_0309 => "A register name is not valid.",
        0x8037_0310 => "The requested processor configuration is not supported.",
        _ => return None,
    })
}

/// Text of a Windows error or result code, without line end.
pub(crate) fn message(code: u32) -> Option<&'static str> {
    let wrapped = (code >> 16 == 0x8007).then_some(code & 0xFFFF);
    named(wrapped.unwrap_or(code)).or_else(|| result(wrapped.unwrap_or(code)))
}

impl From<Errno> for Win32 {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT => ERROR_FILE_NOT_FOUND,
            Errno::NOTDIR => ERROR_PATH_NOT_FOUND,
            Errno::MFILE | Errno::NFILE => ERROR_TOO_MANY_OPEN_FILES,
            Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::ISDIR => ERROR_ACCESS_DENIED,
            Errno::BADF => ERROR_INVALID_HANDLE,
            Errno::NOMEM => ERROR_NOT_ENOUGH_MEMORY,
            Errno::EXIST => ERROR_FILE_EXISTS,
            Errno::INVAL => ERROR_INVALID_PARAMETER,
            Errno::PIPE => ERROR_BROKEN_PIPE,
            Errno::NOSPC | Errno::DQUOT => ERROR_DISK_FULL,
            Errno::NOTEMPTY => ERROR_DIR_NOT_EMPTY,
            Errno::FAULT => ERROR_NOACCESS,
            Errno::NOSYS | Errno::OPNOTSUPP => ERROR_NOT_SUPPORTED,
            _ => ERROR_GEN_FAILURE,
        }
    }
}

impl From<std::io::Error> for Win32 {
    fn from(error: std::io::Error) -> Self {
        error.raw_os_error().map_or(ERROR_GEN_FAILURE, |number| Errno::from_raw_os_error(number).into())
    }
}
