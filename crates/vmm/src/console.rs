//! The guest's console: where output goes, where input comes from, and which device gets it.
//!
//! The serial port and the virtio console share one terminal. Output of both goes there; input goes to
//! the device that wrote last, which is the one a person is looking at.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use openwhp_devices::virtio::console::ConsoleBackend;

use crate::wake::Wake;

/// Input that waits for the guest is read no further than this.
const INPUT_LIMIT: usize = 4096;

/// Where output goes.
#[derive(Debug)]
pub enum Sink {
    /// Standard output.
    Stdout,
    /// A file.
    File(File),
    /// Nowhere.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Device {
    Serial,
    Virtio,
}

#[derive(Debug)]
struct State {
    sink: Sink,
    input: VecDeque<u8>,
    active: Device,
    is_input_paused: bool,
}

/// The console that both devices share.
#[derive(Debug)]
pub struct Console {
    state: Mutex<State>,
    wake: Wake,
}

impl Console {
    /// Makes a console; `wake` is rung when input that was held back may go on.
    #[must_use]
    pub fn new(sink: Sink, wake: Wake) -> Self {
        let state = State { sink, input: VecDeque::new(), active: Device::Serial, is_input_paused: false };
        Self { state: Mutex::new(state), wake }
    }

    /// Writes a byte that the serial port sent.
    pub fn serial_output(&self, byte: u8) {
        self.output(Device::Serial, &[byte]);
    }

    /// Takes at most `limit` bytes of input for the serial port.
    pub fn serial_input(&self, limit: usize) -> Vec<u8> {
        self.input(Device::Serial, limit)
    }

    /// Adds input; false when no more is to be read for now.
    pub fn push_input(&self, bytes: &[u8]) -> bool {
        let mut state = self.lock();
        state.input.extend(bytes);
        state.is_input_paused = state.input.len() >= INPUT_LIMIT;
        !state.is_input_paused
    }

    /// Whether more input may be read.
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.lock().is_input_paused
    }

    fn output(&self, device: Device, bytes: &[u8]) {
        let mut state = self.lock();
        state.active = device;
        // A console that nobody reads any more is no reason to stop a guest.
        let _ = match &mut state.sink {
            Sink::Stdout => write_stdout(bytes),
            Sink::File(file) => file.write_all(bytes),
            Sink::None => Ok(()),
        };
    }

    fn input(&self, device: Device, limit: usize) -> Vec<u8> {
        let mut state = self.lock();
        if state.active != device || state.input.is_empty() {
            return Vec::new();
        }
        let len = limit.min(state.input.len());
        let bytes = state.input.drain(..len).collect();
        if state.is_input_paused && state.input.len() < INPUT_LIMIT / 2 {
            state.is_input_paused = false;
            self.wake.ring();
        }
        bytes
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes past the standard library's line buffer, so that a prompt shows at once.
fn write_stdout(mut bytes: &[u8]) -> std::io::Result<()> {
    let stdout = std::io::stdout();
    while !bytes.is_empty() {
        match rustix::io::write(&stdout, bytes) {
            Ok(len) => bytes = &bytes[len..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let mut fds = [rustix::event::PollFd::new(&stdout, rustix::event::PollFlags::OUT)];
                rustix::event::poll(&mut fds, None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The virtio console's end of the shared console.
#[derive(Debug)]
pub struct VirtioEnd(pub Arc<Console>);

impl ConsoleBackend for VirtioEnd {
    fn output(&mut self, bytes: &[u8]) {
        self.0.output(Device::Virtio, bytes);
    }

    fn input(&mut self, limit: usize) -> Vec<u8> {
        self.0.input(Device::Virtio, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console() -> Console {
        Console::new(Sink::None, Wake::new().expect("an event descriptor"))
    }

    #[test]
    fn input_goes_to_the_device_that_wrote_last() {
        let console = Arc::new(console());
        console.push_input(b"ab");
        assert_eq!(console.serial_input(1), b"a");
        let mut end = VirtioEnd(Arc::clone(&console));
        end.output(b"login: ");
        assert_eq!(console.serial_input(1), b"");
        assert_eq!(end.input(10), b"b");
    }

    #[test]
    fn input_pauses_when_much_waits() {
        let console = console();
        assert!(!console.push_input(&[b'x'; INPUT_LIMIT]));
        assert!(!console.has_room());
        assert_eq!(console.serial_input(INPUT_LIMIT).len(), INPUT_LIMIT);
        assert!(console.has_room());
    }
}
