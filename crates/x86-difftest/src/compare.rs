//! Compares what the two sides made of a case.

use crate::case::Case;
use crate::case::End;
use crate::case::SCRATCH;
use crate::case::State;
use iced_x86::Decoder;
use iced_x86::DecoderOptions;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use iced_x86::RflagsBits;
use openwhp_x86::CpuModel;
use openwhp_x86::model::Vendor;
use openwhp_x86::state::rflags;
use std::sync::LazyLock;

/// Vendor of the host's processor, whose habits the software side takes over.
static HOST: LazyLock<Vendor> = LazyLock::new(|| CpuModel::host(1_000_000_000).vendor);

/// The instruction of a case.
pub fn decode(case: &Case) -> Instruction {
    Decoder::with_ip(case.bits, &case.bytes, case.rip, DecoderOptions::NONE).decode()
}

/// RFLAGS bits the manuals leave undefined after the instruction.
pub fn undefined_flags(i: &Instruction) -> u64 {
    let u = i.rflags_undefined();
    let pairs = [
        (RflagsBits::OF, rflags::OF),
        (RflagsBits::SF, rflags::SF),
        (RflagsBits::ZF, rflags::ZF),
        (RflagsBits::AF, rflags::AF),
        (RflagsBits::CF, rflags::CF),
        (RflagsBits::PF, rflags::PF),
    ];
    pairs.into_iter().filter(|(a, _)| u & a != 0).map(|(_, b)| b).sum()
}

/// Differences, one line each; empty when both sides agree. `strict` compares undefined flags too.
pub fn compare(case: &Case, host: &(State, End), ours: &(State, End), strict: bool) -> Vec<String> {
    let mut out = Vec::new();
    let ((h, hend), (g, gend)) = (host, ours);
    let i = decode(case);
    // Environments and save areas are accessed in an order of the processor's own: the page must agree.
    let scattered =
        matches!(i.mnemonic(), Mnemonic::Fldenv | Mnemonic::Fnstenv | Mnemonic::Fnsave | Mnemonic::Frstor);
    // Either operand may be read first.
    let two = matches!(i.mnemonic(), Mnemonic::Cmpsb | Mnemonic::Cmpsw | Mnemonic::Cmpsd | Mnemonic::Cmpsq);
    let same = match (hend, gend) {
        (End::Fault(14, _), End::Fault(14, _)) if two => true,
        (End::Fault(14, a), End::Fault(14, b)) if scattered => a >> 12 == b >> 12,
        _ => hend == gend,
    };
    if !same {
        out.push(format!("end: host {hend:x?}, ours {gend:x?}"));
        return out;
    }
    // POPA that faults may have loaded some registers already.
    if *hend != End::Done && matches!(i.mnemonic(), Mnemonic::Popa | Mnemonic::Popad) {
        return out;
    }
    let names = [
        "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
        "r14", "r15",
    ];
    // The upper halves are undefined after a switch from compatibility mode.
    let width = if case.bits == 64 { u64::MAX } else { u64::MAX >> 32 };
    for (n, name) in names.iter().enumerate() {
        if (h.gpr[n] ^ g.gpr[n]) & width != 0 {
            out.push(format!(
                "{name}: before {:#x}, host {:#x}, ours {:#x}",
                case.before.gpr[n], h.gpr[n], g.gpr[n]
            ));
        }
    }
    let mut skip = if strict { 0 } else { undefined_flags(&i) };
    // A fault gives back the flags from before the instruction on Intel's processors. Ours does long ones in parts, as if
    // interrupted between them, and then gives back those from before the part.
    let compares =
        two || matches!(i.mnemonic(), Mnemonic::Scasb | Mnemonic::Scasw | Mnemonic::Scasd | Mnemonic::Scasq);
    let bytes = case.before.gpr[1].wrapping_sub(h.gpr[1]) as u32 as usize * i.memory_size().size();
    if *HOST == Vendor::Intel && compares && *hend != End::Done && bytes >= 4096 {
        skip |= rflags::ARITH;
    }
    let mask = (rflags::ARITH | rflags::DF) & !skip;
    if (h.flags ^ g.flags) & mask != 0 {
        let f = |v: u64| {
            let names = [(0, 'c'), (2, 'p'), (4, 'a'), (6, 'z'), (7, 's'), (10, 'd'), (11, 'o')];
            names.into_iter().map(|(b, c)| if v >> b & 1 != 0 { c.to_ascii_uppercase() } else { c }).collect()
        };
        let (b, h, g): (String, String, String) = (f(case.before.flags), f(h.flags), f(g.flags));
        out.push(format!("flags: before {b}, host {h}, ours {g}"));
    }
    if h.mem != g.mem {
        for (n, ((a, b), old)) in h.mem.iter().zip(&g.mem).zip(&case.before.mem).enumerate() {
            if a != b {
                out.push(format!(
                    "[{:#x}]: before {old:02x}, host {a:02x}, ours {b:02x}",
                    SCRATCH + n as u64
                ));
                if out.len() > 24 {
                    break;
                }
            }
        }
    }
    if let (Some(h), Some(g), Some(b)) = (&h.vec, &g.vec, &case.before.vec) {
        for n in 0..32 {
            if h.zmm[n] != g.zmm[n] {
                out.push(format!(
                    "zmm{n}:\n  before {:02x?}\n  host   {:02x?}\n  ours   {:02x?}",
                    b.zmm[n], h.zmm[n], g.zmm[n]
                ));
            }
        }
        for n in 0..8 {
            if h.k[n] != g.k[n] {
                out.push(format!("k{n}: before {:x}, host {:x}, ours {:x}", b.k[n], h.k[n], g.k[n]));
            }
        }
        // Beside an unmasked exception, which flags of results are set, and whether MMX state was entered, differs.
        let xm = *hend == End::Fault(19, 0);
        // A dot product is several operations, and the manual leaves their order open: Intel's processors stop at the first
        // one that raises an unmasked exception.
        let dot = matches!(i.mnemonic(), Mnemonic::Dpps | Mnemonic::Dppd | Mnemonic::Vdpps | Mnemonic::Vdppd)
            && *HOST == Vendor::Intel;
        let skip = match (xm, dot) {
            (true, true) => 0x3f,
            (true, false) => 0x38,
            _ => 0,
        };
        if (h.mxcsr ^ g.mxcsr) & !skip != 0 {
            out.push(format!("mxcsr: before {:x}, host {:x}, ours {:x}", b.mxcsr, h.mxcsr, g.mxcsr));
        }
        let (x, y) = (&h.x87, &g.x87);
        let words = |x: &openwhp_x86::state::X87| (x.fcw, x.fsw, x.ftw);
        if words(x) != words(y) && !xm {
            out.push(format!(
                "fcw, fsw, ftw: before {:x?}, host {:x?}, ours {:x?}",
                words(&b.x87),
                words(x),
                words(y)
            ));
        }
        for n in 0..8 {
            if x.st[n][..10] != y.st[n][..10] {
                out.push(format!(
                    "r{n}: before {:02x?}, host {:02x?}, ours {:02x?}",
                    &b.x87.st[n][..10],
                    &x.st[n][..10],
                    &y.st[n][..10]
                ));
            }
        }
    }
    out
}
