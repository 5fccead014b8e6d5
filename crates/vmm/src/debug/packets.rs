//! Packets on the wire: framing, checksums, acknowledgements. What is inside them is the protocol crate's business.

/// Largest packet taken and announced, framing included.
pub(super) const LARGEST: usize = 0x4000;

/// What came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// The body of a packet whose checksum is right.
    Packet(Vec<u8>),
    /// A packet whose checksum is wrong.
    Damaged,
    /// A packet that is too long.
    TooLong,
    /// The interrupt byte.
    Interrupt,
    /// The last packet sent was not understood.
    Again,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum State {
    #[default]
    Between,
    Body,
    FirstDigit,
    SecondDigit(u8),
}

/// Cuts a stream of bytes into packets.
#[derive(Debug, Default)]
pub(super) struct Framer {
    state: State,
    body: Vec<u8>,
    is_too_long: bool,
}

impl Framer {
    /// Takes one byte; gives what it completes.
    pub(super) fn push(&mut self, byte: u8) -> Option<Input> {
        match self.state {
            State::Between => match byte {
                b'$' => self.begin(),
                0x03 => return Some(Input::Interrupt),
                b'-' => return Some(Input::Again),
                // Acknowledgements, and noise.
                _ => {}
            },
            State::Body => match byte {
                b'#' => self.state = State::FirstDigit,
                // An escape never leaves this byte in a body: the packet before it was cut off.
                b'$' => self.begin(),
                _ if self.body.len() + 4 >= LARGEST => self.is_too_long = true,
                _ => self.body.push(byte),
            },
            State::FirstDigit => self.state = State::SecondDigit(byte),
            State::SecondDigit(first) => {
                self.state = State::Between;
                return Some(self.finish(first, byte));
            }
        }
        None
    }

    fn begin(&mut self) {
        self.state = State::Body;
        self.body.clear();
        self.is_too_long = false;
    }

    fn finish(&mut self, first: u8, second: u8) -> Input {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let given = digit(first).zip(digit(second)).map(|(high, low)| (high << 4 | low) as u8);
        if self.is_too_long {
            Input::TooLong
        } else if given == Some(checksum(&self.body)) {
            Input::Packet(std::mem::take(&mut self.body))
        } else {
            Input::Damaged
        }
    }
}

fn checksum(body: &[u8]) -> u8 {
    body.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
}

/// A body with its frame.
pub(super) fn frame(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 4);
    bytes.push(b'$');
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(format!("#{:02x}", checksum(body)).as_bytes());
    bytes
}

/// A packet that has the debugger print `text`.
pub(super) fn console(text: &str) -> Vec<u8> {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    frame(format!("O{hex}").as_bytes())
}

/// Bounds the length that a read of memory asks for, so that its answer fits a packet. Shorter answers are allowed.
pub(super) fn bound_read(body: Vec<u8>) -> Vec<u8> {
    const LONGEST: u64 = (LARGEST / 2 - 64) as u64;
    let Some(rest) = body.strip_prefix(b"m") else { return body };
    let Ok(text) = std::str::from_utf8(rest) else { return body };
    let Some((address, len)) = text.split_once(',') else { return body };
    match u64::from_str_radix(len, 16) {
        Ok(len) if len <= LONGEST => body,
        _ => format!("m{address},{LONGEST:x}").into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<Input> {
        let mut framer = Framer::default();
        bytes.iter().filter_map(|byte| framer.push(*byte)).collect()
    }

    #[test]
    fn streams_are_cut_into_packets() {
        let packet = |body: &[u8]| Input::Packet(body.to_vec());
        let bytes = [&frame(b"qC")[..], b"+\x03x-", &frame(b""), b"$g#00", b"$cut$?#3f"].concat();
        let expected =
            [packet(b"qC"), Input::Interrupt, Input::Again, packet(b""), Input::Damaged, packet(b"?")];
        assert_eq!(all(&bytes), expected);
    }

    #[test]
    fn long_packets_are_told() {
        let long = frame(&vec![b'a'; LARGEST]);
        assert_eq!(all(&long), [Input::TooLong]);
        let longest = vec![b'a'; LARGEST - 4];
        assert_eq!(all(&frame(&longest)), [Input::Packet(longest)]);
    }

    #[test]
    fn reads_are_bounded() {
        let bounded = |text: &str| String::from_utf8(bound_read(text.into())).expect("it is text");
        assert_eq!(bounded("m1000,4"), "m1000,4");
        assert_eq!(bounded("m1000,ffffffff"), "m1000,1fc0");
        assert_eq!(bounded("m1000,ffffffffffffffffffff"), "m1000,1fc0");
        assert_eq!(bounded("qC"), "qC");
    }
}
