//! The thread that waits for everything outside: typed input, the network's sockets, the guest's frames.

use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;

use crate::console::Console;
use crate::machine::Machine;
use crate::outcome::Ending;
use crate::outcome::Outcome;
use crate::terminal::Command;
use crate::terminal::EscapeFilter;
use crate::usernet::UserNet;
use crate::wake::Wake;

const READ_BYTES: usize = 1024;

/// Typed input.
#[derive(Clone, Copy, Debug)]
pub struct Keyboard {
    /// Looks for Ctrl-A x; absent when input is not a terminal, so that files pass unchanged.
    pub escape: Option<EscapeFilter>,
}

/// What the thread waits for.
#[derive(Debug)]
pub struct InputLoop {
    /// Rung by the guest's network card, the console and the end of the run.
    pub wake: Wake,
    /// The machine that is told.
    pub machine: Arc<Machine>,
    /// The console that takes input.
    pub console: Arc<Console>,
    /// The run's end.
    pub ending: Arc<Ending>,
    /// The network.
    pub network: Option<UserNet>,
    /// Standard input, while it has more to give.
    pub keyboard: Option<Keyboard>,
}

impl InputLoop {
    /// Runs until the run ends; gives back what a next boot goes on with.
    pub fn run(mut self) -> Option<Keyboard> {
        while !self.ending.is_over() {
            if self.network.as_mut().is_some_and(UserNet::work) {
                self.machine.poll();
            }
            if self.wait() {
                self.read_keyboard();
            }
        }
        self.keyboard
    }

    /// Waits for something to happen; true when input can be read.
    fn wait(&mut self) -> bool {
        let timeout = self.network.as_mut().and_then(UserNet::timeout).map(timespec);
        let stdin = std::io::stdin();
        let reads = self.keyboard.is_some() && self.console.has_room();
        let mut fds = vec![PollFd::new(&self.wake, PollFlags::IN)];
        if reads {
            fds.push(PollFd::new(&stdin, PollFlags::IN));
        }
        let interests = self.network.as_ref().map(UserNet::interests).unwrap_or_default();
        fds.extend(interests.into_iter().map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)));
        if rustix::event::poll(&mut fds, timeout.as_ref()).is_err() {
            return false;
        }
        if !fds[0].revents().is_empty() {
            self.wake.silence();
        }
        reads && !fds[1].revents().is_empty()
    }

    fn read_keyboard(&mut self) {
        let mut buffer = [0; READ_BYTES];
        let len = match rustix::io::read(std::io::stdin(), &mut buffer) {
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return,
            // The end of a file, or a terminal that is gone: the guest runs on without input.
            Ok(0) | Err(_) => {
                self.keyboard = None;
                return;
            }
            Ok(len) => len,
        };
        let filter = self.keyboard.as_mut().and_then(|keyboard| keyboard.escape.as_mut());
        let (bytes, command) =
            filter.map_or_else(|| (buffer[..len].to_vec(), None), |filter| filter.filter(&buffer[..len]));
        self.console.push_input(&bytes);
        match command {
            Some(Command::Leave) => self.ending.end(Outcome::Left),
            None => self.machine.poll(),
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
