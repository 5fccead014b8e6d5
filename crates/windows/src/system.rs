//! Errors, the system, the environment, the end of the process.

#![expect(unsafe_code, reason = "exports C functions and ends the process")]

use std::ffi::OsStr;
use std::ffi::c_void;
use std::os::unix::ffi::OsStrExt;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use crate::boundary::FALSE;
use crate::boundary::Outcome;
use crate::boundary::Output;
use crate::boundary::TRUE;
use crate::boundary::exports;
use crate::boundary::last_error;
use crate::boundary::set_last_error;
use crate::error::ERROR_ENVVAR_NOT_FOUND;
use crate::error::ERROR_INSUFFICIENT_BUFFER;
use crate::error::ERROR_INVALID_PARAMETER;
use crate::error::ERROR_MR_MID_NOT_FOUND;
use crate::error::ERROR_NOT_ENOUGH_MEMORY;
use crate::error::ERROR_NOT_SUPPORTED;
use crate::error::message;
use crate::heap;
use crate::pages::GRANULARITY;
use crate::pages::PAGE;
use crate::threads;

const FORMAT_MESSAGE_ALLOCATE_BUFFER: u32 = 0x100;
const FORMAT_MESSAGE_FROM_SYSTEM: u32 = 0x1000;
const PROCESSOR_ARCHITECTURE_AMD64: u16 = 9;
const PROCESSOR_ARCHITECTURE_ARM64: u16 = 12;
const PROCESSOR_AMD_X8664: u32 = 8664;

/// What `GetSystemInfo` says.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SystemInfo {
    architecture: u16,
    reserved: u16,
    page_size: u32,
    lowest: usize,
    highest: usize,
    mask: usize,
    processors: u32,
    kind: u32,
    granularity: u32,
    level: u16,
    revision: u16,
}

/// What `GlobalMemoryStatusEx` says.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryStatus {
    length: u32,
    load: u32,
    total: u64,
    available: u64,
    total_page_file: u64,
    available_page_file: u64,
    total_virtual: u64,
    available_virtual: u64,
    available_extended: u64,
}

fn processors() -> u32 {
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(count).unwrap_or(1)
}

fn system_info() -> SystemInfo {
    let arm = cfg!(target_arch = "aarch64");
    let mask = threads::affinity(None).unwrap_or(1);
    SystemInfo {
        architecture: if arm { PROCESSOR_ARCHITECTURE_ARM64 } else { PROCESSOR_ARCHITECTURE_AMD64 },
        reserved: 0,
        page_size: PAGE as u32,
        lowest: GRANULARITY,
        highest: 0x7FFF_FFFE_FFFF,
        mask: usize::try_from(mask).unwrap_or(usize::MAX),
        processors: processors(),
        kind: if arm { 0 } else { PROCESSOR_AMD_X8664 },
        granularity: GRANULARITY as u32,
        level: 6,
        revision: 0,
    }
}

fn memory_status() -> Outcome<MemoryStatus> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or(0)
            * 1024
    };
    let total = field("MemTotal").max(1);
    let available = field("MemAvailable");
    let space = 0x7FFF_FFFE_0000;
    Ok(MemoryStatus {
        length: size_of::<MemoryStatus>() as u32,
        load: u32::try_from((total - available.min(total)) * 100 / total).unwrap_or(0),
        total,
        available,
        total_page_file: total + field("SwapTotal"),
        available_page_file: available + field("SwapFree"),
        total_virtual: space,
        available_virtual: space,
        available_extended: 0,
    })
}

/// Whether the processor has what a Windows feature number means.
fn has_feature(feature: u32) -> bool {
    #[cfg(target_arch = "x86_64")]
    match feature {
        // Compare-exchange, MMX, SSE, RDTSC, PAE, SSE2, NX, fast system calls: every 64-bit processor has them.
        2 | 3 | 6 | 8 | 9 | 10 | 12 => true,
        13 => std::is_x86_feature_detected!("sse3"),
        14 => std::is_x86_feature_detected!("cmpxchg16b"),
        17 => std::is_x86_feature_detected!("xsave"),
        36 => std::is_x86_feature_detected!("ssse3"),
        37 => std::is_x86_feature_detected!("sse4.1"),
        38 => std::is_x86_feature_detected!("sse4.2"),
        39 => std::is_x86_feature_detected!("avx"),
        40 => std::is_x86_feature_detected!("avx2"),
        41 => std::is_x86_feature_detected!("avx512f"),
        _ => false,
    }
    #[cfg(not(target_arch = "x86_64"))]
    matches!(feature, 12)
}

/// A system message with its line end.
fn system_message(flags: u32, code: u32) -> Outcome<String> {
    if flags & FORMAT_MESSAGE_FROM_SYSTEM == 0 {
        return Err(ERROR_NOT_SUPPORTED);
    }
    message(code).map(|text| format!("{text}\r\n")).ok_or(ERROR_MR_MID_NOT_FOUND)
}

/// Stores a message where the flags say; returns its length.
fn deliver<T: Copy + Default>(text: &[T], flags: u32, buffer: Output<c_void>, size: u32) -> Outcome<u32> {
    let length = u32::try_from(text.len()).map_err(|_| ERROR_INVALID_PARAMETER)?;
    let buffer = buffer.required()?;
    let with_end = text.iter().copied().chain([T::default()]);
    if flags & FORMAT_MESSAGE_ALLOCATE_BUFFER != 0 {
        let room = (size as usize).max(text.len() + 1) * size_of::<T>();
        let block = heap::allocate(room);
        if block.is_null() {
            return Err(ERROR_NOT_ENOUGH_MEMORY);
        }
        // SAFETY: the block has room for the text and its end.
        with_end
            .enumerate()
            .for_each(|(index, unit)| unsafe { block.cast::<T>().add(index).write_unaligned(unit) });
        // SAFETY: the flag says that the buffer is the address of a pointer.
        unsafe { buffer.pointer().cast::<*mut c_void>().write_unaligned(block) };
    } else if size <= length {
        return Err(ERROR_INSUFFICIENT_BUFFER);
    } else {
        // SAFETY: the buffer has `size` units, more than the text.
        with_end.enumerate().for_each(|(index, unit)| unsafe {
            buffer.pointer().cast::<T>().add(index).write_unaligned(unit);
        });
    }
    Ok(length)
}

/// The command line as Windows would show it: arguments with spaces are quoted.
fn command_line() -> String {
    let quoted = |argument: String| {
        if argument.is_empty() || argument.contains([' ', '\t', '"']) {
            format!("\"{}\"", argument.replace('"', "\\\""))
        } else {
            argument
        }
    };
    std::env::args_os()
        .map(|argument| quoted(argument.to_string_lossy().into_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}

static COMMAND_LINE: LazyLock<Vec<u8>> = LazyLock::new(|| command_line().bytes().chain([0]).collect());
static WIDE_COMMAND_LINE: LazyLock<Vec<u16>> =
    LazyLock::new(|| command_line().encode_utf16().chain([0]).collect());

/// Guards the environment against the layer's own threads.
static ENVIRONMENT: Mutex<()> = Mutex::new(());

fn variable(name: Option<String>) -> Outcome<String> {
    let _guard = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    let name = name.ok_or(ERROR_INVALID_PARAMETER)?;
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()).ok_or(ERROR_ENVVAR_NOT_FOUND)
}

/// Copies a text, or says what room it needs.
pub(crate) fn put_or_size<T: Copy + Default>(text: &[T], buffer: Output<T>, size: u32) -> u32 {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX - 1);
    if size <= length {
        return length + 1;
    }
    buffer.put_all(text.iter().copied().chain([T::default()]));
    length
}

fn set_variable(name: Option<String>, value: Option<String>) -> Outcome<i32> {
    let name = name.filter(|name| !name.is_empty() && !name.contains('=')).ok_or(ERROR_INVALID_PARAMETER)?;
    let _guard = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    match value {
        // SAFETY: as with setenv(3), the program keeps other threads from reading the environment meanwhile.
        Some(value) => unsafe { std::env::set_var(name, value) },
        // SAFETY: as above.
        None => unsafe { std::env::remove_var(name) },
    }
    Ok(TRUE)
}

fn current_folder() -> Outcome<String> {
    Ok(std::env::current_dir()?.to_string_lossy().into_owned())
}

fn temporary_folder() -> String {
    let mut folder = std::env::temp_dir().to_string_lossy().into_owned();
    if !folder.ends_with('/') {
        folder.push('/');
    }
    folder
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

static ERROR_MODE: AtomicU32 = AtomicU32::new(0);
static EXCEPTION_FILTER: AtomicUsize = AtomicUsize::new(0);

exports! {
    /// The calling thread's last error.
    fn GetLastError() -> u32 = 0 => {
        Ok(last_error())
    }

    /// Sets the calling thread's last error.
    fn SetLastError(code: u32) -> () = () => {
        set_last_error(code);
        Ok(())
    }

    /// Text of an error. Only the system's messages exist, and none has inserts.
    fn FormatMessageA(
        flags: u32,
        source: *const c_void,
        code: u32,
        language: u32,
        buffer: *mut c_void,
        size: u32,
        arguments: *const c_void,
    ) -> u32 = 0 => {
        deliver(system_message(flags, code)?.as_bytes(), flags, buffer, size)
    }

    /// Text of an error. Only the system's messages exist, and none has inserts.
    fn FormatMessageW(
        flags: u32,
        source: *const c_void,
        code: u32,
        language: u32,
        buffer: *mut c_void,
        size: u32,
        arguments: *const c_void,
    ) -> u32 = 0 => {
        deliver(&units(&system_message(flags, code)?), flags, buffer, size)
    }

    /// What the machine is like.
    fn GetSystemInfo(info: *mut SystemInfo) -> () = () => {
        info.set(system_info());
        Ok(())
    }

    /// What the machine is like.
    fn GetNativeSystemInfo(info: *mut SystemInfo) -> () = () => {
        info.set(system_info());
        Ok(())
    }

    /// How much memory there is.
    fn GlobalMemoryStatusEx(status: *mut MemoryStatus) -> i32 = FALSE => {
        let length = status.get().ok_or(ERROR_INVALID_PARAMETER)?.length;
        if length as usize != size_of::<MemoryStatus>() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        status.set(memory_status()?);
        Ok(TRUE)
    }

    /// Whether the processor has a feature.
    fn IsProcessorFeaturePresent(feature: u32) -> i32 = FALSE => {
        Ok(i32::from(has_feature(feature)))
    }

    /// Number of the processor that runs the calling thread.
    fn GetCurrentProcessorNumber() -> u32 = 0 => {
        Ok(u32::try_from(rustix::thread::sched_getcpu()).unwrap_or(0))
    }

    /// Number of processors.
    fn GetActiveProcessorCount(group: u32) -> u32 = 0 => {
        Ok(processors())
    }

    /// The command line.
    fn GetCommandLineA() -> *mut u8 = std::ptr::null_mut() => {
        Ok(COMMAND_LINE.as_ptr().cast_mut())
    }

    /// The command line.
    fn GetCommandLineW() -> *mut u16 = std::ptr::null_mut() => {
        Ok(WIDE_COMMAND_LINE.as_ptr().cast_mut())
    }

    /// Value of a variable, or the room it needs.
    fn GetEnvironmentVariableA(name: *const u8, buffer: *mut u8 [size], size: u32) -> u32 = 0 => {
        Ok(put_or_size(variable(name.text())?.as_bytes(), buffer, size))
    }

    /// Value of a variable, or the room it needs.
    fn GetEnvironmentVariableW(name: *const u16, buffer: *mut u16 [size], size: u32) -> u32 = 0 => {
        Ok(put_or_size(&units(&variable(name.text())?), buffer, size))
    }

    /// Sets a variable, or removes it.
    fn SetEnvironmentVariableA(name: *const u8, value: *const u8) -> i32 = FALSE => {
        set_variable(name.text(), value.text())
    }

    /// Sets a variable, or removes it.
    fn SetEnvironmentVariableW(name: *const u16, value: *const u16) -> i32 = FALSE => {
        set_variable(name.text(), value.text())
    }

    /// The current folder, or the room it needs.
    fn GetCurrentDirectoryA(size: u32, buffer: *mut u8 [size]) -> u32 = 0 => {
        Ok(put_or_size(current_folder()?.as_bytes(), buffer, size))
    }

    /// The current folder, or the room it needs.
    fn GetCurrentDirectoryW(size: u32, buffer: *mut u16 [size]) -> u32 = 0 => {
        Ok(put_or_size(&units(&current_folder()?), buffer, size))
    }

    /// Changes the current folder.
    fn SetCurrentDirectoryA(name: *const u8) -> i32 = FALSE => {
        let name = crate::files::path(name.text())?;
        std::env::set_current_dir(OsStr::from_bytes(name.as_bytes()))?;
        Ok(TRUE)
    }

    /// The folder for temporary files, or the room it needs.
    fn GetTempPathA(size: u32, buffer: *mut u8 [size]) -> u32 = 0 => {
        Ok(put_or_size(temporary_folder().as_bytes(), buffer, size))
    }

    /// The folder for temporary files, or the room it needs.
    fn GetTempPathW(size: u32, buffer: *mut u16 [size]) -> u32 = 0 => {
        Ok(put_or_size(&units(&temporary_folder()), buffer, size))
    }

    /// The folder of the system, or the room it needs.
    fn GetWindowsDirectoryW(buffer: *mut u16 [size], size: u32) -> u32 = 0 => {
        Ok(put_or_size(&units("/"), buffer, size))
    }

    /// Stores which errors show a window; none does here.
    fn SetErrorMode(mode: u32) -> u32 = 0 => {
        Ok(ERROR_MODE.swap(mode, Ordering::Relaxed))
    }

    /// Stores a filter; nothing here raises Windows exceptions.
    fn SetUnhandledExceptionFilter(filter: usize) -> usize = 0 => {
        Ok(EXCEPTION_FILTER.swap(filter, Ordering::Relaxed))
    }

    /// Whether a debugger watches this process.
    fn IsDebuggerPresent() -> i32 = FALSE => {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
        Ok(i32::from(tracer.is_some_and(|number| number.trim() != "0")))
    }

    /// Ends this process after its exit handlers have run.
    fn ExitProcess(code: u32) -> () = () => {
        // SAFETY: ends the process, as asked.
        unsafe { libc::exit(code.cast_signed()) }
    }
}
