//! Host faults on guest memory: the signal handler that turns them into exits.
//!
//! The processor touches guest memory with instructions listed in a table. A SIGSEGV or SIGBUS at one of them resumes
//! at its fix-up; any other goes to whoever handled the signal before.

#![expect(unsafe_code, reason = "installs a signal handler and changes the interrupted context")]

use std::mem::MaybeUninit;
use std::sync::Once;
use std::sync::OnceLock;

use libc::c_int;
use libc::c_void;
use libc::siginfo_t;

/// The handlers found at installation.
struct Previous {
    segv: libc::sigaction,
    bus: libc::sigaction,
}

static PREVIOUS: OnceLock<Previous> = OnceLock::new();

/// Installs the handler, once per process.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let Some(segv) = current(libc::SIGSEGV) else { return };
        let Some(bus) = current(libc::SIGBUS) else { return };
        // The previous handlers must be known before ours can run.
        let _ = PREVIOUS.set(Previous { segv, bus });
        replace(libc::SIGSEGV);
        replace(libc::SIGBUS);
    });
}

fn current(signal: c_int) -> Option<libc::sigaction> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: asks for the current action only; the structure is plain data and zero is a valid value of it.
    let result = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: zero-initialised above, so every byte is set.
    (result == 0).then(|| unsafe { action.assume_init() })
}

fn replace(signal: c_int) {
    // SAFETY: zero is a valid value of every field of this plain structure.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handle as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: `handle` has the signature SA_SIGINFO asks for and does only what a signal handler may: it reads a
    // table, changes the saved context, or calls the previous handler.
    unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
}

extern "C" fn handle(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    if let Some(pc) = program_counter(context)
        && let Some(resume) = openwhp_x86::mem::fixup(*pc as usize)
    {
        *pc = resume as i64;
        return;
    }
    chain(signal, info, context);
}

/// The saved instruction pointer.
#[cfg(target_arch = "x86_64")]
fn program_counter<'a>(context: *mut c_void) -> Option<&'a mut i64> {
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: the kernel passes a valid context to a handler installed with SA_SIGINFO, and nobody else uses it.
    unsafe { context.as_mut() }.map(|context| &mut context.uc_mcontext.gregs[libc::REG_RIP as usize])
}

/// No access can be recovered on this host.
#[cfg(not(target_arch = "x86_64"))]
fn program_counter<'a>(_context: *mut c_void) -> Option<&'a mut i64> {
    None
}

/// Hands the signal to the handler that was there before us.
fn chain(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let previous = PREVIOUS.get().map(|all| if signal == libc::SIGSEGV { &all.segv } else { &all.bus });
    match previous {
        Some(action) if action.sa_sigaction > libc::SIG_IGN => {
            if action.sa_flags & libc::SA_SIGINFO != 0 {
                // SAFETY: SA_SIGINFO says that the address is a function of this signature.
                let function = unsafe {
                    std::mem::transmute::<usize, extern "C" fn(c_int, *mut siginfo_t, *mut c_void)>(
                        action.sa_sigaction,
                    )
                };
                function(signal, info, context);
            } else {
                // SAFETY: without SA_SIGINFO the address is a function of the signal number.
                let function =
                    unsafe { std::mem::transmute::<usize, extern "C" fn(c_int)>(action.sa_sigaction) };
                function(signal);
            }
        }
        _ => {
            // SAFETY: the default action; the faulting instruction runs again and the process ends as it would have.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
}
