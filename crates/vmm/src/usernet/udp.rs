//! UDP: each port of the guest has a host socket, from which its datagrams leave and to which answers come.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::SocketAddrV4;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::PollFlags;

use super::GATEWAY;
use super::NAME_SERVER;
use super::frame;
use super::frame::Datagram;
use super::host_address;

const NAME_PORT: u16 = 53;
/// A port that has been silent this long gives up its host socket.
const IDLE: Duration = Duration::from_secs(60);
const FLOW_LIMIT: usize = 256;
/// Datagrams taken from one socket at a time.
const BURST: usize = 64;

#[derive(Debug)]
struct Flow {
    socket: UdpSocket,
    used: Duration,
}

/// All UDP sockets of a guest, by the guest's address and port.
#[derive(Debug)]
pub(super) struct UdpFlows {
    flows: HashMap<SocketAddrV4, Flow>,
    resolver: Option<Ipv4Addr>,
}

impl UdpFlows {
    pub(super) fn new(resolver: Option<Ipv4Addr>) -> Self {
        Self { flows: HashMap::new(), resolver }
    }

    /// Sends a datagram of the guest; what cannot be sent is lost, as datagrams are.
    pub(super) fn send(&mut self, datagram: &Datagram, now: Duration) {
        let Some(address) = host_address(*datagram.destination.ip(), self.resolver) else { return };
        if !self.flows.contains_key(&datagram.source) {
            if self.flows.len() >= FLOW_LIMIT {
                return;
            }
            let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)) else { return };
            if socket.set_nonblocking(true).is_err() {
                return;
            }
            self.flows.insert(datagram.source, Flow { socket, used: now });
        }
        if let Some(flow) = self.flows.get_mut(&datagram.source) {
            flow.used = now;
            let _ = flow.socket.send_to(&datagram.payload, (address, datagram.destination.port()));
        }
    }

    /// Takes what has arrived.
    pub(super) fn work(&mut self, now: Duration, outgoing: &mut Vec<Vec<u8>>) {
        let mut buffer = [0; 2048];
        let resolver = self.resolver;
        for (guest, flow) in &mut self.flows {
            for _ in 0..BURST {
                let Ok((len, SocketAddr::V4(peer))) = flow.socket.recv_from(&mut buffer) else { break };
                flow.used = now;
                let source = SocketAddrV4::new(guest_view(peer, resolver), peer.port());
                outgoing.extend(frame::datagram_to_guest(source, *guest, &buffer[..len]));
            }
        }
        self.flows.retain(|_, flow| now.saturating_sub(flow.used) < IDLE);
    }

    pub(super) fn interests(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        self.flows.values().map(|flow| (flow.socket.as_fd(), PollFlags::IN))
    }
}

/// The address under which the guest knows a host.
fn guest_view(peer: SocketAddrV4, resolver: Option<Ipv4Addr>) -> Ipv4Addr {
    if Some(*peer.ip()) == resolver && peer.port() == NAME_PORT {
        NAME_SERVER
    } else if peer.ip().is_loopback() {
        GATEWAY
    } else {
        *peer.ip()
    }
}

/// The host's own name server.
pub(super) fn host_resolver() -> Option<Ipv4Addr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").ok()?;
    first_name_server(&text)
}

fn first_name_server(text: &str) -> Option<Ipv4Addr> {
    text.lines().find_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ipv4_name_server_counts() {
        let text =
            "# comment\nsearch example.org\nnameserver fe80::1\nnameserver 192.0.2.7\nnameserver 192.0.2.8\n";
        assert_eq!(first_name_server(text), Some(Ipv4Addr::new(192, 0, 2, 7)));
        assert_eq!(first_name_server(""), None);
    }

    #[test]
    fn hosts_are_seen_under_the_addresses_the_guest_uses() {
        let resolver = Some(Ipv4Addr::new(127, 0, 0, 53));
        let peer = |address: [u8; 4], port| SocketAddrV4::new(address.into(), port);
        assert_eq!(guest_view(peer([127, 0, 0, 53], 53), resolver), NAME_SERVER);
        assert_eq!(guest_view(peer([127, 0, 0, 1], 7), resolver), GATEWAY);
        assert_eq!(guest_view(peer([192, 0, 2, 1], 53), resolver), Ipv4Addr::new(192, 0, 2, 1));
    }
}
