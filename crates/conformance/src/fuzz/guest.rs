//! Code that random processors execute: half of it noise, half of it instructions that leave the processor's core.

use super::input::Generator;

/// MSRs worth writing: time, APIC, paging attributes, system calls, and all of a hypervisor's.
const MSRS: [u32; 40] = [
    0x10,
    0x1B,
    0x3B,
    0x8B,
    0x174,
    0x176,
    0x1A0,
    0x277,
    0x2FF,
    0x6E0,
    0x802,
    0x808,
    0x80B,
    0x80F,
    0x830,
    0x832,
    0x838,
    0x83E,
    0x83F,
    0xC000_0080,
    0xC000_0081,
    0xC000_0082,
    0xC000_0103,
    0x4000_0000,
    0x4000_0001,
    0x4000_0002,
    0x4000_0010,
    0x4000_0020,
    0x4000_0021,
    0x4000_0070,
    0x4000_0071,
    0x4000_0073,
    0x4000_0080,
    0x4000_0082,
    0x4000_0083,
    0x4000_0084,
    0x4000_0092,
    0x4000_00B0,
    0x4000_00B1,
    0x4000_0105,
];
/// Hypercalls.
const CALLS: [u32; 14] = [2, 3, 8, 0xB, 0x13, 0x14, 0x15, 0x50, 0x51, 0x5C, 0x5D, 0x7E, 0x103, 0x1_0008];
/// Addresses: memory, doorbells, APIC registers, nothing.
const ADDRESSES: [u32; 14] = [
    0x2_0000,
    0x2_0FFE,
    0x3_0000,
    0x5_0004,
    0x6_0000,
    0x8_0000,
    0xFEE0_0020,
    0xFEE0_0080,
    0xFEE0_00B0,
    0xFEE0_00F0,
    0xFEE0_0300,
    0xFEE0_0380,
    0x20_0000,
    0x3000_0000,
];
/// Values: enabled pages, enabled timers, commands, noise.
const VALUES: [u32; 12] =
    [0, 1, 0x5_0001, 0x6_0001, 0x1FF, 0x4003, 0x1_0031, 0xC_4500, 0x2_0031, 0x6_0040, 0x100, !0];
/// Instructions as they are, in every mode.
const PLAIN: [&[u8]; 28] = [
    &[0xF4],
    &[0xFB],
    &[0xFA],
    &[0xCC],
    &[0xCD, 0x31],
    &[0x0F, 0xA2],
    &[0x0F, 0x31],
    &[0x0F, 0x01, 0xF9],
    &[0x0F, 0x01, 0xC1],
    &[0x0F, 0x01, 0xD9],
    &[0x0F, 0x01, 0xD0],
    &[0x0F, 0x01, 0xD1],
    &[0x0F, 0x05],
    &[0x0F, 0x34],
    &[0xCF],
    &[0xE6, 0x80],
    &[0xE5, 0x60],
    &[0xF3, 0x6E],
    &[0xF3, 0xA4],
    &[0xF3, 0xAB],
    &[0x0F, 0x20, 0xD8, 0x0F, 0x22, 0xD8],
    &[0x0F, 0x20, 0xC0, 0x0F, 0x22, 0xC0],
    &[0x0F, 0x20, 0xE0, 0x0F, 0x22, 0xE0],
    &[0x0F, 0x01, 0x3B],
    &[0xF0, 0x0F, 0xC1, 0x03],
    &[0xC5, 0xFC, 0x58, 0xC1],
    &[0x0F, 0xAE, 0x23],
    &[0xD9, 0xE8],
];

/// Code from a seed, for 32-bit operands.
pub(super) fn code(generator: &mut Generator, length: usize) -> Vec<u8> {
    let mut code = Vec::with_capacity(length + 64);
    while code.len() < length {
        let bits = generator.bits();
        let part = (bits >> 8) as usize;
        match bits % 16 {
            0..5 => code.extend(generator.bytes(1 + part % 24)),
            5..7 => access_msr(&mut code, bits),
            7..9 => {
                load(&mut code, 1, CALLS[part % CALLS.len()] | (bits >> 40) as u32 & 0x1_0000);
                load(&mut code, 2, ADDRESSES[(part >> 8) % ADDRESSES.len()]);
                code.extend([0x0F, 0x01, if bits >> 50 & 1 == 0 { 0xC1 } else { 0xD9 }]);
            }
            9..13 => {
                load(&mut code, 3, ADDRESSES[part % ADDRESSES.len()]);
                load(&mut code, 0, VALUES[(part >> 8) % VALUES.len()]);
                code.extend([[0x89, 0x03], [0x8B, 0x03], [0x88, 0x03], [0x01, 0x03]][(part >> 16) % 4]);
            }
            13 => {
                // A short loop: mov ecx, n; add eax, ecx; loop back.
                load(&mut code, 1, (bits >> 32) as u32 & 0xFF);
                code.extend([0x01, 0xC8, 0xE2, 0xFC]);
            }
            _ => code.extend(PLAIN[part % PLAIN.len()]),
        }
    }
    code.truncate(length);
    code
}

/// mov register, value.
fn load(code: &mut Vec<u8>, register: u8, value: u32) {
    code.push(0xB8 + register);
    code.extend(value.to_le_bytes());
}

fn access_msr(code: &mut Vec<u8>, bits: u64) {
    let part = (bits >> 8) as usize;
    load(code, 1, MSRS[part % MSRS.len()] + (bits >> 60) as u32 % 2);
    load(code, 0, VALUES[(part >> 8) % VALUES.len()]);
    load(code, 2, 0);
    code.extend([0x0F, if bits >> 59 & 1 == 0 { 0x30 } else { 0x32 }]);
}
