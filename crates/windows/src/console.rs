//! The console: standard streams, modes, control handlers, keys.

#![expect(unsafe_code, reason = "installs signal handlers and calls the program's procedures")]

use std::ffi::c_void;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering;

use rustix::event::EventfdFlags;
use rustix::event::eventfd;
use rustix::termios::LocalModes;
use rustix::termios::OptionalActions;
use rustix::termios::tcgetattr;
use rustix::termios::tcsetattr;

use crate::boundary::FALSE;
use crate::boundary::Outcome;
use crate::boundary::TRUE;
use crate::boundary::exports;
use crate::error::ERROR_INVALID_HANDLE;
use crate::error::ERROR_INVALID_PARAMETER;
use crate::files;
use crate::handles;
use crate::object::Object;
use crate::object::is_readable;

const STD_INPUT_HANDLE: u32 = -10_i32 as u32;
const STD_OUTPUT_HANDLE: u32 = -11_i32 as u32;
const STD_ERROR_HANDLE: u32 = -12_i32 as u32;
const INVALID_HANDLE: usize = usize::MAX;
const CTRL_C_EVENT: u32 = 0;
const CTRL_BREAK_EVENT: u32 = 1;
const CTRL_CLOSE_EVENT: u32 = 2;
const ENABLE_PROCESSED_INPUT: u32 = 1;
const ENABLE_LINE_INPUT: u32 = 2;
const ENABLE_ECHO_INPUT: u32 = 4;
const STATUS_CONTROL_C_EXIT: u32 = 0xC000_013A;
/// Set to have debug output on standard error.
const DEBUG_OUTPUT: &str = "OPENWHP_DEBUG_OUTPUT";

static STREAMS: Mutex<[usize; 3]> = Mutex::new([0; 3]);

/// Handle of a standard stream, made when it is first asked for.
fn standard(which: u32) -> Outcome<usize> {
    let index = match which {
        STD_INPUT_HANDLE => 0,
        STD_OUTPUT_HANDLE => 1,
        STD_ERROR_HANDLE => 2,
        _ => return Err(ERROR_INVALID_HANDLE),
    };
    let mut streams = STREAMS.lock().unwrap_or_else(PoisonError::into_inner);
    if streams[index] == 0 {
        streams[index] = match index {
            0 => files::standard(std::io::stdin())?,
            1 => files::standard(std::io::stdout())?,
            _ => files::standard(std::io::stderr())?,
        };
    }
    Ok(streams[index])
}

fn write(handle: usize, bytes: &[u8]) -> Outcome {
    let entry = handles::find(handle)?;
    if !matches!(*entry.object, Object::File(_)) {
        return Err(ERROR_INVALID_HANDLE);
    }
    files::write(entry.fd(), bytes, None)
}

fn mode(handle: usize) -> Outcome<u32> {
    let entry = handles::find(handle)?;
    let state = tcgetattr(entry.fd()).map_err(|_| ERROR_INVALID_HANDLE)?;
    let flag = |modes, value| if state.local_modes.contains(modes) { value } else { 0 };
    Ok(flag(LocalModes::ISIG, ENABLE_PROCESSED_INPUT)
        | flag(LocalModes::ICANON, ENABLE_LINE_INPUT)
        | flag(LocalModes::ECHO, ENABLE_ECHO_INPUT))
}

/// Sets what a terminal does with keys. Output modes change nothing: terminals here know escape sequences.
fn set_mode(handle: usize, mode: u32) -> Outcome {
    let entry = handles::find(handle)?;
    let mut state = tcgetattr(entry.fd()).map_err(|_| ERROR_INVALID_HANDLE)?;
    let input = STREAMS.lock().unwrap_or_else(PoisonError::into_inner)[0];
    if handle != input {
        return Ok(());
    }
    state.local_modes.set(LocalModes::ISIG, mode & ENABLE_PROCESSED_INPUT != 0);
    state.local_modes.set(LocalModes::ICANON, mode & ENABLE_LINE_INPUT != 0);
    state.local_modes.set(LocalModes::ECHO, mode & ENABLE_ECHO_INPUT != 0);
    Ok(tcsetattr(entry.fd(), OptionalActions::Now, &state)?)
}

/// One key, without waiting for a line.
fn key(echo: bool) -> Outcome<u8> {
    let input = std::io::stdin();
    let before = tcgetattr(&input).ok();
    if let Some(before) = &before {
        let mut raw = before.clone();
        raw.local_modes.remove(LocalModes::ICANON);
        raw.local_modes.set(LocalModes::ECHO, echo);
        tcsetattr(&input, OptionalActions::Now, &raw)?;
    }
    let mut byte = [0];
    let outcome = rustix::io::read(&input, &mut byte);
    if let Some(before) = &before {
        tcsetattr(&input, OptionalActions::Now, before)?;
    }
    if outcome? == 0 { Err(ERROR_INVALID_HANDLE) } else { Ok(byte[0]) }
}

type Handler = unsafe extern "C-unwind" fn(u32) -> i32;

static HANDLERS: Mutex<Vec<usize>> = Mutex::new(Vec::new());
static ASKED: OnceLock<OwnedFd> = OnceLock::new();
/// The descriptor of [`ASKED`], for the signal handler.
static ASKED_NUMBER: AtomicI32 = AtomicI32::new(-1);
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// Passes a signal on to the thread that calls the program's handlers.
extern "C" fn on_signal(signal: i32) {
    SIGNAL.store(signal, Ordering::SeqCst);
    let one = 1_u64.to_ne_bytes();
    // SAFETY: write(2) may be called here; the buffer lives until it returns, and a wrong descriptor is reported.
    unsafe { libc::write(ASKED_NUMBER.load(Ordering::SeqCst), one.as_ptr().cast(), one.len()) };
}

/// Calls the handlers, the last one first, until one says that it is done; else ends the process.
fn dispatch() {
    let event = match SIGNAL.load(Ordering::SeqCst) {
        libc::SIGINT => CTRL_C_EVENT,
        libc::SIGQUIT => CTRL_BREAK_EVENT,
        _ => CTRL_CLOSE_EVENT,
    };
    let handlers = HANDLERS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for handler in handlers.into_iter().rev() {
        // SAFETY: the program gave the address of a handler of this type.
        let handler = unsafe { std::mem::transmute::<usize, Handler>(handler) };
        // SAFETY: as above.
        if unsafe { handler(event) } != 0 {
            return;
        }
    }
    // SAFETY: ends the process without running handlers, as Windows' default handler does.
    unsafe { libc::_exit(STATUS_CONTROL_C_EXIT.cast_signed()) }
}

/// Starts the thread that calls handlers, once.
fn listen() -> Outcome {
    if ASKED.get().is_some() {
        return Ok(());
    }
    let asked = eventfd(0, EventfdFlags::CLOEXEC)?;
    ASKED_NUMBER.store(asked.as_raw_fd(), Ordering::SeqCst);
    if ASKED.set(asked).is_err() {
        return Ok(());
    }
    std::thread::Builder::new().name("console".to_owned()).spawn(|| {
        while let Some(asked) = ASKED.get() {
            if rustix::io::read(asked.as_fd(), &mut [0_u8; 8]).is_ok() {
                dispatch();
            }
        }
    })?;
    Ok(())
}

fn set_handler(signal: i32, handler: usize) {
    // SAFETY: all-zero bytes are an action without flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the action is complete, and its handler only does what signal handlers may.
    unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
}

fn change_handlers(handler: usize, add: bool) -> Outcome {
    if handler == 0 {
        // Ignoring Ctrl+C, or not.
        set_handler(libc::SIGINT, if add { libc::SIG_IGN } else { libc::SIG_DFL });
        return Ok(());
    }
    if add {
        listen()?;
        HANDLERS.lock().unwrap_or_else(PoisonError::into_inner).push(handler);
        let entry: extern "C" fn(i32) = on_signal;
        for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGHUP] {
            set_handler(signal, entry as usize);
        }
        return Ok(());
    }
    let mut handlers = HANDLERS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = handlers.iter().rposition(|known| *known == handler).ok_or(ERROR_INVALID_PARAMETER)?;
    handlers.remove(known);
    Ok(())
}

fn debug_output(text: Option<String>) {
    if std::env::var_os(DEBUG_OUTPUT).is_some() {
        // Nobody may be reading.
        let _ = std::io::stderr().write_all(text.unwrap_or_default().as_bytes());
    }
}

exports! {
    /// Handle of a standard stream.
    fn GetStdHandle(which: u32) -> usize = INVALID_HANDLE => {
        standard(which)
    }

    /// Writes bytes to the console.
    fn WriteConsoleA(
        handle: usize,
        buffer: *const c_void [count],
        count: u32,
        written: *mut u32,
        reserved: *const c_void,
    ) -> i32 = FALSE => {
        write(handle, &buffer.bytes()?)?;
        written.set(count);
        Ok(TRUE)
    }

    /// Writes UTF-16 units to the console.
    fn WriteConsoleW(
        handle: usize,
        buffer: *const c_void [count * 2],
        count: u32,
        written: *mut u32,
        reserved: *const c_void,
    ) -> i32 = FALSE => {
        let units: Vec<u16> =
            buffer.bytes()?.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect();
        write(handle, String::from_utf16_lossy(&units).as_bytes())?;
        written.set(count);
        Ok(TRUE)
    }

    /// What a terminal does with keys.
    fn GetConsoleMode(handle: usize, mode: *mut u32) -> i32 = FALSE => {
        mode.required()?.set(self::mode(handle)?);
        Ok(TRUE)
    }

    /// Sets what a terminal does with keys.
    fn SetConsoleMode(handle: usize, mode: u32) -> i32 = FALSE => {
        set_mode(handle, mode)?;
        Ok(TRUE)
    }

    /// Adds or removes a procedure that is called, on a thread of its own, when the process is asked to end.
    fn SetConsoleCtrlHandler(handler: usize, add: i32) -> i32 = FALSE => {
        change_handlers(handler, add != 0)?;
        Ok(TRUE)
    }

    /// Text for a debugger: on standard error if `OPENWHP_DEBUG_OUTPUT` is set.
    fn OutputDebugStringA(text: *const u8) -> () = () => {
        debug_output(text.text());
        Ok(())
    }

    /// Text for a debugger: on standard error if `OPENWHP_DEBUG_OUTPUT` is set.
    fn OutputDebugStringW(text: *const u16) -> () = () => {
        debug_output(text.text());
        Ok(())
    }

    /// Whether a key waits.
    fn _kbhit() -> i32 = FALSE => {
        Ok(i32::from(is_readable(std::io::stdin().as_fd())?))
    }

    /// A key, not shown.
    fn _getch() -> i32 = -1 => {
        Ok(i32::from(key(false)?))
    }

    /// A key, shown.
    fn _getche() -> i32 = -1 => {
        Ok(i32::from(key(true)?))
    }
}
