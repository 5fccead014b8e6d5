//! Memory operands of which a mask selects elements: only selected elements are accessed and can fault.

use super::native::Bounce;
use super::native::operand_la;
use super::stub::Masked;
use crate::cpu::Cpu;
use crate::exit::R;
use crate::exit::TrapKind;
use crate::mem::Access;
use crate::op::Op;

/// Low `n` bits.
pub(crate) fn low(n: u8) -> u64 {
    if n >= 64 { u64::MAX } else { (1 << n) - 1 }
}

/// Elements in memory that the instruction touches, a bit each.
fn active(cpu: &Cpu, m: &Masked) -> u64 {
    let k = cpu.s.vec.k[usize::from(m.k & 7)];
    if m.spread_over != 0 {
        let used = k & low(m.spread_over);
        (0..m.spread_over).step_by(usize::from(m.count)).fold(0, |e, at| e | used >> at) & low(m.count)
    } else if m.packed {
        low((k & low(m.count)).count_ones() as u8)
    } else {
        k & low(m.count)
    }
}

/// Linear address of `len` bytes at `offset` into the memory operand.
fn part_la(cpu: &mut Cpu, op: &Op, offset: u64, len: u64, access: Access) -> R<u64> {
    let ea = cpu.ea(op).wrapping_add(offset) & op.amask;
    cpu.seg_la(op.seg, ea, len, access)
}

/// Runs of consecutive set bits: (first, count).
fn runs(mut bits: u64) -> impl Iterator<Item = (u32, u32)> {
    std::iter::from_fn(move || {
        if bits == 0 {
            return None;
        }
        let first = bits.trailing_zeros();
        let count = (bits >> first).trailing_ones();
        bits &= !(low(count as u8) << first);
        Some((first, count))
    })
}

/// Loads the selected elements (`elements`, a bit each, of `size` bytes); the others stay zero or become what memory holds.
pub(crate) fn load_elements(cpu: &mut Cpu, op: &Op, size: u8, elements: u64, to: &mut [u8]) -> R<()> {
    for (first, count) in runs(elements) {
        let at = u64::from(first) * u64::from(size);
        let len = u64::from(count) * u64::from(size);
        let la = part_la(cpu, op, at, len, Access::Read)?;
        cpu.read_bytes(la, &mut to[at as usize..(at + len) as usize], op.seg & 7)?;
    }
    Ok(())
}

/// Intel's processors check a masked store at both ends of what is selected: a fault is reported at the first byte of the
/// first selected element or, when only the second page faults, at the last byte of the last one.
fn probe_ends(cpu: &mut Cpu, op: &Op, size: u8, elements: u64) -> R<()> {
    if elements == 0 || cpu.model.is_amd() {
        return Ok(());
    }
    let first = u64::from(elements.trailing_zeros()) * u64::from(size);
    let last = u64::from(64 - elements.leading_zeros()) * u64::from(size) - 1;
    let la = part_la(cpu, op, last, 1, Access::Write)?;
    if la & 0xfff >= last - first {
        // A single page: its first selected byte will be reported anyway.
        return Ok(());
    }
    let start = part_la(cpu, op, first, 1, Access::Write)?;
    cpu.probe(start, 1, Access::Write, op.seg & 7)?;
    cpu.probe(la, 1, Access::Write, op.seg & 7)
}

/// Checks that the selected elements can be written.
fn probe_elements(cpu: &mut Cpu, op: &Op, size: u8, elements: u64) -> R<()> {
    probe_ends(cpu, op, size, elements)?;
    for (first, count) in runs(elements) {
        let len = u64::from(count) * u64::from(size);
        let la = part_la(cpu, op, u64::from(first) * u64::from(size), len, Access::Write)?;
        cpu.probe(la, len, Access::Write, op.seg & 7)?;
    }
    Ok(())
}

/// Stores the selected elements: all of them or, with a fault, none.
pub(crate) fn store_elements(cpu: &mut Cpu, op: &Op, size: u8, elements: u64, from: &[u8]) -> R<()> {
    probe_elements(cpu, op, size, elements)?;
    for (first, count) in runs(elements) {
        let at = u64::from(first) * u64::from(size);
        let len = u64::from(count) * u64::from(size);
        let la = part_la(cpu, op, at, len, Access::Write)?;
        cpu.write_bytes(la, &from[at as usize..(at + len) as usize], op.seg & 7)?;
    }
    Ok(())
}

/// Loads a masked memory operand of `size` bytes.
pub(crate) fn load(cpu: &mut Cpu, op: &Op, size: u8, m: &Masked, to: &mut Bounce) -> R<()> {
    let elements = active(cpu, m);
    let all = elements == low(m.count);
    if m.suppresses && elements == 0 {
        return Ok(());
    }
    let careful = m.suppresses && !all;
    if !careful || !cpu.bus.is_attached() {
        match super::native::load(cpu, op, size, to) {
            Ok(()) => return Ok(()),
            Err(t) if !careful => return Err(t),
            Err(_) => cpu.trap = TrapKind::None,
        }
    }
    // Some element is out of reach: only the selected ones count, but their alignment rule stays.
    if op.aux != 0 {
        operand_la(cpu, op, u64::from(m.element), Access::Read)?;
    }
    to.0 = [0; 64];
    load_elements(cpu, op, m.element, elements, &mut to.0)
}

/// Checks that a masked memory operand of `size` bytes can be written.
pub(crate) fn probe(cpu: &mut Cpu, op: &Op, size: u8, m: &Masked) -> R<()> {
    let elements = active(cpu, m);
    if elements == low(m.count) || !m.suppresses {
        let la = operand_la(cpu, op, size.into(), Access::Write)?;
        return cpu.probe(la, size.into(), Access::Write, op.seg & 7);
    }
    probe_elements(cpu, op, m.element, elements)
}

/// Stores a masked memory operand of `size` bytes.
pub(crate) fn store(cpu: &mut Cpu, op: &Op, size: u8, m: &Masked, from: &Bounce) -> R<()> {
    let elements = active(cpu, m);
    if elements == low(m.count) {
        // Aligned stores stay inside a page.
        if m.suppresses && m.count > 1 && op.aux == 0 {
            probe_ends(cpu, op, m.element, elements)?;
        }
        return super::native::store(cpu, op, size, from);
    }
    if !m.suppresses {
        probe(cpu, op, size, m)?;
    }
    if elements == 0 {
        return Ok(());
    }
    if op.aux != 0 {
        operand_la(cpu, op, u64::from(m.element), Access::Write)?;
    }
    store_elements(cpu, op, m.element, elements, &from.0)
}
