//! Runs the guest test programs of `guests/tests` on the platform.
//!
//! A program is one C or assembly file for the bare machine, linked with the small library in
//! `guests/tests/lib` to a flat image. It reports one line per check on port 0xE9 (`ok name`, `skip name`,
//! `FAIL name: expected .. got ..`, at the end `done count`) and ends by writing a status byte to port 0xF4.
//! Port 0xE8 takes requests to the host ([`Machine`] answers them): suspending time, doorbells, injection.
//! [`build`] makes the image with the compiler and linker of the machine it runs on, [`Machine`] runs it through
//! the public interface of `openwhp`, [`Report`] is what it said. The tests in `tests/programs.rs` name every
//! program and the number of its checks; `cargo run -p openwhp-guest-tests legacy/faults` runs one by hand.

mod host;
mod image;
mod machine;
mod report;

pub use image::Program;
pub use image::build;
pub use machine::End;
pub use machine::Machine;
pub use report::Report;
