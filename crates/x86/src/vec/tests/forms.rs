//! Every vector instruction the decoder knows and the host has runs and reads the operands it should.

use super::*;
use crate::vec::features::host_executes;
use iced_x86::Decoder;
use iced_x86::DecoderOptions;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use std::collections::HashMap;
use std::collections::HashSet;

/// Instructions of the legacy, VEX and EVEX maps with ModRM `modrm`.
fn encodings(modrm: u8, mut f: impl FnMut(&[u8])) {
    for pp in 0..4u8 {
        for op in 0..=255u8 {
            let prefix: &[u8] = [&[][..], &[0x66], &[0xf3], &[0xf2]][usize::from(pp)];
            for escape in [&[0x0f][..], &[0x0f, 0x38], &[0x0f, 0x3a]] {
                for rex in [0x40, 0x48] {
                    f(&[prefix, &[rex], escape, &[op, modrm, 2, 0, 0, 0, 0]].concat());
                }
            }
            // Without and with a second source (VVVV, inverted).
            for (map, v) in [1, 2, 3, 5, 6].into_iter().flat_map(|m| [(m, 0xf), (m, 0xe)]) {
                for wl in 0..4u8 {
                    let third = (wl & 1) << 7 | v << 3 | wl >> 1 << 2 | pp;
                    f(&[0xc4, 0xe0 | map, third, op, modrm, 2, 0, 0, 0, 0]);
                }
                for w in 0..2u8 {
                    for l in 0..3u8 {
                        for b in 0..2u8 {
                            for aaa in [0, 1] {
                                let p2 = l << 5 | b << 4 | 1 << 3 | aaa;
                                f(&[0x62, 0xf0 | map, w << 7 | v << 3 | 4 | pp, p2, op, modrm, 2, 0, 0, 0]);
                            }
                        }
                    }
                }
            }
        }
    }
}

fn decode(b: &[u8]) -> Instruction {
    let mut d = Decoder::with_ip(64, b, CODE, DecoderOptions::NONE);
    d.decode()
}

/// Instructions whose operands a sweep cannot set up: they need an aligned or valid image, or special indices.
fn needs_setup(m: Mnemonic) -> bool {
    let n = format!("{m:?}");
    n.contains("gather") || n.contains("scatter") || n.starts_with("Xrstor") || n.starts_with("Fxrstor")
}

/// The host runs it and the model has it: hosts may have more than the model.
fn is_offered(m: &Machine, i: &Instruction) -> bool {
    host_executes(i) && m.cpu.model.allows(i)
}

fn is_vector(i: &Instruction) -> bool {
    (0..i.op_count()).any(|n| {
        let r = i.op_register(n);
        r.is_vector_register() || r.is_mm() || r.is_k()
    })
}

#[test]
fn every_form_the_host_has_executes() {
    let mut m = machine(&[]);
    let before = m.cpu.s.vec.clone();
    let mut seen = HashSet::new();
    let mut wrong = Vec::new();
    for modrm in [0x00, 0xca, 0xd1] {
        encodings(modrm, |b| {
            let i = decode(b);
            if i.is_invalid() || !is_vector(&i) || !is_offered(&m, &i) || needs_setup(i.mnemonic()) {
                return;
            }
            m.cpu.s.vec = before.clone();
            m.cpu.s.vec.k = [0x5555; 8];
            m.cpu.s.gpr[RAX] = DATA;
            m.cpu.s.gpr[RDI] = DATA;
            recode(&mut m, b);
            seen.insert(i.code());
            if let Some(v) = fault_vector(&mut m) {
                wrong.push(format!("{:?} {b:x?}: exception {v}", i.code()));
            } else if m.cpu.s.rip != CODE + i.len() as u64 {
                wrong.push(format!("{:?}: rip {:#x}", i.code(), m.cpu.s.rip));
            }
        });
    }
    assert!(wrong.is_empty(), "{} forms fail: {:#?}", wrong.len(), &wrong[..wrong.len().min(40)]);
    assert!(seen.len() > 1500, "only {} forms", seen.len());
}

/// Result registers and memory after one instruction on fixed operands.
fn outcome(m: &mut Machine, b: &[u8], memory: &[u8; 64]) -> ([[u8; 64]; 3], [u64; 8], u64, u32) {
    m.ram.write(DATA, memory);
    m.cpu.s.gpr[RAX] = DATA;
    m.cpu.s.vec.k = [0x36; 8];
    m.cpu.s.vec.mxcsr = 0x1f80;
    recode(m, b);
    assert_eq!(m.fault(), None, "{b:x?}");
    let z = &m.cpu.s.vec.zmm;
    ([z[0], z[1], z[2]], m.cpu.s.vec.k, m.cpu.s.rflags(), m.cpu.s.vec.mxcsr)
}

#[test]
fn memory_and_register_sources_give_the_same_result() {
    let mut m = machine(&[]);
    let before = m.cpu.s.vec.clone();
    let mut forms: HashMap<_, Vec<u8>> = HashMap::new();
    // Destination register 1; source register 2 or memory at RAX.
    encodings(0xca, |b| {
        let i = decode(b);
        if !i.is_invalid() && is_vector(&i) && is_offered(&m, &i) {
            forms.entry((i.code(), b.to_vec())).or_insert_with(|| b.to_vec());
        }
    });
    let mut compared = 0;
    for ((code, _), b) in &forms {
        let at = b.iter().rposition(|x| *x == 0xca).unwrap_or(0);
        let mut with_memory = b.clone();
        with_memory[at] = 0x08;
        let (r, x) = (decode(b), decode(&with_memory));
        let last = (0..x.op_count()).find(|n| x.op_kind(*n) == iced_x86::OpKind::Memory);
        let Some(n) = last else { continue };
        // Only plain sources of the register's size, read completely.
        let same = x.code() == r.code() && n > 0 && !x.is_broadcast() && !r.is_broadcast();
        let rounding = r.rounding_control() != iced_x86::RoundingControl::None || r.suppress_all_exceptions();
        if !same || rounding || needs_setup(x.mnemonic()) || !r.op_register(n).is_vector_register() {
            continue;
        }
        let source = before.zmm[2];
        m.cpu.s.vec = before.clone();
        let a = outcome(&mut m, b, &source);
        m.cpu.s.vec = before.clone();
        let c = outcome(&mut m, &with_memory, &source);
        let merges = matches!(
            x.mnemonic(),
            Mnemonic::Movss | Mnemonic::Movsd | Mnemonic::Insertps | Mnemonic::Vinsertps
        );
        if merges {
            continue;
        }
        assert_eq!(a, c, "{code:?} {b:x?}");
        compared += 1;
    }
    assert!(compared > 1500, "only {compared} forms compared");
}

#[test]
fn instructions_run_when_there_is_no_room_for_their_stubs() {
    // Immediates that no other test uses.
    let mut m = ready(|a| {
        a.pshufd(xmm0, xmm1, 0x93)?;
        a.shufps(xmm2, xmmword_ptr(rax), 0x93)?;
        a.fld(qword_ptr(rax))?;
        a.ficom(word_ptr(rax + 0x40))?;
        a.vpalignr(ymm3, ymm1, ymm2, 13)
    });
    m.ram.write(DATA, &[0x3f; 64]);
    crate::vec::arena::FULL.set(true);
    let end = m.run(5);
    crate::vec::arena::FULL.set(false);
    assert_eq!(end, CpuExit::Limit);
    let z = &m.cpu.s.vec.zmm;
    let lanes = |n: usize| &z[1][n * 4..n * 4 + 4];
    assert_eq!(z[0][..16], [lanes(3), lanes(0), lanes(1), lanes(2)].concat());
    assert_eq!(z[2][8..16], [0x3f; 8]);
    assert_eq!(m.cpu.s.vec.x87.top(), 7);
    assert_eq!(z[3][3..16], z[1][..13]);
}
