//! The instructions that a debugger must know: those that save or load the trap flag, enter a handler by themselves,
//! or touch the debug registers.

/// What an instruction does that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nothing of the kind.
    Plain,
    /// Pushes the flags: the image must not show a borrowed trap flag.
    PushFlags,
    /// Loads the flags: the trap flag is the guest's afterwards.
    LoadFlags,
    /// INT n with this vector.
    Interrupt(u8),
    /// SYSCALL.
    Syscall,
    /// SYSENTER.
    Sysenter,
}

/// A move between a general and a debug register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoveDebug {
    /// To the debug register.
    pub is_write: bool,
    /// Debug register, 0 to 7 as encoded.
    pub debug: usize,
    /// General register, 0 to 15.
    pub general: u32,
    /// Bytes of the instruction.
    pub len: u64,
}

/// An instruction split into prefixes and the rest.
struct Parts<'a> {
    rex: u8,
    prefixes: usize,
    rest: &'a [u8],
}

fn split(bytes: &[u8], is_64_bit: bool) -> Parts<'_> {
    const LEGACY: [u8; 11] = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];
    let mut prefixes = bytes.iter().take_while(|byte| LEGACY.contains(byte)).count();
    let mut rex = 0;
    if is_64_bit && let Some(byte @ 0x40..=0x4f) = bytes.get(prefixes) {
        rex = *byte;
        prefixes += 1;
    }
    Parts { rex, prefixes, rest: &bytes[prefixes..] }
}

/// Classifies the instruction that begins with `bytes`.
#[must_use]
pub fn classify(bytes: &[u8], is_64_bit: bool) -> Class {
    match split(bytes, is_64_bit).rest {
        [0x9c, ..] => Class::PushFlags,
        [0x9d | 0xcf, ..] | [0x0f, 0x07, ..] => Class::LoadFlags,
        [0xcd, vector, ..] => Class::Interrupt(*vector),
        [0x0f, 0x05, ..] => Class::Syscall,
        [0x0f, 0x34, ..] => Class::Sysenter,
        _ => Class::Plain,
    }
}

/// Reads a MOV to or from a debug register.
#[must_use]
pub fn move_debug(bytes: &[u8], is_64_bit: bool) -> Option<MoveDebug> {
    let parts = split(bytes, is_64_bit);
    let [0x0f, opcode @ (0x21 | 0x23), modrm, ..] = parts.rest else { return None };
    Some(MoveDebug {
        is_write: *opcode == 0x23,
        debug: usize::from(modrm >> 3 & 7),
        general: u32::from(modrm & 7 | (parts.rex & 1) << 3),
        len: parts.prefixes as u64 + 3,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_told_apart() {
        for (bytes, is_64_bit, class) in [
            (&[0x9c][..], true, Class::PushFlags),
            (&[0x66, 0x9c], false, Class::PushFlags),
            (&[0x48, 0xcf], true, Class::LoadFlags),
            (&[0x48, 0xcf], false, Class::Plain),
            (&[0x48, 0x0f, 0x07], true, Class::LoadFlags),
            (&[0xcd, 0x80], false, Class::Interrupt(0x80)),
            (&[0x0f, 0x05], true, Class::Syscall),
            (&[0x0f, 0x34], false, Class::Sysenter),
            (&[0x90], true, Class::Plain),
            (&[], true, Class::Plain),
            (&[0xf3], true, Class::Plain),
        ] {
            assert_eq!(classify(bytes, is_64_bit), class, "{bytes:02x?}");
        }
    }

    #[test]
    fn moves_of_debug_registers_are_read() {
        let read = MoveDebug { is_write: false, debug: 7, general: 0, len: 3 };
        assert_eq!(move_debug(&[0x0f, 0x21, 0xf8], true), Some(read));
        let write = MoveDebug { is_write: true, debug: 6, general: 9, len: 4 };
        assert_eq!(move_debug(&[0x41, 0x0f, 0x23, 0xf1], true), Some(write));
        assert_eq!(move_debug(&[0x0f, 0x22, 0xf8], true), None);
        assert_eq!(move_debug(&[0x0f, 0x21], true), None);
    }
}
