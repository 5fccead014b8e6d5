//! `libopenwhp_windows`: the Windows functions that programs written for the Windows Hypervisor Platform call, on
//! Linux. The headers are in `include/windows`.
//!
//! | module | functions |
//! |---|---|
//! | `handles`, `object`, `wait`, `events` | handles are descriptors: events are eventfds, processes pidfds |
//! | `threads`, `tls`, `locks`, `timer_queue` | threads, slots, critical sections, slim locks, condition variables |
//! | `memory`, `pages`, `heap` | reserve and commit, sections, heaps |
//! | `files`, `pipes`, `console`, `keys`, `modules`, `system`, `time` | the rest of what such programs need |
//! | `format`, `crt` | formatted output and wide strings as Microsoft's C runtime has them |
//!
//! `boundary.rs` says what every function does on entry. A wrong handle is reported, never followed; a wrong pointer
//! is the program's own fault, as on Windows.

mod boundary;
mod console;
mod crt;
mod error;
mod events;
mod files;
mod format;
mod handles;
mod heap;
mod keys;
mod locks;
mod memory;
mod modules;
mod object;
mod pages;
mod pipes;
mod system;
mod threads;
mod time;
mod timer_queue;
mod tls;
mod wait;

pub use console::*;
pub use crt::*;
pub use events::*;
pub use files::*;
pub use handles::*;
pub use heap::*;
pub use keys::*;
pub use locks::*;
pub use memory::*;
pub use modules::*;
pub use pipes::*;
pub use system::*;
pub use threads::*;
pub use time::*;
pub use timer_queue::*;
pub use tls::*;
pub use wait::*;
