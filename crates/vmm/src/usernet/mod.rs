//! User-mode networking: the guest sees a small network, the host sees ordinary sockets of this process.
//!
//! | address | who |
//! |---|---|
//! | 10.0.2.15 | the guest, given by DHCP |
//! | 10.0.2.2 | the gateway; connections to it reach the host's loopback |
//! | 10.0.2.3 | the name server, relayed to the host's |
//!
//! [`UserNet`] is fed the guest's frames and gives frames back. TCP is ended here by a TCP/IP stack of its own
//! and carried on through a host socket per connection (`tcp`); UDP datagrams are
//! carried by a host socket per guest port (`udp`); DHCP and ARP are answered. Nothing of this needs
//! privilege, and nothing from outside can open a connection to the guest.

mod dhcp;
mod frame;
mod stack;
mod tcp;
mod udp;

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use openwhp_devices::virtio::net::NetBackend;
use rustix::event::PollFlags;

use crate::wake::Wake;

/// The guest's address.
pub const GUEST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
/// The gateway, behind which the host's loopback is.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// The name server.
pub const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
/// Length of the network's prefix.
pub const PREFIX: u8 = 24;
/// Hardware address of the guest's card.
pub const GUEST_MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
/// Hardware address of gateway and name server.
pub const GATEWAY_MAC: [u8; 6] = [0x52, 0x55, 0x0a, 0x00, 0x02, 0x02];

/// Frames that wait in one direction; more are lost, as on a real cable.
const QUEUE_LIMIT: usize = 1024;

/// The cable between the guest's card and the user network.
#[derive(Debug, Default)]
struct Cable {
    from_guest: VecDeque<Vec<u8>>,
    to_guest: VecDeque<Vec<u8>>,
}

/// The card's end of the cable.
#[derive(Clone, Debug)]
pub struct CardEnd {
    cable: Arc<Mutex<Cable>>,
    wake: Wake,
}

impl CardEnd {
    fn lock(&self) -> std::sync::MutexGuard<'_, Cable> {
        self.cable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NetBackend for CardEnd {
    fn send(&mut self, frame: &[u8]) {
        let mut cable = self.lock();
        if cable.from_guest.len() < QUEUE_LIMIT {
            cable.from_guest.push_back(frame.to_vec());
            self.wake.ring();
        }
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        self.lock().to_guest.pop_front()
    }
}

/// The user network.
#[derive(Debug)]
pub struct UserNet {
    card: CardEnd,
    began: Instant,
    tcp: tcp::TcpFlows,
    udp: udp::UdpFlows,
}

impl UserNet {
    /// Makes a network; `wake` is rung when the guest has sent something.
    #[must_use]
    pub fn new(wake: Wake) -> Self {
        let resolver = udp::host_resolver();
        let card = CardEnd { cable: Arc::default(), wake };
        Self {
            card,
            began: Instant::now(),
            tcp: tcp::TcpFlows::new(resolver),
            udp: udp::UdpFlows::new(resolver),
        }
    }

    /// The end that goes into the guest's card.
    #[must_use]
    pub fn card_end(&self) -> CardEnd {
        self.card.clone()
    }

    /// Does everything that can be done now; true when there is something new for the guest.
    pub fn work(&mut self) -> bool {
        let now = self.began.elapsed();
        let incoming: Vec<_> = self.card.lock().from_guest.drain(..).collect();
        let mut outgoing = Vec::new();
        for bytes in incoming {
            self.take_frame(bytes, now, &mut outgoing);
        }
        self.udp.work(now, &mut outgoing);
        self.tcp.work(now, &mut outgoing);
        let has_news = !outgoing.is_empty();
        let mut cable = self.card.lock();
        let room = QUEUE_LIMIT.saturating_sub(cable.to_guest.len());
        cable.to_guest.extend(outgoing.into_iter().take(room));
        has_news
    }

    /// The host sockets to wait for, with what is waited for.
    #[must_use]
    pub fn interests(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        self.tcp.interests().chain(self.udp.interests()).collect()
    }

    /// How long to wait at most.
    pub fn timeout(&mut self) -> Option<Duration> {
        self.tcp.timeout(self.began.elapsed())
    }

    fn take_frame(&mut self, bytes: Vec<u8>, now: Duration, outgoing: &mut Vec<Vec<u8>>) {
        match frame::classify(&bytes) {
            frame::Class::Dhcp(datagram) => outgoing.extend(dhcp::answer(&datagram)),
            frame::Class::Udp(datagram) => self.udp.send(&datagram, now),
            frame::Class::Syn { source, destination } => self.tcp.open(source, destination, bytes),
            frame::Class::Stack => self.tcp.give(bytes),
            frame::Class::Other => {}
        }
    }
}

/// Whether a guest's packets to `address` may leave, and where to.
///
/// The gateway stands for the host's loopback. Nothing else of the small network exists, and addresses that only mean
/// something on one machine or link do not leave it.
fn host_address(address: Ipv4Addr, resolver: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
    if address == GATEWAY {
        return Some(Ipv4Addr::LOCALHOST);
    }
    if address == NAME_SERVER {
        return resolver;
    }
    let is_inside = address.octets()[..3] == GATEWAY.octets()[..3];
    let is_unusable = address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_link_local();
    (!is_inside && !is_unusable).then_some(address)
}

#[cfg(test)]
mod tests;
