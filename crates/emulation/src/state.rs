//! Registers by the platform's names, in and out of the software processor's state.

use openwhp_engine::RegisterName as Name;
use openwhp_engine::RegisterValue;
use openwhp_engine::SegmentRegister;
use openwhp_engine::TableRegister;
use openwhp_x86::single::Uses;
use openwhp_x86::state::CS;
use openwhp_x86::state::DS;
use openwhp_x86::state::ES;
use openwhp_x86::state::FS;
use openwhp_x86::state::GS;
use openwhp_x86::state::LDTR;
use openwhp_x86::state::SS;
use openwhp_x86::state::Segment;
use openwhp_x86::state::TR;
use openwhp_x86::state::Table;
use openwhp_x86::state::VpState;
use openwhp_x86::state::cr4;

/// XCR0: AVX.
const AVX: u64 = 1 << 2;
/// XCR0: the three AVX-512 components.
const AVX512: u64 = 7 << 5;
/// XCR0: PKRU.
const PKRU: u64 = 1 << 9;

/// How the platform numbers segments, as indices of the processor's own order.
const SEGMENT_ORDER: [usize; 8] = [ES, CS, SS, DS, FS, GS, LDTR, TR];

/// Registers that every instruction of this kind needs, in the order in which they are loaded. Tasks are switched in
/// protected mode outside long mode (`may_switch`).
pub(crate) fn names(
    uses: &Uses,
    is_64_bit: bool,
    may_switch: bool,
    is_debugged: bool,
    has_shadow: bool,
    names: &mut Vec<Name>,
) {
    names.push(Name::CR4);
    let is_switch = uses.task && may_switch;
    let gpr = uses.gpr | if is_switch { 0xFF } else { 0 };
    names.extend((0..16).filter(|n| gpr >> n & 1 != 0).map(Name::gpr));
    if is_switch || uses.invalidates {
        names.push(Name::CR3);
    }
    if uses.system {
        names.extend([Name::CS, Name::LDTR, Name::TR, Name::GDTR, Name::IDTR, Name::EFER]);
    }
    if uses.system || !is_64_bit {
        names.extend([Name::ES, Name::SS, Name::DS, Name::FS, Name::GS]);
    } else if uses.fs_gs {
        names.extend([Name::FS, Name::GS]);
    }
    if uses.cr0 {
        names.push(Name::CR0);
    }
    if uses.xcr0 {
        names.push(Name::XCR0);
    }
    if uses.system || has_shadow {
        names.push(Name::INTERRUPT_STATE);
    }
    if is_debugged {
        names.extend([Name::DR0, Name::DR1, Name::DR2, Name::DR3, Name::DR7]);
    }
    if uses.x87 {
        // The registers are numbered from the top of the stack, which the status word holds.
        names.push(Name::FP_CONTROL_STATUS);
        names.extend((0..8).map(|n| Name(Name::FP_MMX0.0 + n)));
    }
    if uses.x87 || uses.mxcsr {
        names.push(Name::XMM_CONTROL_STATUS);
    }
    names.extend((0..16).filter(|n| uses.vectors >> n & 1 != 0).map(Name::xmm));
}

/// Registers beyond the interface's own: what `xcr0` enables of the vector registers above XMM, opmasks and PKRU.
pub(crate) fn extended_names(uses: &Uses, xcr0: u64, names: &mut Vec<Name>) {
    let (has_avx, has_avx512) = (xcr0 & AVX != 0, xcr0 & AVX512 == AVX512);
    if uses.wide {
        for register in (0..32).filter(|n| uses.vectors >> n & 1 != 0) {
            let parts = match (register < 16, has_avx512) {
                (true, true) => 1..4,
                (true, false) if has_avx => 1..2,
                (false, true) => 0..4,
                _ => 0..0,
            };
            names.extend(parts.map(|part| Name::vector_part(register, part)));
        }
    }
    if has_avx512 {
        names.extend((0..8).filter(|k| uses.opmasks >> k & 1 != 0).map(Name::opmask));
    }
    if uses.pkru && xcr0 & PKRU != 0 {
        names.push(Name::PKRU);
    }
}

fn segment_in(value: RegisterValue) -> Segment {
    let SegmentRegister { base, limit, selector, attributes } = value.segment();
    Segment { base, limit, selector, attrs: attributes & 0xF0FF }
}

fn segment_out(segment: &Segment) -> RegisterValue {
    let Segment { base, limit, selector, attrs } = *segment;
    SegmentRegister { base, limit, selector, attributes: attrs }.into()
}

fn table_in(value: RegisterValue) -> Table {
    let TableRegister { base, limit } = value.table();
    Table { base, limit }
}

fn table_out(table: Table) -> RegisterValue {
    TableRegister { base: table.base, limit: table.limit }.into()
}

/// An x87 pointer: 64 bits in long mode, else 32 with a selector.
fn pointer_in(value: u64, is_long: bool) -> (u64, u16) {
    if is_long { (value, 0) } else { (value & 0xFFFF_FFFF, (value >> 32) as u16) }
}

fn pointer_out(offset: u64, selector: u16, is_long: bool) -> u64 {
    if is_long { offset } else { offset & 0xFFFF_FFFF | u64::from(selector) << 32 }
}

fn quarter(s: &VpState, register: usize, part: usize) -> RegisterValue {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&s.vec.zmm[register & 31][part * 16..part * 16 + 16]);
    RegisterValue(u128::from_le_bytes(bytes))
}

fn set_quarter(s: &mut VpState, register: usize, part: usize, value: RegisterValue) {
    s.vec.zmm[register & 31][part * 16..part * 16 + 16].copy_from_slice(&value.0.to_le_bytes());
}

/// What one of the names asked for means.
enum Place {
    Gpr(usize),
    Segment(usize),
    X87(usize),
    Vector(usize, usize),
    Opmask(usize),
    Debug(usize),
    Other,
}

fn place(name: Name) -> Place {
    if let Some((register, part)) = name.as_vector_part() {
        return Place::Vector(register as usize, part as usize);
    }
    if let Some(k) = name.as_opmask() {
        return Place::Opmask(k as usize);
    }
    let n = name.0 as usize;
    match name.0 {
        0..=15 => Place::Gpr(n),
        0x12..=0x19 => Place::Segment(SEGMENT_ORDER[n - 0x12]),
        0x21..=0x24 => Place::Debug(n - 0x21),
        0x1000..=0x100F => Place::Vector(n - 0x1000, 0),
        0x1010..=0x1017 => Place::X87(n - 0x1010),
        _ => Place::Other,
    }
}

/// Loads one register.
pub(crate) fn load(s: &mut VpState, name: Name, value: RegisterValue) {
    let low = value.low();
    match place(name) {
        Place::Gpr(n) => s.gpr[n] = low,
        Place::Segment(n) => s.seg[n] = segment_in(value),
        Place::Debug(n) => s.dr[n] = low,
        Place::Vector(register, part) => set_quarter(s, register, part, value),
        Place::Opmask(k) => s.vec.k[k] = low,
        Place::X87(n) => {
            let physical = (s.vec.x87.top() + n) & 7;
            s.vec.x87.st[physical][..10].copy_from_slice(&value.0.to_le_bytes()[..10]);
        }
        Place::Other => load_other(s, name, value),
    }
}

fn load_other(s: &mut VpState, name: Name, value: RegisterValue) {
    let (low, high, is_long) = (value.low(), value.high(), s.long_mode());
    match name {
        Name::GDTR => s.gdtr = table_in(value),
        Name::IDTR => s.idtr = table_in(value),
        Name::CR0 => s.cr0 = low,
        Name::CR3 => s.cr3 = low,
        Name::CR4 => s.cr4 = low,
        Name::DR7 => s.dr7 = low,
        Name::XCR0 => s.xcr0 = low,
        Name::EFER => s.efer = low,
        Name::PKRU => s.vec.pkru = low as u32,
        Name::INTERRUPT_STATE => {
            s.events.shadow = low & 1 != 0;
            s.events.nmi_masked = low & 2 != 0;
        }
        Name::FP_CONTROL_STATUS => {
            let x = &mut s.vec.x87;
            x.fcw = low as u16;
            x.fsw = (low >> 16) as u16;
            x.ftw = (low >> 32) as u8;
            x.fop = (low >> 48) as u16 & 0x7FF;
            x.normalise();
            (x.fip, x.fcs) = pointer_in(high, is_long);
        }
        Name::XMM_CONTROL_STATUS => {
            (s.vec.x87.fdp, s.vec.x87.fds) = pointer_in(low, is_long);
            s.vec.mxcsr = high as u32;
            let mask = (high >> 32) as u32;
            // A mask of zero means the one of processors without the field.
            s.vec.mxcsr_mask = if mask == 0 { 0xFFBF } else { mask };
        }
        _ => {}
    }
}

/// The value of one register now.
pub(crate) fn value(s: &VpState, name: Name) -> RegisterValue {
    match place(name) {
        Place::Gpr(n) => s.gpr[n].into(),
        Place::Segment(n) => segment_out(&s.seg[n]),
        Place::Debug(n) => s.dr[n].into(),
        Place::Vector(register, part) => quarter(s, register, part),
        Place::Opmask(k) => s.vec.k[k].into(),
        Place::X87(n) => {
            let mut bytes = [0; 16];
            bytes[..10].copy_from_slice(&s.vec.x87.st[(s.vec.x87.top() + n) & 7][..10]);
            RegisterValue(u128::from_le_bytes(bytes))
        }
        Place::Other => other_value(s, name),
    }
}

fn other_value(s: &VpState, name: Name) -> RegisterValue {
    match name {
        Name::GDTR => table_out(s.gdtr),
        Name::IDTR => table_out(s.idtr),
        Name::CR0 => s.cr0.into(),
        Name::CR3 => s.cr3.into(),
        Name::CR4 => s.cr4.into(),
        Name::DR7 => s.dr7.into(),
        Name::XCR0 => s.xcr0.into(),
        Name::EFER => s.efer.into(),
        Name::PKRU => u64::from(s.vec.pkru).into(),
        Name::INTERRUPT_STATE => (u64::from(s.events.shadow) | u64::from(s.events.nmi_masked) << 1).into(),
        Name::FP_CONTROL_STATUS => {
            let x = &s.vec.x87;
            let low =
                u64::from(x.fcw) | u64::from(x.fsw) << 16 | u64::from(x.ftw) << 32 | u64::from(x.fop) << 48;
            RegisterValue::from_halves(low, pointer_out(x.fip, x.fcs, s.long_mode()))
        }
        Name::XMM_CONTROL_STATUS => {
            let x = &s.vec.x87;
            let high = u64::from(s.vec.mxcsr) | u64::from(s.vec.mxcsr_mask) << 32;
            RegisterValue::from_halves(pointer_out(x.fdp, x.fds, s.long_mode()), high)
        }
        _ => RegisterValue::default(),
    }
}

/// Whether the guest has SMAP on.
pub(crate) fn has_smap(cr4_value: u64) -> bool {
    cr4_value & cr4::SMAP != 0
}
