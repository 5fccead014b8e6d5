//! TCP: each connection of the guest ends in a TCP/IP stack here and goes on through a host socket.
//!
//! A guest's first segment waits until the host socket has connected, so that the guest learns of a refused
//! connection as it would from the real server.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::Shutdown;
use std::net::SocketAddrV4;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::net::AddressFamily;
use rustix::net::SocketFlags;
use rustix::net::SocketType;
use smoltcp::iface::Config;
use smoltcp::iface::Interface;
use smoltcp::iface::SocketHandle;
use smoltcp::iface::SocketSet;
use smoltcp::socket::tcp::Socket;
use smoltcp::socket::tcp::SocketBuffer;
use smoltcp::socket::tcp::State;
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;
use smoltcp::wire::HardwareAddress;
use smoltcp::wire::IpAddress;
use smoltcp::wire::IpCidr;
use smoltcp::wire::IpListenEndpoint;

use super::GATEWAY;
use super::GATEWAY_MAC;
use super::NAME_SERVER;
use super::PREFIX;
use super::host_address;
use super::stack::Queues;

const BUFFER_BYTES: usize = 128 * 1024;
/// Connections at one time; a guest that opens more is refused.
const FLOW_LIMIT: usize = 512;

/// Both ends of a connection: the guest's, and the one it asked for.
type Key = (SocketAddrV4, SocketAddrV4);

struct Flow {
    host: TcpStream,
    stage: Stage,
    /// The host has sent everything it will send.
    host_ended: bool,
    /// The host has been told that the guest has sent everything.
    guest_ended: bool,
    waits_for_room: bool,
}

enum Stage {
    /// The host socket connects; the guest's first segment waits.
    Connecting(Vec<u8>),
    /// The stack has a socket for the guest's side.
    Open(SocketHandle),
}

/// All TCP connections of a guest.
pub(super) struct TcpFlows {
    interface: Interface,
    queues: Queues,
    sockets: SocketSet<'static>,
    flows: HashMap<Key, Flow>,
    resolver: Option<Ipv4Addr>,
}

impl fmt::Debug for TcpFlows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpFlows").field("flows", &self.flows.len()).finish_non_exhaustive()
    }
}

fn instant(now: Duration) -> Instant {
    Instant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

impl TcpFlows {
    pub(super) fn new(resolver: Option<Ipv4Addr>) -> Self {
        let mut queues = Queues::default();
        let address = HardwareAddress::Ethernet(EthernetAddress(GATEWAY_MAC));
        let mut interface = Interface::new(Config::new(address), &mut queues, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            for own in [GATEWAY, NAME_SERVER] {
                // The stack has room for two addresses, which is what it gets.
                let _ = addresses.push(IpCidr::new(IpAddress::Ipv4(own), PREFIX));
            }
        });
        // Packets to any address are taken when a route through an own address covers it.
        interface.set_any_ip(true);
        let _ = interface.routes_mut().add_default_ipv4_route(GATEWAY);
        Self { interface, queues, sockets: SocketSet::new(Vec::new()), flows: HashMap::new(), resolver }
    }

    /// Gives the stack a frame.
    pub(super) fn give(&mut self, frame: Vec<u8>) {
        self.queues.incoming.push_back(frame);
    }

    /// Takes the first segment of a connection.
    pub(super) fn open(&mut self, source: SocketAddrV4, destination: SocketAddrV4, frame: Vec<u8>) {
        let key = (source, destination);
        match self.flows.get(&key).map(|flow| &flow.stage) {
            // The guest repeats itself while the host connects.
            Some(Stage::Connecting(_)) => return,
            Some(Stage::Open(handle)) => {
                let state = self.sockets.get::<Socket<'_>>(*handle).state();
                if !matches!(state, State::Closed | State::TimeWait) {
                    return self.give(frame);
                }
                self.forget(key);
            }
            None => {}
        }
        let address = host_address(*destination.ip(), self.resolver);
        let connected = address
            .filter(|_| self.flows.len() < FLOW_LIMIT)
            .and_then(|address| connect(SocketAddrV4::new(address, destination.port())).ok());
        match connected {
            Some(host) => {
                let stage = Stage::Connecting(frame);
                let flow = Flow { host, stage, host_ended: false, guest_ended: false, waits_for_room: false };
                self.flows.insert(key, flow);
            }
            // Nobody listens in the stack, so it answers with a reset.
            None => self.give(frame),
        }
    }

    /// Does everything that can be done now.
    pub(super) fn work(&mut self, now: Duration, outgoing: &mut Vec<Vec<u8>>) {
        self.finish_connecting();
        // Moving bytes makes room in windows, which makes the stack send, which may end connections.
        for _ in 0..2 {
            self.interface.poll(instant(now), &mut self.queues, &mut self.sockets);
            let keys: Vec<Key> = self.flows.keys().copied().collect();
            for key in keys {
                self.carry(key);
            }
        }
        self.interface.poll(instant(now), &mut self.queues, &mut self.sockets);
        outgoing.append(&mut self.queues.outgoing);
    }

    pub(super) fn interests(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        self.flows.values().filter_map(|flow| {
            let wanted = match flow.stage {
                Stage::Connecting(_) => PollFlags::OUT,
                Stage::Open(handle) => self.wanted(flow, handle),
            };
            (!wanted.is_empty()).then(|| (flow.host.as_fd(), wanted))
        })
    }

    pub(super) fn timeout(&mut self, now: Duration) -> Option<Duration> {
        self.interface.poll_delay(instant(now), &self.sockets).map(Duration::from)
    }

    fn wanted(&self, flow: &Flow, handle: SocketHandle) -> PollFlags {
        let socket = self.sockets.get::<Socket<'_>>(handle);
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, !flow.host_ended && socket.can_send());
        wanted.set(PollFlags::OUT, flow.waits_for_room);
        wanted
    }

    /// Moves connections on whose host socket has connected or failed.
    fn finish_connecting(&mut self) {
        let waiting: Vec<Key> = self
            .flows
            .iter()
            .filter(|(_, flow)| matches!(flow.stage, Stage::Connecting(_)))
            .map(|(key, _)| *key)
            .collect();
        for key in waiting {
            let Some(flow) = self.flows.get_mut(&key) else { continue };
            match connect_result(&flow.host) {
                None => {}
                Some(Ok(())) => {
                    let handle = self.sockets.add(listening(key.1));
                    if let Stage::Connecting(frame) = core::mem::replace(&mut flow.stage, Stage::Open(handle))
                    {
                        self.queues.incoming.push_back(frame);
                    }
                }
                Some(Err(_)) => {
                    if let Some(Flow { stage: Stage::Connecting(frame), .. }) = self.flows.remove(&key) {
                        self.give(frame);
                    }
                }
            }
        }
    }

    /// Moves bytes of one connection, both ways.
    fn carry(&mut self, key: Key) {
        let Some(flow) = self.flows.get_mut(&key) else { return };
        let Stage::Open(handle) = flow.stage else { return };
        let socket = self.sockets.get_mut::<Socket<'_>>(handle);
        if guest_to_host(flow, socket).and_then(|()| host_to_guest(flow, socket)).is_err() {
            socket.abort();
        }
        let is_done = match socket.state() {
            State::TimeWait => true,
            // A socket that was reset still has its reset to send.
            State::Closed => socket.remote_endpoint().is_none() || flow.host_ended && flow.guest_ended,
            _ => false,
        };
        if is_done {
            self.forget(key);
        } else if socket.state() == State::Closed {
            flow.host_ended = true;
            flow.guest_ended = true;
        }
    }

    fn forget(&mut self, key: Key) {
        if let Some(Flow { stage: Stage::Open(handle), .. }) = self.flows.remove(&key) {
            self.sockets.remove(handle);
        }
    }
}

fn guest_to_host(flow: &mut Flow, socket: &mut Socket<'_>) -> io::Result<()> {
    flow.waits_for_room = false;
    while socket.can_recv() {
        let written = socket
            .recv(|bytes| match flow.host.write(bytes) {
                Ok(len) => (len, Ok(len)),
                Err(error) => (0, Err(error)),
            })
            .map_err(io::Error::other)?;
        match written {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                flow.waits_for_room = true;
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let has_ended =
        matches!(socket.state(), State::CloseWait | State::LastAck | State::Closing | State::TimeWait);
    if has_ended && !flow.guest_ended {
        flow.guest_ended = true;
        // The host may have gone already; then there is nobody to tell.
        let _ = flow.host.shutdown(Shutdown::Write);
    }
    Ok(())
}

fn host_to_guest(flow: &mut Flow, socket: &mut Socket<'_>) -> io::Result<()> {
    while socket.can_send() && !flow.host_ended {
        let read = socket
            .send(|room| match flow.host.read(room) {
                Ok(len) => (len, Ok(len)),
                Err(error) => (0, Err(error)),
            })
            .map_err(io::Error::other)?;
        match read {
            Ok(0) => {
                flow.host_ended = true;
                socket.close();
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn listening(destination: SocketAddrV4) -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0; BUFFER_BYTES]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.set_nagle_enabled(false);
    let endpoint =
        IpListenEndpoint { addr: Some(IpAddress::Ipv4(*destination.ip())), port: destination.port() };
    // A closed socket can always listen on a port that is not 0; port 0 is refused by the host before.
    let _ = socket.listen(endpoint);
    socket
}

/// Begins to connect a host socket without waiting.
fn connect(address: SocketAddrV4) -> io::Result<TcpStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// How connecting went, once that is known.
fn connect_result(stream: &TcpStream) -> Option<io::Result<()>> {
    let mut fds = [rustix::event::PollFd::new(stream, PollFlags::OUT)];
    let no_wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    match rustix::event::poll(&mut fds, Some(&no_wait)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => return None,
        Ok(_) => {}
        Err(error) => return Some(Err(error.into())),
    }
    match stream.take_error() {
        Ok(None) => Some(Ok(())),
        Ok(Some(error)) | Err(error) => Some(Err(error)),
    }
}
