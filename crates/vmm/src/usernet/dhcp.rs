//! The DHCP server: one guest, one address.
//!
//! # Source
//! RFC 2131 and RFC 2132.

use std::net::Ipv4Addr;
use std::net::SocketAddrV4;

use super::GATEWAY;
use super::GUEST;
use super::NAME_SERVER;
use super::frame;
use super::frame::Datagram;

const CLIENT: u16 = 68;
const SERVER: u16 = 67;
const COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];
const HEADER_BYTES: usize = 236;
const LEASE_SECONDS: u32 = 86_400;
/// Clients may expect no shorter message.
const MESSAGE_MIN: usize = 300;

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
const NAK: u8 = 6;
const INFORM: u8 = 8;

const OPTION_MASK: u8 = 1;
const OPTION_ROUTER: u8 = 3;
const OPTION_NAME_SERVER: u8 = 6;
const OPTION_REQUESTED: u8 = 50;
const OPTION_LEASE: u8 = 51;
const OPTION_KIND: u8 = 53;
const OPTION_SERVER: u8 = 54;
const OPTION_END: u8 = 255;

/// The frame that answers a message to the server, if one is due.
pub(super) fn answer(request: &Datagram) -> Option<Vec<u8>> {
    let message = reply(&request.payload)?;
    let source = SocketAddrV4::new(GATEWAY, SERVER);
    frame::datagram_to_guest(source, SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT), &message)
}

fn reply(request: &[u8]) -> Option<Vec<u8>> {
    let is_request = request.first() == Some(&1) && request.get(HEADER_BYTES..HEADER_BYTES + 4)? == COOKIE;
    if !is_request {
        return None;
    }
    let options = &request[HEADER_BYTES + 4..];
    let requested = option(options, OPTION_REQUESTED).unwrap_or(&[]);
    // A client that renews names its address in the header instead.
    let in_header = &request[12..16];
    let wanted = if requested.len() == 4 { requested } else { in_header };
    let kind = match *option(options, OPTION_KIND)?.first()? {
        DISCOVER => OFFER,
        REQUEST if wanted == GUEST.octets() || wanted == [0; 4] => ACK,
        REQUEST => NAK,
        INFORM => ACK,
        _ => return None,
    };
    Some(message(request, kind))
}

fn message(request: &[u8], kind: u8) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[0] = 2;
    // Hardware type and length, transaction, flags and hardware address are the client's.
    bytes[1..3].copy_from_slice(&request[1..3]);
    bytes[4..8].copy_from_slice(&request[4..8]);
    bytes[10..12].copy_from_slice(&request[10..12]);
    bytes[28..44].copy_from_slice(&request[28..44]);
    if kind != NAK {
        bytes[16..20].copy_from_slice(&GUEST.octets());
        bytes[20..24].copy_from_slice(&GATEWAY.octets());
    }
    bytes.extend(COOKIE);
    bytes.extend([OPTION_KIND, 1, kind, OPTION_SERVER, 4]);
    bytes.extend(GATEWAY.octets());
    if kind != NAK {
        for (code, address) in [
            (OPTION_MASK, Ipv4Addr::new(255, 255, 255, 0)),
            (OPTION_ROUTER, GATEWAY),
            (OPTION_NAME_SERVER, NAME_SERVER),
        ] {
            bytes.extend([code, 4]);
            bytes.extend(address.octets());
        }
        bytes.extend([OPTION_LEASE, 4]);
        bytes.extend(LEASE_SECONDS.to_be_bytes());
    }
    bytes.push(OPTION_END);
    bytes.resize(bytes.len().max(MESSAGE_MIN), 0);
    bytes
}

/// The value of an option.
fn option(mut options: &[u8], code: u8) -> Option<&[u8]> {
    loop {
        match *options {
            [0, ref rest @ ..] => options = rest,
            [OPTION_END, ..] | [] | [_] => return None,
            [found, len, ref rest @ ..] => {
                let value = rest.get(..usize::from(len))?;
                if found == code {
                    return Some(value);
                }
                options = &rest[usize::from(len)..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(kind: u8, extra: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[..3].copy_from_slice(&[1, 1, 6]);
        bytes[4..8].copy_from_slice(&[1, 2, 3, 4]);
        bytes.extend(COOKIE);
        bytes.extend([OPTION_KIND, 1, kind]);
        bytes.extend(extra);
        bytes.push(OPTION_END);
        bytes
    }

    fn kind_of(reply: &[u8]) -> u8 {
        option(&reply[HEADER_BYTES + 4..], OPTION_KIND).expect("every reply has one")[0]
    }

    #[test]
    fn discover_is_answered_with_the_guests_address() {
        let reply = reply(&request(DISCOVER, &[])).expect("an offer");
        assert_eq!(kind_of(&reply), OFFER);
        assert_eq!(reply[16..20], GUEST.octets());
        assert_eq!(reply[4..8], [1, 2, 3, 4]);
        let router = option(&reply[HEADER_BYTES + 4..], OPTION_ROUTER);
        assert_eq!(router, Some(&GATEWAY.octets()[..]));
    }

    #[test]
    fn requests_for_another_address_are_refused() {
        let other = [OPTION_REQUESTED, 4, 192, 168, 0, 9];
        assert_eq!(kind_of(&reply(&request(REQUEST, &other)).expect("a refusal")), NAK);
        let ours = [OPTION_REQUESTED, 4, 10, 0, 2, 15];
        assert_eq!(kind_of(&reply(&request(REQUEST, &ours)).expect("a lease")), ACK);
    }

    #[test]
    fn nonsense_is_ignored() {
        assert_eq!(reply(&[]), None);
        assert_eq!(reply(&[1; 300]), None);
        assert_eq!(reply(&request(7, &[])), None);
        let mut cut = request(DISCOVER, &[OPTION_REQUESTED, 200, 1]);
        cut.truncate(HEADER_BYTES + 4 + 2);
        assert_eq!(reply(&cut), None);
    }
}
