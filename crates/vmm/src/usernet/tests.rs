//! Tests of the user network with a guest made of a second TCP/IP stack, against servers on loopback.

use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::SocketAddrV4;
use std::net::TcpListener;
use std::net::UdpSocket;
use std::time::Duration;

use smoltcp::iface::Config;
use smoltcp::iface::Interface;
use smoltcp::iface::SocketHandle;
use smoltcp::iface::SocketSet;
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;
use smoltcp::wire::HardwareAddress;
use smoltcp::wire::IpAddress;
use smoltcp::wire::IpCidr;
use smoltcp::wire::IpEndpoint;

use super::stack::Queues;
use super::*;

/// Longest time a test waits for the network.
const PATIENCE: Duration = Duration::from_secs(20);

struct Guest {
    net: UserNet,
    card: CardEnd,
    interface: Interface,
    queues: Queues,
    sockets: SocketSet<'static>,
    began: std::time::Instant,
}

impl Guest {
    fn new() -> Self {
        let net = UserNet::new(Wake::new().expect("an event descriptor"));
        let card = net.card_end();
        let mut queues = Queues::default();
        let config = Config::new(HardwareAddress::Ethernet(EthernetAddress(GUEST_MAC)));
        let mut interface = Interface::new(config, &mut queues, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(IpAddress::Ipv4(GUEST), PREFIX)).expect("room for one address");
        });
        interface.routes_mut().add_default_ipv4_route(GATEWAY).expect("room for one route");
        let sockets = SocketSet::new(Vec::new());
        Self { net, card, interface, queues, sockets, began: std::time::Instant::now() }
    }

    fn step(&mut self) {
        let now = Instant::from_micros(self.began.elapsed().as_micros() as i64);
        while let Some(frame) = self.card.receive() {
            self.queues.incoming.push_back(frame);
        }
        self.interface.poll(now, &mut self.queues, &mut self.sockets);
        for frame in self.queues.outgoing.drain(..) {
            self.card.send(&frame);
        }
        self.net.work();
    }

    fn connect(&mut self, address: Ipv4Addr, port: u16) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 65_536]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        let remote = IpEndpoint::new(IpAddress::Ipv4(address), port);
        socket.connect(self.interface.context(), remote, 40_000).expect("a fresh socket");
        self.sockets.add(socket)
    }

    fn socket(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Steps until `done`; false when patience ends first.
    fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        while self.began.elapsed() < PATIENCE {
            self.step();
            if done(self) {
                return true;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        false
    }
}

#[test]
fn a_stream_crosses_both_ways_unchanged() {
    const LEN: usize = 1 << 20;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("a bound socket").port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the guest connects");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("the guest closes its side");
        stream.write_all(&bytes).expect("the guest reads");
        bytes.len()
    });
    let mut guest = Guest::new();
    let handle = guest.connect(GATEWAY, port);
    let byte_at = |index: usize| (index * 7 + index / 251) as u8;
    let (mut sent, mut received) = (0, Vec::new());
    let finished = guest.until(|guest| {
        let socket = guest.socket(handle);
        while socket.can_send() && sent < LEN {
            let chunk: Vec<u8> = (sent..LEN.min(sent + 4096)).map(byte_at).collect();
            sent += socket.send_slice(&chunk).expect("the socket can send");
        }
        if sent == LEN {
            socket.close();
        }
        while socket.can_recv() {
            socket
                .recv(|bytes| {
                    received.extend_from_slice(bytes);
                    (bytes.len(), ())
                })
                .expect("the socket can receive");
        }
        received.len() == LEN
    });
    assert!(finished, "sent {sent}, received {}", received.len());
    assert_eq!(server.join().expect("the server ends"), LEN);
    assert!(received.iter().enumerate().all(|(index, byte)| *byte == byte_at(index)));
}

#[test]
fn a_refused_connection_is_refused_to_the_guest() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = free.local_addr().expect("a bound socket").port();
    drop(free);
    let mut guest = Guest::new();
    let handle = guest.connect(GATEWAY, port);
    assert!(guest.until(|guest| guest.socket(handle).state() == tcp::State::Closed));
}

#[test]
fn addresses_inside_of_the_network_that_nobody_has_do_not_reach_the_host() {
    assert_eq!(host_address(Ipv4Addr::new(10, 0, 2, 9), None), None);
    assert_eq!(host_address(Ipv4Addr::LOCALHOST, None), None);
    assert_eq!(host_address(Ipv4Addr::new(169, 254, 169, 254), None), None);
    assert_eq!(host_address(NAME_SERVER, None), None);
    assert_eq!(host_address(GATEWAY, None), Some(Ipv4Addr::LOCALHOST));
    let outside = Ipv4Addr::new(192, 0, 2, 1);
    assert_eq!(host_address(outside, None), Some(outside));
}

#[test]
fn datagrams_reach_a_server_on_loopback_and_come_back() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = server.local_addr().expect("a bound socket").port();
    server.set_read_timeout(Some(PATIENCE)).expect("a positive time");
    let mut guest = Guest::new();
    let (from, to) = (SocketAddrV4::new(GUEST, 5000), SocketAddrV4::new(GATEWAY, port));
    let frame = frame::datagram_to_guest(from, to, b"ping").expect("it is short");
    guest.card.send(&frame);
    guest.net.work();
    let mut bytes = [0; 16];
    let (len, peer) = server.recv_from(&mut bytes).expect("the datagram arrives");
    assert_eq!(&bytes[..len], b"ping");
    server.send_to(b"pong", peer).expect("loopback takes it");
    let mut answer = None;
    assert!(guest.until(|guest| {
        answer = answer.take().or_else(|| guest.card.receive());
        answer.is_some()
    }));
    let class = frame::classify(&answer.expect("checked above"));
    let expected = frame::Datagram { source: to, destination: from, payload: b"pong".to_vec() };
    assert_eq!(class, frame::Class::Udp(expected));
}

#[test]
fn random_frames_never_panic() {
    let mut guest = Guest::new();
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let template = frame::datagram_to_guest(
        SocketAddrV4::new(GUEST, 68),
        SocketAddrV4::new(Ipv4Addr::BROADCAST, 67),
        &[1; 300],
    )
    .expect("it is short");
    let mut carried = 0;
    for round in 0..3_000 {
        let mut frame = template.clone();
        // Protocol numbers of ICMP, TCP and UDP in turn; the destination stays inside of the small network.
        frame[23] = [1, 6, 17][round % 3];
        frame[30..34].copy_from_slice(&[10, 0, 2, (random() % 16) as u8]);
        for _ in 0..6 {
            let at = 34 + random() as usize % (frame.len() - 34);
            frame[at] = random() as u8;
        }
        frame.truncate(14 + random() as usize % frame.len());
        guest.card.send(&frame);
        guest.net.work();
        carried += 1;
    }
    assert_eq!(carried, 3_000);
}
