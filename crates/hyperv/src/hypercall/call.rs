//! Registers of a hypercall and what its input value says.

use crate::hypercall::Status;

/// Size of the parameter block in registers, without and with vector registers.
const FAST: usize = 16;
pub(crate) const FAST_XMM: usize = 112;

/// Bits of the input value that must be zero.
const RESERVED: u64 = 0xF000_F000_F800_0000;

/// The registers a hypercall is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Registers {
    /// The caller is in 64-bit mode: the registers' roles differ.
    pub is_64bit: bool,
    /// RAX.
    pub rax: u64,
    /// RBX.
    pub rbx: u64,
    /// RCX.
    pub rcx: u64,
    /// RDX.
    pub rdx: u64,
    /// RSI.
    pub rsi: u64,
    /// RDI.
    pub rdi: u64,
    /// R8.
    pub r8: u64,
    /// XMM0 to XMM5.
    pub xmm: [u128; 6],
}

fn join(high: u64, low: u64) -> u64 {
    high << 32 | low & 0xFFFF_FFFF
}

impl Registers {
    /// The input value.
    pub fn control(&self) -> u64 {
        if self.is_64bit { self.rcx } else { join(self.rdx, self.rax) }
    }

    /// Address of the input, or its first 8 bytes.
    pub fn input(&self) -> u64 {
        if self.is_64bit { self.rdx } else { join(self.rbx, self.rcx) }
    }

    /// Address of the output, or the second 8 bytes of the input.
    pub fn output(&self) -> u64 {
        if self.is_64bit { self.r8 } else { join(self.rdi, self.rsi) }
    }

    /// Sets the result value.
    pub fn set_result(&mut self, result: u64) {
        if self.is_64bit {
            self.rax = result;
        } else {
            self.rax = result & 0xFFFF_FFFF;
            self.rdx = result >> 32;
        }
    }

    /// The parameter block in registers.
    pub(crate) fn block(&self) -> [u8; FAST_XMM] {
        let mut block = [0; FAST_XMM];
        block[..8].copy_from_slice(&self.input().to_le_bytes());
        block[8..FAST].copy_from_slice(&self.output().to_le_bytes());
        for (value, piece) in self.xmm.iter().zip(block[FAST..].chunks_exact_mut(16)) {
            piece.copy_from_slice(&value.to_le_bytes());
        }
        block
    }

    /// Replaces the block from `offset` on. Only for 64-bit callers.
    pub(crate) fn set_block(&mut self, offset: usize, bytes: &[u8]) {
        let mut block = self.block();
        block[offset..offset + bytes.len()].copy_from_slice(bytes);
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&block[at..at + 8]);
            u64::from_le_bytes(word)
        };
        (self.rdx, self.r8) = (word(0), word(8));
        for (index, value) in self.xmm.iter_mut().enumerate() {
            let at = FAST + index * 16;
            *value = u128::from(word(at + 8)) << 64 | u128::from(word(at));
        }
    }
}

/// The input value taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Control {
    /// Call code.
    pub code: u16,
    /// Parameters are in registers.
    pub is_fast: bool,
    /// Variable part of the header, in units of 8 bytes.
    pub variable_qwords: u16,
    /// Number of list elements.
    pub rep_count: u16,
    /// First element to be done.
    pub rep_start: u16,
    /// Some bit that must be zero is not.
    pub has_reserved: bool,
}

impl Control {
    /// Takes an input value apart.
    ///
    /// # Source
    /// TLFS "Hypercall Inputs".
    pub fn decode(value: u64) -> Self {
        Self {
            code: value as u16,
            is_fast: value & 1 << 16 != 0,
            variable_qwords: (value >> 17 & 0x3FF) as u16,
            rep_count: (value >> 32 & 0xFFF) as u16,
            rep_start: (value >> 48 & 0xFFF) as u16,
            has_reserved: value & RESERVED != 0,
        }
    }

    /// Puts it together again.
    pub fn encode(&self) -> u64 {
        u64::from(self.code)
            | u64::from(self.is_fast) << 16
            | u64::from(self.variable_qwords & 0x3FF) << 17
            | u64::from(self.rep_count & 0xFFF) << 32
            | u64::from(self.rep_start & 0xFFF) << 48
    }
}

/// The result value of a call.
pub fn result(status: Status, reps_done: u16) -> u64 {
    status as u64 | u64::from(reps_done & 0xFFF) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn callers_of_32_bits_use_pairs_of_registers() {
        let mut registers = Registers {
            is_64bit: false,
            rax: 0xFFFF_FFFF_0001_0008,
            rdx: 2,
            rbx: 3,
            rcx: 4,
            rdi: 5,
            rsi: 6,
            ..Registers::default()
        };
        assert_eq!(registers.control(), 0x2_0001_0008);
        assert_eq!((registers.input(), registers.output()), (0x3_0000_0004, 0x5_0000_0006));
        registers.set_result(0x7_0000_0005);
        assert_eq!((registers.rax, registers.rdx), (5, 7));
    }

    #[test]
    fn blocks_in_registers_run_over_all_of_them() {
        let mut registers = Registers { is_64bit: true, rdx: 1, r8: 2, ..Registers::default() };
        registers.xmm[5] = u128::MAX;
        let block = registers.block();
        assert_eq!((block[0], block[8], block[111], block[95]), (1, 2, 0xFF, 0));
        registers.set_block(12, &[9; 8]);
        assert_eq!((registers.r8, registers.xmm[0]), (0x0909_0909_0000_0002, 0x0909_0909));
        assert_eq!(registers.xmm[5], u128::MAX);
    }

    proptest! {
        #[test]
        fn control_values_survive(value: u64) {
            let control = Control::decode(value);
            prop_assert_eq!(control.has_reserved, value & RESERVED != 0);
            prop_assert_eq!(control.encode(), value & !RESERVED);
        }

        #[test]
        fn blocks_survive_registers(rdx: u64, r8: u64, xmm: [u128; 6]) {
            let registers = Registers { is_64bit: true, rdx, r8, xmm, ..Registers::default() };
            let mut copy = Registers { is_64bit: true, ..Registers::default() };
            copy.set_block(0, &registers.block());
            prop_assert_eq!(copy, registers);
        }
    }
}
