//! Libraries: the two of the platform by their Windows names, Windows' own by this one, others by the host's names.

#![expect(unsafe_code, reason = "loads libraries and looks symbols up")]

use std::collections::HashMap;
use std::ffi::CString;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::boundary::FALSE;
use crate::boundary::Outcome;
use crate::boundary::Output;
use crate::boundary::TRUE;
use crate::boundary::exports;
use crate::error::ERROR_INSUFFICIENT_BUFFER;
use crate::error::ERROR_INVALID_HANDLE;
use crate::error::ERROR_MOD_NOT_FOUND;
use crate::error::ERROR_PROC_NOT_FOUND;

/// Libraries by handle, each with its number of loads.
static MODULES: LazyLock<Mutex<HashMap<usize, u32>>> = LazyLock::new(Mutex::default);

/// Libraries of Windows whose functions this library has.
const OURS: [&str; 8] =
    ["kernel32", "kernelbase", "ntdll", "user32", "advapi32", "ucrtbase", "msvcrt", "winmm"];

fn modules() -> MutexGuard<'static, HashMap<usize, u32>> {
    MODULES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Names to try for a library, best first.
fn candidates(name: &str) -> Vec<String> {
    let name = name.replace('\\', "/");
    let file = name.rsplit('/').next().unwrap_or(&name).to_ascii_lowercase();
    let stem = file.strip_suffix(".dll").unwrap_or(&file);
    match stem {
        "winhvplatform" => vec!["libWinHvPlatform.so.1".to_owned(), "libWinHvPlatform.so".to_owned()],
        "winhvemulation" => vec!["libWinHvEmulation.so.1".to_owned(), "libWinHvEmulation.so".to_owned()],
        _ if OURS.contains(&stem) || stem.starts_with("api-ms-win-") => {
            vec!["libopenwhp_windows.so.1".to_owned(), "libopenwhp_windows.so".to_owned()]
        }
        _ => vec![name.clone(), format!("lib{stem}.so")],
    }
}

/// Loads the first library that the host finds. `None` is the program itself.
fn open(name: Option<&str>, flags: i32) -> Outcome<usize> {
    let names = name.map_or_else(|| vec![None], |name| candidates(name).into_iter().map(Some).collect());
    for name in names {
        let name = name.map(CString::new).transpose().map_err(|_| ERROR_MOD_NOT_FOUND)?;
        let text = name.as_ref().map_or(std::ptr::null(), |name| name.as_ptr());
        // SAFETY: a string that ends with zero, or null for the program itself.
        let module = unsafe { libc::dlopen(text, libc::RTLD_NOW | flags) } as usize;
        if module != 0 {
            *modules().entry(module).or_insert(0) += 1;
            return Ok(module);
        }
    }
    Err(ERROR_MOD_NOT_FOUND)
}

fn load(name: Option<String>) -> Outcome<usize> {
    open(Some(&name.ok_or(ERROR_MOD_NOT_FOUND)?), 0)
}

/// A library that is loaded already; its number of loads stays.
fn loaded(name: Option<String>) -> Outcome<usize> {
    let module = open(name.as_deref(), libc::RTLD_NOLOAD)?;
    if let Some(loads) = modules().get_mut(&module) {
        // One count stays so that the handle is known.
        *loads = (*loads - 1).max(1);
    }
    Ok(module)
}

fn close(module: usize) -> Outcome {
    let mut modules = modules();
    let loads = modules.get_mut(&module).ok_or(ERROR_INVALID_HANDLE)?;
    *loads -= 1;
    if *loads == 0 {
        modules.remove(&module);
    }
    // SAFETY: a handle that dlopen returned and that is still open.
    unsafe { libc::dlclose(std::ptr::with_exposed_provenance_mut(module)) };
    Ok(())
}

fn symbol(module: usize, name: &[u8]) -> Outcome<usize> {
    if !modules().contains_key(&module) {
        return Err(ERROR_MOD_NOT_FOUND);
    }
    let name = CString::new(name).map_err(|_| ERROR_PROC_NOT_FOUND)?;
    // SAFETY: an open handle and a string that ends with zero.
    let address =
        unsafe { libc::dlsym(std::ptr::with_exposed_provenance_mut(module), name.as_ptr()) } as usize;
    if address == 0 { Err(ERROR_PROC_NOT_FOUND) } else { Ok(address) }
}

/// Path of the program; of a library only this much is known.
fn program() -> Outcome<String> {
    Ok(std::env::current_exe()?.to_string_lossy().into_owned())
}

/// Copies a text and its final zero; a short buffer gets what fits and still ends with zero.
fn put_text<T: Copy + Default>(text: &[T], buffer: Output<T>, size: u32) -> Outcome<u32> {
    let room = (size as usize).saturating_sub(1);
    buffer.put_all(text.iter().copied().take(room).chain([T::default()]));
    if text.len() <= room {
        Ok(u32::try_from(text.len()).unwrap_or(u32::MAX))
    } else {
        Err(ERROR_INSUFFICIENT_BUFFER)
    }
}

exports! {
    /// Loads a library.
    fn LoadLibraryA(name: *const u8) -> usize = 0 => {
        load(name.text())
    }

    /// Loads a library.
    fn LoadLibraryW(name: *const u16) -> usize = 0 => {
        load(name.text())
    }

    /// Loads a library; where to look is the host's rule.
    fn LoadLibraryExA(name: *const u8, file: usize, flags: u32) -> usize = 0 => {
        load(name.text())
    }

    /// Loads a library; where to look is the host's rule.
    fn LoadLibraryExW(name: *const u16, file: usize, flags: u32) -> usize = 0 => {
        load(name.text())
    }

    /// Unloads a library once.
    fn FreeLibrary(module: usize) -> i32 = FALSE => {
        close(module)?;
        Ok(TRUE)
    }

    /// Address of a library's function; functions have no numbers here.
    fn GetProcAddress(module: usize, name: *const std::ffi::c_void) -> usize = 0 => {
        if name.address() <= 0xFFFF {
            return Err(ERROR_PROC_NOT_FOUND);
        }
        // SAFETY: not a number, so the caller passes a string.
        let name = unsafe { crate::boundary::until(name.address() as *const u8, 0, 4096) };
        symbol(module, &name.ok_or(ERROR_PROC_NOT_FOUND)?)
    }

    /// A loaded library; without a name the program itself.
    fn GetModuleHandleA(name: *const u8) -> usize = 0 => {
        loaded(name.text())
    }

    /// A loaded library; without a name the program itself.
    fn GetModuleHandleW(name: *const u16) -> usize = 0 => {
        loaded(name.text())
    }

    /// Path of the program.
    fn GetModuleFileNameA(module: usize, buffer: *mut u8 [size], size: u32) -> u32 = 0 => {
        put_text(program()?.as_bytes(), buffer, size)
    }

    /// Path of the program.
    fn GetModuleFileNameW(module: usize, buffer: *mut u16 [size], size: u32) -> u32 = 0 => {
        put_text(&program()?.encode_utf16().collect::<Vec<u16>>(), buffer, size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_platform_is_found_by_any_spelling_of_its_windows_name() {
        for name in ["WinHvPlatform.dll", "winhvplatform", r"C:\Windows\System32\WINHVPLATFORM.DLL"] {
            assert_eq!(candidates(name)[0], "libWinHvPlatform.so.1");
        }
        assert_eq!(candidates("kernel32.dll")[0], "libopenwhp_windows.so.1");
        assert_eq!(candidates("m.dll")[1], "libm.so");
    }
}
