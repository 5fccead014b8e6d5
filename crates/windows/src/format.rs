//! Formatted output by the rules of Microsoft's C runtime: `l` is 32 bits wide, `I64` and `I32` are sizes, and strings
//! are narrow or wide by the function's own kind unless the format says otherwise.
//!
//! Pure: arguments come from a [`Arguments`], floating point is the host's.

/// Where arguments come from.
pub(crate) trait Arguments {
    /// The next integer or pointer, all 64 bits that were passed.
    fn word(&mut self) -> u64;
    /// The next floating-point value.
    fn float(&mut self) -> f64;
    /// The narrow string at an address, at most `limit` bytes.
    fn narrow(&self, address: u64, limit: usize) -> Option<Vec<u8>>;
    /// The wide string at an address, at most `limit` units.
    fn wide(&self, address: u64, limit: usize) -> Option<Vec<u16>>;
    /// Formats a floating-point value as C does.
    fn format_float(&self, spec: &str, value: f64) -> String;
    /// Stores the count of characters so far: `%n`.
    fn store(&mut self, address: u64, count: usize);
}

/// A conversion between `%` and its letter.
#[derive(Clone, Copy, Debug, Default)]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    size: Size,
}

/// Width of an argument, or kind of a string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Size {
    #[default]
    Plain,
    Char,
    Short,
    Long,
    Quad,
    Wide,
}

/// Formats; `wide` says whether `%s` and `%c` mean wide ones. Bytes that are no UTF-8 stay as they are.
pub(crate) fn format(text: &[u8], wide: bool, arguments: &mut dyn Arguments) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.iter().position(|byte| *byte == b'%') {
        out.extend_from_slice(&rest[..start]);
        let (spec, after) = parse(&rest[start + 1..], arguments);
        let Some((letter, after)) = after.split_first() else { return out };
        rest = after;
        if !convert(&mut out, spec, *letter, wide, arguments) {
            out.push(*letter);
        }
    }
    out.extend_from_slice(rest);
    out
}

fn parse<'a>(text: &'a [u8], arguments: &mut dyn Arguments) -> (Spec, &'a [u8]) {
    let mut spec = Spec::default();
    let mut rest = text;
    loop {
        match rest.first() {
            Some(b'-') => spec.left = true,
            Some(b'+') => spec.plus = true,
            Some(b' ') => spec.space = true,
            Some(b'#') => spec.alternate = true,
            Some(b'0') => spec.zero = true,
            _ => break,
        }
        rest = &rest[1..];
    }
    if let Some(after) = rest.strip_prefix(b"*") {
        let width = arguments.word() as i32;
        spec.left |= width < 0;
        spec.width = width.unsigned_abs() as usize;
        rest = after;
    } else {
        (spec.width, rest) = number(rest);
    }
    if let Some(after) = rest.strip_prefix(b".") {
        if let Some(after) = after.strip_prefix(b"*") {
            spec.precision = usize::try_from(arguments.word() as i32).ok();
            rest = after;
        } else {
            let (precision, after) = number(after);
            spec.precision = Some(precision);
            rest = after;
        }
    }
    let sizes = [
        ("I64", Size::Quad),
        ("I32", Size::Plain),
        ("I", Size::Quad),
        ("ll", Size::Quad),
        ("l", Size::Long),
        ("hh", Size::Char),
        ("h", Size::Short),
        ("w", Size::Wide),
        ("j", Size::Quad),
        ("z", Size::Quad),
        ("t", Size::Quad),
        ("L", Size::Plain),
        ("q", Size::Quad),
    ];
    if let Some((prefix, size)) = sizes.into_iter().find(|(prefix, _)| rest.starts_with(prefix.as_bytes())) {
        spec.size = size;
        rest = &rest[prefix.len()..];
    }
    (spec, rest)
}

fn number(text: &[u8]) -> (usize, &[u8]) {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(digits);
    let digit = |byte: &u8| usize::from(byte - b'0');
    (digits.iter().fold(0, |value: usize, byte| value.saturating_mul(10).saturating_add(digit(byte))), rest)
}

/// Appends one conversion; `false` for a letter that is none.
fn convert(out: &mut Vec<u8>, spec: Spec, letter: u8, wide: bool, arguments: &mut dyn Arguments) -> bool {
    let text = match letter {
        b'%' => b"%".to_vec(),
        b'd' | b'i' => signed(spec, arguments.word()).into_bytes(),
        b'u' => integer(spec, "", &unsigned(spec, arguments.word()).to_string()).into_bytes(),
        b'x' | b'X' | b'o' => based(spec, letter, arguments.word()).into_bytes(),
        b'p' => format!("{:016X}", arguments.word()).into_bytes(),
        b'c' | b'C' => character(is_wide(spec, letter == b'C', wide), arguments.word()),
        b's' | b'S' => string(spec, is_wide(spec, letter == b'S', wide), arguments),
        b'f' | b'F' | b'e' | b'E' | b'g' | b'G' | b'a' | b'A' => float(spec, letter, arguments).into_bytes(),
        b'n' => {
            let address = arguments.word();
            arguments.store(address, out.len());
            Vec::new()
        }
        _ => return false,
    };
    pad(out, spec, &text, wide);
    true
}

/// Whether a character or string is wide: by the size if there is one, else by the function's kind, which capital
/// letters turn round.
fn is_wide(spec: Spec, turned: bool, wide: bool) -> bool {
    match spec.size {
        Size::Long | Size::Wide => true,
        Size::Short | Size::Char => false,
        _ => wide != turned,
    }
}

fn unsigned(spec: Spec, word: u64) -> u64 {
    match spec.size {
        Size::Quad => word,
        Size::Short => word & 0xFFFF,
        Size::Char => word & 0xFF,
        _ => word & 0xFFFF_FFFF,
    }
}

fn signed(spec: Spec, word: u64) -> String {
    let value = match spec.size {
        Size::Quad => word as i64,
        Size::Short => i64::from(word as i16),
        Size::Char => i64::from(word as i8),
        _ => i64::from(word as i32),
    };
    let sign = match (value < 0, spec.plus, spec.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    };
    integer(spec, sign, &value.unsigned_abs().to_string())
}

fn based(spec: Spec, letter: u8, word: u64) -> String {
    let value = unsigned(spec, word);
    let (prefix, digits) = match letter {
        b'x' => ("0x", format!("{value:x}")),
        b'X' => ("0X", format!("{value:X}")),
        _ => ("0", format!("{value:o}")),
    };
    let prefix = if spec.alternate && value != 0 { prefix } else { "" };
    integer(spec, prefix, &digits)
}

/// Digits with at least the precision's number of them, behind a sign or prefix; zero-padded if asked.
fn integer(spec: Spec, prefix: &str, digits: &str) -> String {
    let digits = if spec.precision == Some(0) && digits == "0" { "" } else { digits };
    let least = match spec.precision {
        Some(precision) => precision,
        None if spec.zero && !spec.left => spec.width.saturating_sub(prefix.len()),
        None => 0,
    };
    format!("{prefix}{digits:0>least$}")
}

fn character(wide: bool, word: u64) -> Vec<u8> {
    if wide { String::from_utf16_lossy(&[word as u16]).into_bytes() } else { vec![word as u8] }
}

fn string(spec: Spec, wide: bool, arguments: &mut dyn Arguments) -> Vec<u8> {
    let address = arguments.word();
    let limit = spec.precision.unwrap_or(usize::MAX);
    let found = if wide {
        arguments.wide(address, limit).map(|units| String::from_utf16_lossy(&units).into_bytes())
    } else {
        arguments.narrow(address, limit)
    };
    found.unwrap_or_else(|| b"(null)".iter().copied().take(limit).collect())
}

fn float(spec: Spec, letter: u8, arguments: &mut dyn Arguments) -> String {
    let value = arguments.float();
    let mut text = String::from("%");
    for (is_set, flag) in
        [(spec.plus, '+'), (spec.space, ' '), (spec.alternate, '#'), (spec.zero && !spec.left, '0')]
    {
        if is_set {
            text.push(flag);
        }
    }
    if spec.zero && !spec.left && spec.width > 0 {
        text.push_str(&spec.width.to_string());
    }
    if let Some(precision) = spec.precision {
        text.push_str(&format!(".{precision}"));
    }
    text.push(char::from(letter));
    arguments.format_float(&text, value)
}

/// Appends a conversion's text, filled up to its width: characters of wide output, bytes of narrow.
fn pad(out: &mut Vec<u8>, spec: Spec, text: &[u8], wide: bool) {
    let length = if wide { String::from_utf8_lossy(text).chars().count() } else { text.len() };
    let filling = vec![b' '; spec.width.saturating_sub(length)];
    let (first, last) = if spec.left { (text, &filling[..]) } else { (&filling[..], text) };
    out.extend_from_slice(first);
    out.extend_from_slice(last);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arguments from lists; strings by index.
    struct Listed {
        words: Vec<u64>,
        strings: Vec<&'static str>,
    }

    impl Arguments for Listed {
        fn word(&mut self) -> u64 {
            self.words.remove(0)
        }

        fn float(&mut self) -> f64 {
            f64::from_bits(self.words.remove(0))
        }

        fn narrow(&self, address: u64, limit: usize) -> Option<Vec<u8>> {
            self.strings.get(address as usize).map(|text| text.bytes().take(limit).collect())
        }

        fn wide(&self, address: u64, limit: usize) -> Option<Vec<u16>> {
            self.strings
                .get(address as usize)
                .map(|text| text.encode_utf16().take(limit).map(|unit| unit + 1).collect())
        }

        fn format_float(&self, spec: &str, value: f64) -> String {
            format!("{spec}={value}")
        }

        fn store(&mut self, _address: u64, _count: usize) {}
    }

    fn formatted(text: &str, words: &[u64]) -> String {
        let mut arguments = Listed { words: words.to_vec(), strings: vec!["abc", "xyz"] };
        String::from_utf8(format(text.as_bytes(), false, &mut arguments)).expect("ASCII")
    }

    #[test]
    fn long_is_32_bits_wide() {
        assert_eq!(
            formatted("%lx %ld %lu", &[0xFFFF_FFFF_8037_0301, 0xFFFF_FFFF, u64::MAX]),
            "80370301 -1 4294967295"
        );
    }

    #[test]
    fn microsoft_sizes_are_understood() {
        assert_eq!(
            formatted("%I64x %I32d %Iu %llX", &[1 << 40, u64::MAX, 7, u64::MAX]),
            "10000000000 -1 7 FFFFFFFFFFFFFFFF"
        );
    }

    #[test]
    fn flags_width_and_precision_work() {
        assert_eq!(
            formatted("[%08x][%-6d][%+d][%#x][%.3d][%5.2u]", &[0xAB, 42, 5, 255, 7, 3]),
            "[000000ab][42    ][+5][0xff][007][   03]"
        );
        assert_eq!(formatted("[%*d][%-*d]", &[4, 7, 4, 7]), "[   7][7   ]");
    }

    #[test]
    fn strings_are_narrow_or_wide_as_the_format_says() {
        assert_eq!(formatted("%s %ls %S %hs %.2s %5s|", &[0, 0, 0, 1, 0, 0]), "abc bcd bcd xyz ab   abc|");
        let mut arguments = Listed { words: vec![0, 0, 0], strings: vec!["abc"] };
        assert_eq!(format(b"%s %S %hs", true, &mut arguments), b"bcd abc abc");
    }

    #[test]
    fn null_strings_and_percent_signs_are_printed() {
        assert_eq!(formatted("100%% %s", &[99]), "100% (null)");
        assert_eq!(formatted("%c%C", &[0x41, 0x42]), "AB");
        assert_eq!(formatted("%p", &[0x1234]), "0000000000001234");
    }

    #[test]
    fn floating_point_is_left_to_the_host() {
        assert_eq!(formatted("%.2f", &[1.5_f64.to_bits()]), "%.2f=1.5");
    }
}
