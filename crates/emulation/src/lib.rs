//! Finishes the instruction behind a memory or port exit with callbacks alone.
//!
//! The platform never completes an access by itself. [`Emulator`] does it for a client: it executes exactly the one
//! instruction of the exit, with the decoder and the semantics of the software processor, and everything it touches
//! goes through [`EmulatorHost`]: registers, address translation, memory, ports. It knows no partition; the
//! processor may live anywhere, as long as somebody can answer for it.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`host`] | the callbacks |
//! | [`emulator`] | the order of things: decode, get state, execute, set state |
//! | `state` | which registers an instruction needs, and their way in and out |
//! | `bus` | translation and data accesses of the running instruction |
//! | `events` | faults and debug traps for the guest |
//!
//! # Example
//!
//! ```
//! use openwhp_emulation::*;
//! use openwhp_engine::*;
//!
//! /// A processor in real mode whose only state is AX, and a device that answers every read with 0x55.
//! #[derive(Default)]
//! struct Host { ax: u64, rip: u64 }
//!
//! impl EmulatorHost for Host {
//!     fn io_port(&mut self, _: &mut PortRequest) -> Result<(), CallbackFailed> { Err(CallbackFailed) }
//!     fn memory(&mut self, request: &mut MemoryRequest) -> Result<(), CallbackFailed> {
//!         request.data.fill(0x55);
//!         Ok(())
//!     }
//!     fn translate(&mut self, page: Gva, _: TranslateFlags) -> Result<Translation, CallbackFailed> {
//!         Ok(Translation { result: TranslateResult::Success, gpa: Gpa(page.0) })
//!     }
//!     fn get_registers(&mut self, names: &[RegisterName], values: &mut [RegisterValue])
//!         -> Result<(), CallbackFailed> {
//!         let data = SegmentRegister { limit: 0xFFFF, attributes: 0x93, ..SegmentRegister::default() };
//!         for (name, value) in names.iter().zip(values) {
//!             *value = match *name {
//!                 RegisterName::RAX => self.ax.into(),
//!                 name if (RegisterName::ES..=RegisterName::GS).contains(&name) => data.into(),
//!                 _ => RegisterValue::default(),
//!             };
//!         }
//!         Ok(())
//!     }
//!     fn set_registers(&mut self, names: &[RegisterName], values: &[RegisterValue])
//!         -> Result<(), CallbackFailed> {
//!         for (name, value) in names.iter().zip(values) {
//!             match *name {
//!                 RegisterName::RAX => self.ax = value.low(),
//!                 RegisterName::RIP => self.rip = value.low(),
//!                 _ => {}
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let cs = SegmentRegister { limit: 0xFFFF, attributes: 0x9B, ..SegmentRegister::default() };
//! let vp = VpContext { cs, rip: 0x1000, rflags: 2, ..VpContext::default() };
//! // mov al, [0x8000]
//! let access = MemoryAccess { instruction: (&[0xA0, 0x00, 0x80][..]).into(), ..MemoryAccess::default() };
//! let mut host = Host::default();
//! Emulator::new().try_mmio(&mut host, &vp, &access)?;
//! assert_eq!((host.ax, host.rip), (0x55, 0x1003));
//! # Ok::<(), EmulatorError>(())
//! ```

mod bus;
pub mod emulator;
mod events;
pub mod host;
mod nowhere;
mod state;

pub use emulator::Emulator;
pub use emulator::EmulatorError;
pub use host::CallbackFailed;
pub use host::EmulatorHost;
pub use host::MemoryRequest;
pub use host::PortRequest;
