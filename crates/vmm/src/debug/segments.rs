//! Selectors written by the debugger load their segments as the processor would.
//!
//! Intel SDM 2B "MOV", 3A "Privilege Level Checking When Accessing Data Segments".

use openwhp::Gva;
use openwhp::Processor;
use openwhp::RegisterName as Name;
use openwhp::SegmentRegister;

/// CR0.PE.
const PROTECTED: u64 = 1;
/// RFLAGS.VM.
const VIRTUAL_8086: u64 = 1 << 17;
/// EFER.LMA.
const LONG_MODE: u64 = 1 << 10;

/// Attributes of a segment, as in the second half of its descriptor.
mod attribute {
    pub(super) const ACCESSED: u16 = 1;
    /// Data: writable. Code: readable.
    pub(super) const ACCESS: u16 = 1 << 1;
    pub(super) const CONFORMING: u16 = 1 << 2;
    pub(super) const CODE: u16 = 1 << 3;
    /// Code or data, no system descriptor.
    pub(super) const SEGMENT: u16 = 1 << 4;
    pub(super) const PRESENT: u16 = 1 << 7;
    pub(super) const LONG: u16 = 1 << 13;
    pub(super) const BIG: u16 = 1 << 14;
}

fn level(attributes: u16) -> u16 {
    attributes >> 5 & 3
}

/// A descriptor of the GDT or LDT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    bits: u64,
    at: Gva,
}

impl Descriptor {
    /// The descriptor of a selector that is not null; `None` outside the table or where memory cannot be read.
    #[must_use]
    pub fn read(vp: &Processor, selector: u16) -> Option<Self> {
        let (base, limit) = if selector & 4 == 0 {
            let table = vp.register(Name::GDTR).ok()?.table();
            (table.base, u32::from(table.limit))
        } else {
            let table = vp.register(Name::LDTR).ok()?.segment();
            let is_usable = table.selector & !3 != 0 && table.attributes & attribute::PRESENT != 0;
            is_usable.then_some((table.base, table.limit))?
        };
        if u32::from(selector | 7) > limit {
            return None;
        }
        let linear = base.wrapping_add(u64::from(selector & !7));
        let is_long_mode = vp.register(Name::EFER).ok()?.low() & LONG_MODE != 0;
        let at = Gva(if is_long_mode { linear } else { linear & 0xffff_ffff });
        let mut bytes = [0; 8];
        vp.read_gva(at, &mut bytes).ok()?;
        Some(Self { bits: u64::from_le_bytes(bytes), at })
    }

    /// First byte of the segment.
    #[must_use]
    pub fn base(self) -> u64 {
        self.bits >> 16 & 0xff_ffff | self.bits >> 32 & 0xff00_0000
    }

    fn limit(self) -> u32 {
        let limit = (self.bits & 0xffff | self.bits >> 32 & 0xf_0000) as u32;
        if self.bits >> 55 & 1 == 0 { limit } else { limit << 12 | 0xfff }
    }

    fn attributes(self) -> u16 {
        (self.bits >> 40) as u16 & 0xf0ff
    }

    fn segment(self, selector: u16) -> SegmentRegister {
        SegmentRegister { base: self.base(), limit: self.limit(), selector, attributes: self.attributes() }
    }

    /// Marks the segment as used, in its table too.
    fn accessed(self, vp: &Processor) -> Option<Self> {
        if self.attributes() & attribute::ACCESSED == 0 {
            let byte = self.attributes() as u8 | attribute::ACCESSED as u8;
            vp.write_gva(Gva(self.at.0.wrapping_add(5)), &[byte]).ok()?;
        }
        Some(Self { bits: self.bits | 1 << 40, ..self })
    }
}

/// Whether a descriptor with these attributes may go into a segment register at privilege level `current`.
fn is_allowed(name: Name, attributes: u16, requested: u16, current: u16) -> bool {
    use attribute::ACCESS;
    use attribute::BIG;
    use attribute::CODE;
    use attribute::CONFORMING;
    use attribute::LONG;
    use attribute::PRESENT;
    use attribute::SEGMENT;
    let has = |bits: u16| attributes & bits == bits;
    let own = level(attributes);
    let is_code = has(CODE);
    let is_conforming = has(CODE | CONFORMING);
    has(SEGMENT | PRESENT)
        && match name {
            Name::CS => {
                let is_level = if is_conforming { own <= current } else { own == current };
                is_code && is_level && requested == current && !has(LONG | BIG)
            }
            Name::SS => !is_code && has(ACCESS) && own == current && requested == current,
            _ => (!is_code || has(ACCESS)) && (is_conforming || own >= requested.max(current)),
        }
}

/// What `selector` puts into the segment register `name`; `None` where a load would fault.
///
/// The selector that is there already stays with the segment it has: debuggers write back what they have read.
#[must_use]
pub fn load(vp: &Processor, name: Name, selector: u16) -> Option<SegmentRegister> {
    let low = |name| vp.register(name).ok().map(openwhp::RegisterValue::low);
    let old = vp.register(name).ok()?.segment();
    if selector == old.selector {
        return Some(old);
    }
    let base = u64::from(selector) << 4;
    if low(Name::CR0)? & PROTECTED == 0 {
        return Some(SegmentRegister { base, selector, ..old });
    }
    if low(Name::RFLAGS)? & VIRTUAL_8086 != 0 {
        return Some(SegmentRegister { base, limit: 0xffff, selector, attributes: 0xf3 });
    }
    let (requested, current) = (selector & 3, level(vp.register(Name::SS).ok()?.segment().attributes));
    if selector & !3 == 0 {
        let is_64_bit = low(Name::EFER)? & LONG_MODE != 0
            && vp.register(Name::CS).ok()?.segment().attributes & attribute::LONG != 0;
        let null = SegmentRegister { base: 0, limit: 0, selector, attributes: 0 };
        return match name {
            Name::CS => None,
            Name::SS => (is_64_bit && current != 3 && requested == current)
                .then_some(SegmentRegister { attributes: current << 5, ..null }),
            _ => Some(null),
        };
    }
    let descriptor = Descriptor::read(vp, selector)?;
    is_allowed(name, descriptor.attributes(), requested, current).then_some(())?;
    Some(descriptor.accessed(vp)?.segment(selector))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_taken_apart() {
        let flat = Descriptor { bits: 0x00cf_9b00_0000_ffff, at: Gva(0) };
        let segment = flat.segment(8);
        assert_eq!((segment.base, segment.limit, segment.attributes), (0, u32::MAX, 0xc09b));
        let small = Descriptor { bits: 0x1240_9234_5678_9abc, at: Gva(0) };
        let segment = small.segment(16);
        assert_eq!((segment.base, segment.limit, segment.attributes), (0x1234_5678, 0x9abc, 0x4092));
    }

    #[test]
    fn kinds_and_levels_are_checked() {
        let (code, hidden, conforming, data, user, constant) = (0x9b, 0x99, 0x9f, 0x93, 0xf3, 0x91);
        for (name, attributes, requested, current, expected) in [
            (Name::CS, code, 0, 0, true),
            (Name::CS, hidden, 0, 0, true),
            (Name::CS, data, 0, 0, false),
            (Name::CS, code, 3, 3, false),
            (Name::CS, conforming, 3, 3, true),
            (Name::CS, code | 0x6000, 0, 0, false),
            (Name::CS, code & !0x80, 0, 0, false),
            (Name::SS, data, 0, 0, true),
            (Name::SS, constant, 0, 0, false),
            (Name::SS, code, 0, 0, false),
            (Name::SS, user, 3, 0, false),
            (Name::DS, user, 3, 0, true),
            (Name::DS, data, 3, 0, false),
            (Name::DS, data, 0, 3, false),
            (Name::DS, constant, 0, 0, true),
            (Name::DS, code, 0, 0, true),
            (Name::DS, hidden, 0, 0, false),
            (Name::FS, conforming, 3, 3, true),
            (Name::GS, 0x89, 0, 0, false),
        ] {
            let found = is_allowed(name, attributes, requested, current);
            assert_eq!(found, expected, "{name} {attributes:x} {requested} {current}");
        }
    }
}
