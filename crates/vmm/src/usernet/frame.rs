//! Taking the guest's frames apart, and putting datagrams for it together.

use std::net::Ipv4Addr;
use std::net::SocketAddrV4;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::EthernetAddress;
use smoltcp::wire::EthernetFrame;
use smoltcp::wire::EthernetProtocol;
use smoltcp::wire::EthernetRepr;
use smoltcp::wire::IpAddress;
use smoltcp::wire::IpProtocol;
use smoltcp::wire::Ipv4Packet;
use smoltcp::wire::Ipv4Repr;
use smoltcp::wire::TcpPacket;
use smoltcp::wire::UdpPacket;
use smoltcp::wire::UdpRepr;

use super::GATEWAY;
use super::GATEWAY_MAC;
use super::GUEST_MAC;
use super::NAME_SERVER;

const DHCP_SERVER: u16 = 67;
/// Longest datagram that fits into one Ethernet frame.
const MAX_DATAGRAM: usize = 1472;

/// A UDP datagram of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Datagram {
    pub(super) source: SocketAddrV4,
    pub(super) destination: SocketAddrV4,
    pub(super) payload: Vec<u8>,
}

/// What a frame is to the user network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A request to the DHCP server.
    Dhcp(Datagram),
    /// A datagram for outside.
    Udp(Datagram),
    /// The first segment of a TCP connection.
    Syn { source: SocketAddrV4, destination: SocketAddrV4 },
    /// For the TCP/IP stack: other TCP segments, ARP, echo requests to the gateway.
    Stack,
    /// Nothing that is carried.
    Other,
}

pub(super) fn classify(bytes: &[u8]) -> Class {
    let Ok(frame) = EthernetFrame::new_checked(bytes) else { return Class::Other };
    match frame.ethertype() {
        EthernetProtocol::Arp => Class::Stack,
        EthernetProtocol::Ipv4 => classify_ipv4(frame.payload()).unwrap_or(Class::Other),
        _ => Class::Other,
    }
}

fn classify_ipv4(bytes: &[u8]) -> Option<Class> {
    let packet = Ipv4Packet::new_checked(bytes).ok()?;
    if packet.more_frags() || packet.frag_offset() != 0 {
        return None;
    }
    let (source, destination) = (packet.src_addr(), packet.dst_addr());
    Some(match packet.next_header() {
        IpProtocol::Udp => {
            let udp = UdpPacket::new_checked(packet.payload()).ok()?;
            let datagram = Datagram {
                source: SocketAddrV4::new(source, udp.src_port()),
                destination: SocketAddrV4::new(destination, udp.dst_port()),
                payload: udp.payload().to_vec(),
            };
            if udp.dst_port() == DHCP_SERVER { Class::Dhcp(datagram) } else { Class::Udp(datagram) }
        }
        IpProtocol::Tcp => {
            let tcp = TcpPacket::new_checked(packet.payload()).ok()?;
            if !tcp.syn() || tcp.ack() {
                return Some(Class::Stack);
            }
            Class::Syn {
                source: SocketAddrV4::new(source, tcp.src_port()),
                destination: SocketAddrV4::new(destination, tcp.dst_port()),
            }
        }
        IpProtocol::Icmp if destination == GATEWAY || destination == NAME_SERVER => Class::Stack,
        _ => return None,
    })
}

/// Builds the frame that carries a datagram to the guest; `None` when it is too long for one.
pub(super) fn datagram_to_guest(
    source: SocketAddrV4,
    destination: SocketAddrV4,
    payload: &[u8],
) -> Option<Vec<u8>> {
    if payload.len() > MAX_DATAGRAM {
        return None;
    }
    let udp = UdpRepr { src_port: source.port(), dst_port: destination.port() };
    let ip = Ipv4Repr {
        src_addr: *source.ip(),
        dst_addr: *destination.ip(),
        next_header: IpProtocol::Udp,
        payload_len: udp.header_len() + payload.len(),
        hop_limit: 64,
    };
    let is_broadcast = *destination.ip() == Ipv4Addr::BROADCAST;
    let ethernet = EthernetRepr {
        src_addr: EthernetAddress(GATEWAY_MAC),
        dst_addr: if is_broadcast { EthernetAddress::BROADCAST } else { EthernetAddress(GUEST_MAC) },
        ethertype: EthernetProtocol::Ipv4,
    };
    let checksums = ChecksumCapabilities::default();
    let mut bytes = vec![0; ethernet.buffer_len() + ip.buffer_len() + ip.payload_len];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes);
    ethernet.emit(&mut frame);
    let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
    ip.emit(&mut packet, &checksums);
    let mut datagram = UdpPacket::new_unchecked(packet.payload_mut());
    let (from, to) = (IpAddress::Ipv4(*source.ip()), IpAddress::Ipv4(*destination.ip()));
    udp.emit(&mut datagram, &from, &to, payload.len(), |room| room.copy_from_slice(payload), &checksums);
    Some(bytes)
}
