//! The terminal: raw mode while a guest has it, restored on every way out.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::PoisonError;

use rustix::termios::OptionalActions;
use rustix::termios::Termios;

/// The mode to be restored, kept where a panic finds it too.
static SAVED: Mutex<Option<Termios>> = Mutex::new(None);

/// Raw mode for as long as the value lives.
#[derive(Debug)]
pub struct RawMode(());

impl RawMode {
    /// Switches standard input to raw mode, if it is a terminal.
    #[must_use]
    pub fn enter() -> Option<Self> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        let saved = rustix::termios::tcgetattr(&stdin).ok()?;
        let mut raw = saved.clone();
        raw.make_raw();
        // The guest sends carriage returns itself; our own messages still need the terminal's.
        raw.output_modes = saved.output_modes;
        rustix::termios::tcsetattr(&stdin, OptionalActions::Now, &raw).ok()?;
        let mut slot = SAVED.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.replace(saved).is_none() {
            let previous = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                restore();
                previous(info);
            }));
        }
        Some(Self(()))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the mode that was found.
pub fn restore() {
    let saved = SAVED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(saved) = &*saved {
        // Nothing can be done about a terminal that is gone.
        let _ = rustix::termios::tcsetattr(std::io::stdin(), OptionalActions::Now, saved);
    }
}

/// What the escape key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Leave: end the run.
    Leave,
}

/// Finds the escape key, Ctrl-A, in typed input.
#[derive(Clone, Copy, Debug, Default)]
pub struct EscapeFilter {
    has_prefix: bool,
}

const CTRL_A: u8 = 1;

impl EscapeFilter {
    /// Splits input into bytes for the guest and a command. Ctrl-A x leaves, Ctrl-A Ctrl-A (or a) types one Ctrl-A.
    pub fn filter(&mut self, input: &[u8]) -> (Vec<u8>, Option<Command>) {
        let mut bytes = Vec::new();
        for &byte in input {
            match (core::mem::take(&mut self.has_prefix), byte) {
                (false, CTRL_A) => self.has_prefix = true,
                (false, byte) => bytes.push(byte),
                (true, b'x' | b'X') => return (bytes, Some(Command::Leave)),
                (true, CTRL_A | b'a') => bytes.push(CTRL_A),
                (true, byte) => bytes.extend([CTRL_A, byte]),
            }
        }
        (bytes, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctrl_a_x_leaves_even_across_reads() {
        let mut filter = EscapeFilter::default();
        assert_eq!(filter.filter(b"ab\x01"), (b"ab".to_vec(), None));
        assert_eq!(filter.filter(b"xcd"), (Vec::new(), Some(Command::Leave)));
    }

    #[test]
    fn other_sequences_reach_the_guest() {
        let mut filter = EscapeFilter::default();
        assert_eq!(filter.filter(b"\x01\x01q\x01b"), (b"\x01q\x01b".to_vec(), None));
    }
}
