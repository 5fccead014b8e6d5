//! The debugger's thread: waits for a connection, then carries packets and stops between it and the machine.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io::Read;
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use gdbstub::stub::DisconnectReason;
use gdbstub::stub::GdbStub;
use gdbstub::stub::MultiThreadStopReason;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use rustix::event::PollFd;
use rustix::event::PollFlags;

use super::address::Address;
use super::address::Listener;
use super::address::Stream;
use super::control::Control;
use super::packets;
use super::packets::Framer;
use super::packets::Input;
use super::target::Machine;
use crate::outcome::EndOnPanic;
use crate::outcome::Ending;
use crate::outcome::Outcome;
use crate::wake::Wake;

/// How long a debugger may leave what it is sent unread.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// Answer to what cannot be done.
const ERROR: &[u8] = b"E01";

/// The thread that serves debuggers.
#[derive(Debug)]
pub struct Server {
    control: Arc<Control>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Starts listening, and says where on standard error.
    ///
    /// # Errors
    /// One line that says why not.
    pub fn start(address: &Address, is_paused: bool, ending: &Arc<Ending>) -> Result<Self, String> {
        let listener = Listener::open(address)?;
        let bell = Wake::new().map_err(|error| format!("cannot make an event descriptor: {error}"))?;
        let control = Arc::new(Control::new(bell, Arc::clone(ending), is_paused));
        let what = if is_paused { "the guest waits for a debugger" } else { "a debugger can connect" };
        eprintln!("openwhp: {what} at {listener}");
        let shared = Arc::clone(&control);
        let serve = move || {
            let _guard = EndOnPanic(shared.ending());
            serve(&listener, &shared);
        };
        let thread = std::thread::Builder::new().name("gdb".to_owned()).spawn(serve);
        let thread = thread.map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Self { control, thread })
    }

    /// What processors and boots report to.
    #[must_use]
    pub fn control(&self) -> Arc<Control> {
        Arc::clone(&self.control)
    }

    /// Tells a debugger that the run is over, and ends the thread.
    pub fn finish(self, status: u8) {
        self.control.finish(status);
        // A thread that panicked has ended the run already.
        let _ = self.thread.join();
    }
}

fn serve(listener: &Listener, control: &Arc<Control>) {
    control.wait_for_boot(0);
    let mut machine = Machine::new(Arc::clone(control));
    while control.finished().is_none() {
        let mut fds = [PollFd::new(listener, PollFlags::IN), PollFd::new(control.bell(), PollFlags::IN)];
        if rustix::event::poll(&mut fds, None).is_err() {
            continue;
        }
        if !fds[1].revents().is_empty() {
            control.bell().silence();
        }
        if fds[0].revents().is_empty() {
            continue;
        }
        let Ok(stream) = listener.accept() else { continue };
        if stream.set_write_timeout(WRITE_LIMIT).is_err() {
            continue;
        }
        let stays = Session::new(stream, &mut machine).is_none_or(|mut session| session.run());
        if stays {
            machine.detach();
        }
    }
}

/// Bytes on their way to the debugger.
#[derive(Clone, Debug, Default)]
struct Out(Rc<RefCell<Vec<u8>>>);

impl gdbstub::conn::Connection for Out {
    type Error = Infallible;

    fn write(&mut self, byte: u8) -> Result<(), Infallible> {
        self.0.borrow_mut().push(byte);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

type Stub = GdbStubStateMachine<'static, Machine, Out>;

/// One connection.
struct Session<'a> {
    stream: Stream,
    machine: &'a mut Machine,
    framer: Framer,
    out: Out,
    stub: Option<Stub>,
    /// Packets that a new stub has to see to be like the one before it: features, the thread in use.
    features: Option<Vec<u8>>,
    thread: Option<Vec<u8>>,
    /// The stub took the last packet.
    is_understood: bool,
    /// Packets are acknowledged on both sides.
    acknowledges: bool,
    last: Vec<u8>,
}

/// How a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    On,
    Gone,
    /// The run is over, or was ended from here.
    Over,
}

impl<'a> Session<'a> {
    fn new(stream: Stream, machine: &'a mut Machine) -> Option<Self> {
        machine.attach();
        let mut session = Self {
            stream,
            machine,
            framer: Framer::default(),
            out: Out::default(),
            stub: None,
            features: None,
            thread: None,
            is_understood: true,
            acknowledges: true,
            last: Vec::new(),
        };
        session.make_stub()?;
        Some(session)
    }

    /// Carries on until the connection ends. True when the machine is to go on without a debugger.
    fn run(&mut self) -> bool {
        loop {
            let bell = self.machine.control.bell().clone();
            let mut fds = [PollFd::new(&self.stream, PollFlags::IN), PollFd::new(&bell, PollFlags::IN)];
            if rustix::event::poll(&mut fds, None).is_err() {
                continue;
            }
            let (is_readable, rings) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
            let mut next = Next::On;
            if rings {
                bell.silence();
                next = self.look();
            }
            if is_readable && next == Next::On {
                next = self.receive();
            }
            if self.send().is_err() && next == Next::On {
                next = Next::Gone;
            }
            match next {
                Next::On => {}
                Next::Gone => return true,
                Next::Over => return false,
            }
        }
    }

    /// Something happened to the machine.
    fn look(&mut self) -> Next {
        if let Some(status) = self.machine.control.finished() {
            if self.is_running() {
                self.report(MultiThreadStopReason::Exited(status));
            }
            return Next::Over;
        }
        if self.is_running() {
            let boots = self.machine.control.boots();
            let was = self.machine.known_boot();
            if let Some(reason) = self.machine.poll() {
                if boots != was {
                    self.put(packets::console("The guest was reset; it stands at its first instruction.\n"));
                }
                self.report(reason);
            }
        }
        Next::On
    }

    fn receive(&mut self) -> Next {
        let mut bytes = [0; 4096];
        let len = match self.stream.read(&mut bytes) {
            Ok(0) => return Next::Gone,
            Ok(len) => len,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Next::On,
            Err(_) => return Next::Gone,
        };
        for byte in &bytes[..len] {
            let Some(input) = self.framer.push(*byte) else { continue };
            let next = self.take(input);
            if next != Next::On {
                return next;
            }
        }
        Next::On
    }

    fn take(&mut self, input: Input) -> Next {
        match input {
            Input::Interrupt => {
                if self.is_running()
                    && let Some(reason) = self.machine.interrupt()
                {
                    self.report(reason);
                }
            }
            Input::Again => {
                let last = self.last.clone();
                self.put(last);
            }
            Input::Damaged => self.acknowledge(b'-'),
            Input::TooLong => {
                self.acknowledge(b'+');
                self.answer(ERROR);
            }
            Input::Packet(body) => {
                self.acknowledge(b'+');
                return self.packet(body);
            }
        }
        Next::On
    }

    fn packet(&mut self, body: Vec<u8>) -> Next {
        if self.is_running() {
            // All processors may be running: there is nothing to answer with before they stop.
            self.answer(ERROR);
            return Next::On;
        }
        match body.as_slice() {
            b"QStartNoAckMode" => {
                self.answer(b"OK");
                self.acknowledges = false;
            }
            b"qqemu.PhyMemMode" => self.answer(if self.machine.is_physical { b"1" } else { b"0" }),
            [b'Q', rest @ ..] if rest.starts_with(b"qemu.PhyMemMode:") => {
                self.machine.is_physical = !rest.ends_with(b":0");
                self.answer(b"OK");
            }
            [b'v', rest @ ..] if rest.starts_with(b"Kill") => {
                self.answer(b"OK");
                return self.kill();
            }
            _ => {
                let next = self.feed_packet(&packets::frame(&packets::bound_read(body.clone())));
                if self.is_understood && body.starts_with(b"qSupported") {
                    self.features = Some(body);
                } else if self.is_understood && body.starts_with(b"Hg") {
                    self.thread = Some(body);
                }
                return next;
            }
        }
        Next::On
    }

    fn kill(&mut self) -> Next {
        self.machine.control.ending().end(Outcome::Killed);
        Next::Over
    }

    // The stub.

    fn is_running(&self) -> bool {
        matches!(self.stub, Some(GdbStubStateMachine::Running(_)))
    }

    /// Makes a stub that knows what the one before it knew.
    fn make_stub(&mut self) -> Option<()> {
        let builder = GdbStub::builder(self.out.clone()).packet_buffer_size(packets::LARGEST);
        self.stub = builder.build().ok()?.run_state_machine(self.machine).ok();
        let kept = self.out.0.borrow().len();
        let replayed = [Some(b"QStartNoAckMode".to_vec()), self.features.clone(), self.thread.clone()];
        for body in replayed.into_iter().flatten() {
            self.feed(&packets::frame(&body));
        }
        // The debugger has had these answers.
        self.out.0.borrow_mut().truncate(kept);
        self.stub.as_ref().map(|_| ())
    }

    /// Gives bytes to the stub. False when it gave up; there is none then.
    fn feed(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            let fed = match self.stub.take() {
                Some(GdbStubStateMachine::Idle(stub)) => stub.incoming_data(self.machine, *byte),
                Some(GdbStubStateMachine::Running(stub)) => stub.incoming_data(self.machine, *byte),
                Some(GdbStubStateMachine::CtrlCInterrupt(stub)) => {
                    stub.interrupt_handled(self.machine, None::<MultiThreadStopReason<u64>>)
                }
                Some(stub @ GdbStubStateMachine::Disconnected(_)) => Ok(stub),
                None => return false,
            };
            self.stub = fed.ok();
        }
        self.stub.is_some()
    }

    fn feed_packet(&mut self, bytes: &[u8]) -> Next {
        let start = self.out.0.borrow().len();
        self.is_understood = self.feed(bytes);
        if !self.is_understood {
            // The stub gives up on what it does not understand. Its debugger need not.
            self.out.0.borrow_mut().truncate(start);
            self.answer(ERROR);
            return if self.make_stub().is_some() { Next::On } else { Next::Gone };
        }
        self.remember(start);
        match &self.stub {
            Some(GdbStubStateMachine::Disconnected(stub)) => match stub.get_reason() {
                DisconnectReason::Kill => self.kill(),
                _ => Next::Gone,
            },
            _ => Next::On,
        }
    }

    /// Reports a stop of a machine that ran.
    fn report(&mut self, reason: MultiThreadStopReason<u64>) {
        let start = self.out.0.borrow().len();
        let Some(GdbStubStateMachine::Running(stub)) = self.stub.take() else { return };
        self.stub = stub.report_stop(self.machine, reason).ok();
        self.remember(start);
        if self.stub.is_none() {
            let _ = self.make_stub();
        }
    }

    // Sending.

    fn put(&mut self, bytes: Vec<u8>) {
        self.out.0.borrow_mut().extend(bytes);
    }

    fn answer(&mut self, body: &[u8]) {
        self.last = packets::frame(body);
        self.put(packets::frame(body));
    }

    /// Keeps what was sent from `start` on, in case it has to be sent again.
    fn remember(&mut self, start: usize) {
        let out = self.out.0.borrow();
        if let Some(sent) = out.get(start..).filter(|sent| !sent.is_empty()) {
            self.last = sent.to_vec();
        }
    }

    fn acknowledge(&mut self, byte: u8) {
        if self.acknowledges {
            self.put(vec![byte]);
        }
    }

    fn send(&mut self) -> std::io::Result<()> {
        let bytes = self.out.0.take();
        self.stream.write_all(&bytes)
    }
}
