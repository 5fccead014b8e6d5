//! Registers as the debugger numbers and names them, and their description for it.

use std::fmt::Write;

use openwhp::Processor;
use openwhp::RegisterName as Name;
use openwhp::RegisterValue;
use openwhp::SegmentRegister;

use super::segments;
use crate::report::CONTROL;
use crate::report::GENERAL;
use crate::report::SEGMENTS;

/// Which description the debugger gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Layout {
    /// 64-bit registers, for every mode.
    #[default]
    Amd64,
    /// 32-bit registers, with which the debugger disassembles 16-bit and 32-bit code.
    I386,
}

/// Where a register's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A register's low bytes.
    Whole(Name),
    /// Selector of a segment.
    Selector(Name),
    /// Base of a segment.
    Base(Name),
    /// Base of a descriptor table.
    TableBase(Name),
    /// Limit of a descriptor table.
    TableLimit(Name),
    /// A field of the x87 control registers.
    X87(X87),
    Mxcsr,
    /// Upper half of a YMM register.
    YmmHigh(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum X87 {
    Control,
    Status,
    Tags,
    CodeSegment,
    CodeOffset,
    DataSegment,
    DataOffset,
    Opcode,
}

/// One register.
#[derive(Clone, Debug)]
pub(super) struct Register {
    name: String,
    bits: usize,
    kind: &'static str,
    feature: Feature,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feature {
    Core,
    Sse,
    Avx,
    Segments,
    System,
}

impl Feature {
    const ALL: [Self; 5] = [Self::Core, Self::Sse, Self::Avx, Self::Segments, Self::System];

    fn name(self) -> &'static str {
        match self {
            Self::Core => "org.gnu.gdb.i386.core",
            Self::Sse => "org.gnu.gdb.i386.sse",
            Self::Avx => "org.gnu.gdb.i386.avx",
            Self::Segments => "org.gnu.gdb.i386.segments",
            Self::System => "org.openwhp.x86.system",
        }
    }

    fn types(self) -> &'static str {
        match self {
            Self::Core => FLAG_TYPES,
            Self::Sse => VECTOR_TYPES,
            _ => "",
        }
    }
}

const FLAG_TYPES: &str = r#"<flags id="i386_eflags" size="4">
<field name="CF" start="0" end="0"/><field name="" start="1" end="1"/><field name="PF" start="2" end="2"/>
<field name="AF" start="4" end="4"/><field name="ZF" start="6" end="6"/><field name="SF" start="7" end="7"/>
<field name="TF" start="8" end="8"/><field name="IF" start="9" end="9"/><field name="DF" start="10" end="10"/>
<field name="OF" start="11" end="11"/><field name="NT" start="14" end="14"/><field name="RF" start="16" end="16"/>
<field name="VM" start="17" end="17"/><field name="AC" start="18" end="18"/><field name="VIF" start="19" end="19"/>
<field name="VIP" start="20" end="20"/><field name="ID" start="21" end="21"/>
</flags>
"#;

const VECTOR_TYPES: &str = r#"<vector id="v4f" type="ieee_single" count="4"/>
<vector id="v2d" type="ieee_double" count="2"/><vector id="v16i8" type="int8" count="16"/>
<vector id="v8i16" type="int16" count="8"/><vector id="v4i32" type="int32" count="4"/>
<vector id="v2i64" type="int64" count="2"/>
<union id="vec128">
<field name="v4_float" type="v4f"/><field name="v2_double" type="v2d"/><field name="v16_int8" type="v16i8"/>
<field name="v8_int16" type="v8i16"/><field name="v4_int32" type="v4i32"/><field name="v2_int64" type="v2i64"/>
<field name="uint128" type="uint128"/>
</union>
<flags id="i386_mxcsr" size="4">
<field name="IE" start="0" end="0"/><field name="DE" start="1" end="1"/><field name="ZE" start="2" end="2"/>
<field name="OE" start="3" end="3"/><field name="UE" start="4" end="4"/><field name="PE" start="5" end="5"/>
<field name="DAZ" start="6" end="6"/><field name="IM" start="7" end="7"/><field name="DM" start="8" end="8"/>
<field name="ZM" start="9" end="9"/><field name="OM" start="10" end="10"/><field name="UM" start="11" end="11"/>
<field name="PM" start="12" end="12"/><field name="FZ" start="15" end="15"/>
</flags>
"#;

/// Offsets in the compacted XSAVE image.
const XCOMP_BV: usize = 520;
const XSTATE_BV: usize = 512;
/// The first component behind the header, which is AVX where there is AVX.
const AVX_AREA: usize = 576;
const AVX: u8 = 1 << 2;

/// A set of registers in the debugger's order.
#[derive(Clone, Debug)]
pub(super) struct Registers {
    list: Vec<Register>,
    description: String,
}

impl Registers {
    /// The set for a processor like `vp`.
    pub(super) fn new(layout: Layout, vp: Option<&Processor>) -> Self {
        let image = vp.and_then(|vp| vp.xsave_state().ok()).unwrap_or_default();
        let has_avx = image.get(XCOMP_BV).is_some_and(|byte| byte & AVX != 0);
        let list = table(layout, has_avx);
        let description = describe(layout, &list);
        Self { list, description }
    }

    /// The target description, as XML.
    pub(super) fn description(&self) -> &str {
        &self.description
    }

    /// All values in one piece; registers that cannot be read are `None`.
    pub(super) fn read_all(&self, vp: &Processor) -> Vec<Option<u8>> {
        let mut bytes = Vec::new();
        for register in &self.list {
            match register.read(vp) {
                Some(value) => bytes.extend(value.into_iter().map(Some)),
                None => bytes.extend(std::iter::repeat_n(None, register.bits / 8)),
            }
        }
        bytes
    }

    /// Writes all values; false when one was refused.
    pub(super) fn write_all(&self, vp: &Processor, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        let mut is_done = true;
        for register in &self.list {
            let Some((value, later)) = rest.split_at_checked(register.bits / 8) else { break };
            // What has not changed needs no write, which might be refused.
            if register.read(vp).as_deref() != Some(value) {
                is_done &= register.write(vp, value);
            }
            rest = later;
        }
        is_done
    }

    /// The value of one register by its number.
    pub(super) fn read(&self, vp: &Processor, number: usize) -> Option<Vec<u8>> {
        self.list.get(number)?.read(vp)
    }

    /// Writes one register by its number.
    pub(super) fn write(&self, vp: &Processor, number: usize, value: &[u8]) -> bool {
        let register = self.list.get(number).filter(|register| register.bits / 8 == value.len());
        register.is_some_and(|register| register.write(vp, value))
    }

    /// Bytes of one register by its number.
    #[cfg(test)]
    fn place_of(&self, name: &str) -> Option<(usize, usize)> {
        let number = self.list.iter().position(|register| register.name == name)?;
        Some((number, self.list[number].bits / 8))
    }
}

fn table(layout: Layout, has_avx: bool) -> Vec<Register> {
    let is_64_bit = layout == Layout::Amd64;
    let wide = if is_64_bit { 64 } else { 32 };
    let (integer, data, code) =
        if is_64_bit { ("int64", "data_ptr", "code_ptr") } else { ("int32", "data_ptr", "code_ptr") };
    let mut list = Vec::new();
    let mut add = |feature, name: &str, bits, kind, place| {
        list.push(Register { name: name.to_owned(), bits, kind, feature, place });
    };
    let general: &[(&str, Name)] = if is_64_bit { &GENERAL } else { &GENERAL_32 };
    for (name, register) in general {
        let kind = if name.ends_with("sp") || name.ends_with("bp") { data } else { integer };
        add(Feature::Core, name, wide, kind, Place::Whole(*register));
    }
    add(Feature::Core, if is_64_bit { "rip" } else { "eip" }, wide, code, Place::Whole(Name::RIP));
    add(Feature::Core, "eflags", 32, "i386_eflags", Place::Whole(Name::RFLAGS));
    for (name, register) in SEGMENTS {
        add(Feature::Core, name, 32, "int32", Place::Selector(register));
    }
    for index in 0..8 {
        let name = Name(Name::FP_MMX0.0 + index);
        add(Feature::Core, &format!("st{index}"), 80, "i387_ext", Place::Whole(name));
    }
    for (name, field) in X87_FIELDS {
        add(Feature::Core, name, 32, "int", Place::X87(field));
    }
    let vectors = if is_64_bit { 16 } else { 8 };
    for index in 0..vectors {
        add(Feature::Sse, &format!("xmm{index}"), 128, "vec128", Place::Whole(Name::xmm(index)));
    }
    add(Feature::Sse, "mxcsr", 32, "i386_mxcsr", Place::Mxcsr);
    if has_avx {
        for index in 0..vectors as usize {
            add(Feature::Avx, &format!("ymm{index}h"), 128, "uint128", Place::YmmHigh(index));
        }
    }
    if is_64_bit {
        add(Feature::Segments, "fs_base", 64, "int64", Place::Base(Name::FS));
        add(Feature::Segments, "gs_base", 64, "int64", Place::Base(Name::GS));
    }
    for (name, register) in [("k_gs_base", Name::KERNEL_GS_BASE)].into_iter().chain(CONTROL) {
        add(Feature::System, name, 64, "int64", Place::Whole(register));
    }
    for (name, bits, place) in SYSTEM {
        add(Feature::System, name, bits, if bits == 64 { "int64" } else { "int32" }, place);
    }
    list
}

const GENERAL_32: [(&str, Name); 8] = [
    ("eax", Name::RAX),
    ("ecx", Name::RCX),
    ("edx", Name::RDX),
    ("ebx", Name::RBX),
    ("esp", Name::RSP),
    ("ebp", Name::RBP),
    ("esi", Name::RSI),
    ("edi", Name::RDI),
];

const X87_FIELDS: [(&str, X87); 8] = [
    ("fctrl", X87::Control),
    ("fstat", X87::Status),
    ("ftag", X87::Tags),
    ("fiseg", X87::CodeSegment),
    ("fioff", X87::CodeOffset),
    ("foseg", X87::DataSegment),
    ("fooff", X87::DataOffset),
    ("fop", X87::Opcode),
];

const SYSTEM: [(&str, usize, Place); 10] = [
    ("cs_base", 64, Place::Base(Name::CS)),
    ("ss_base", 64, Place::Base(Name::SS)),
    ("ds_base", 64, Place::Base(Name::DS)),
    ("es_base", 64, Place::Base(Name::ES)),
    ("gdtr_base", 64, Place::TableBase(Name::GDTR)),
    ("gdtr_limit", 32, Place::TableLimit(Name::GDTR)),
    ("idtr_base", 64, Place::TableBase(Name::IDTR)),
    ("idtr_limit", 32, Place::TableLimit(Name::IDTR)),
    ("tr_base", 64, Place::Base(Name::TR)),
    ("ldtr_base", 64, Place::Base(Name::LDTR)),
];

fn describe(layout: Layout, list: &[Register]) -> String {
    let architecture = if layout == Layout::Amd64 { "i386:x86-64" } else { "i386" };
    let mut text = String::from("<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n");
    let _ = writeln!(text, "<target version=\"1.0\">\n<architecture>{architecture}</architecture>");
    for feature in Feature::ALL {
        let mut members =
            list.iter().enumerate().filter(|(_, register)| register.feature == feature).peekable();
        if members.peek().is_none() {
            continue;
        }
        let _ = writeln!(text, "<feature name=\"{}\">", feature.name());
        text.push_str(feature.types());
        for (number, register) in members {
            let Register { name, bits, kind, .. } = register;
            let _ = writeln!(
                text,
                "<reg name=\"{name}\" bitsize=\"{bits}\" type=\"{kind}\" regnum=\"{number}\"/>"
            );
        }
        text.push_str("</feature>\n");
    }
    text.push_str("</target>\n");
    text
}

impl Register {
    fn read(&self, vp: &Processor) -> Option<Vec<u8>> {
        let get = |name| vp.register(name).ok();
        let value: u128 = match self.place {
            Place::Whole(name) => get(name)?.0,
            Place::Selector(name) => get(name)?.segment().selector.into(),
            Place::Base(name) => get(name)?.segment().base.into(),
            Place::TableBase(name) => get(name)?.table().base.into(),
            Place::TableLimit(name) => get(name)?.table().limit.into(),
            Place::X87(field) => read_x87(vp, field)?.into(),
            Place::Mxcsr => get(Name::XMM_CONTROL_STATUS)?.high() as u32 as u128,
            Place::YmmHigh(index) => {
                let image = vp.xsave_state().ok()?;
                let at = AVX_AREA + index * 16;
                let bytes: [u8; 16] = image.get(at..at + 16)?.try_into().ok()?;
                u128::from_le_bytes(bytes)
            }
        };
        Some(value.to_le_bytes()[..self.bits / 8].to_vec())
    }

    fn write(&self, vp: &Processor, bytes: &[u8]) -> bool {
        let mut wide = [0; 16];
        let len = bytes.len().min(16);
        wide[..len].copy_from_slice(&bytes[..len]);
        let value = u128::from_le_bytes(wide);
        self.changed(vp, value).is_some_and(|(name, value)| vp.set_registers(&[(name, value)]).is_ok())
            || matches!(self.place, Place::YmmHigh(index) if write_ymm_high(vp, index, wide))
    }

    /// The platform's register with this value in its place.
    fn changed(&self, vp: &Processor, value: u128) -> Option<(Name, RegisterValue)> {
        let get = |name| vp.register(name).ok();
        let segment = |name, change: &dyn Fn(&mut SegmentRegister)| {
            let mut segment = get(name)?.segment();
            change(&mut segment);
            Some((name, segment.into()))
        };
        let low = value as u64;
        match self.place {
            // A 32-bit description leaves upper halves alone only where they are zero anyway.
            Place::Whole(name) => Some((name, RegisterValue(value))),
            Place::Selector(name) => Some((name, segments::load(vp, name, low as u16)?.into())),
            Place::Base(name) => segment(name, &|segment| segment.base = low),
            Place::TableBase(name) => {
                let mut table = get(name)?.table();
                table.base = low;
                Some((name, table.into()))
            }
            Place::TableLimit(name) => {
                let mut table = get(name)?.table();
                table.limit = low as u16;
                Some((name, table.into()))
            }
            Place::X87(field) => changed_x87(vp, field, low),
            Place::Mxcsr => {
                let old = get(Name::XMM_CONTROL_STATUS)?;
                let high = old.high() & !0xffff_ffff | low & 0xffff_ffff;
                Some((Name::XMM_CONTROL_STATUS, RegisterValue::from_halves(old.low(), high)))
            }
            Place::YmmHigh(_) => None,
        }
    }
}

fn write_ymm_high(vp: &Processor, index: usize, value: [u8; 16]) -> bool {
    let Ok(mut image) = vp.xsave_state() else { return false };
    let at = AVX_AREA + index * 16;
    let Some(place) = image.get_mut(at..at + 16) else { return false };
    place.copy_from_slice(&value);
    image[XSTATE_BV] |= AVX;
    vp.set_xsave_state(&image).is_ok()
}

/// The x87 registers as the platform packs them: control, status, abridged tags, opcode; then the last instruction's
/// address. The last operand's address is with MXCSR.
fn read_x87(vp: &Processor, field: X87) -> Option<u32> {
    let control = vp.register(Name::FP_CONTROL_STATUS).ok()?;
    let data = || Some(vp.register(Name::XMM_CONTROL_STATUS).ok()?.low() as u32);
    let low = control.low();
    Some(match field {
        X87::Control => low as u16 as u32,
        X87::Status => (low >> 16) as u16 as u32,
        X87::Tags => u32::from(full_tags(vp, (low >> 32) as u8, (low >> 27 & 7) as u32)?),
        X87::Opcode => (low >> 48) as u32 & 0x7ff,
        X87::CodeOffset => control.high() as u32,
        X87::DataOffset => data()?,
        // 64-bit code has no segments there, and others do not ask.
        X87::CodeSegment | X87::DataSegment => 0,
    })
}

/// Two bits per physical register: 0 valid, 1 zero, 2 special, 3 empty.
fn full_tags(vp: &Processor, abridged: u8, top: u32) -> Option<u16> {
    let mut tags = 0;
    for physical in 0..8_u32 {
        let tag = if abridged >> physical & 1 == 0 {
            3
        } else {
            let stack = physical.wrapping_sub(top) & 7;
            let value = vp.register(Name(Name::FP_MMX0.0 + stack)).ok()?.0;
            let (mantissa, exponent) = (value as u64, (value >> 64) as u16 & 0x7fff);
            match (exponent, mantissa) {
                (0, 0) => 1,
                (0 | 0x7fff, _) => 2,
                (_, mantissa) if mantissa >> 63 == 0 => 2,
                _ => 0,
            }
        };
        tags |= tag << (physical * 2);
    }
    Some(tags)
}

fn changed_x87(vp: &Processor, field: X87, value: u64) -> Option<(Name, RegisterValue)> {
    let name = if field == X87::DataOffset { Name::XMM_CONTROL_STATUS } else { Name::FP_CONTROL_STATUS };
    let old = vp.register(name).ok()?;
    let (low, high) = (old.low(), old.high());
    let put = |shift: u32, bits: u64| low & !(bits << shift) | (value & bits) << shift;
    let (low, high) = match field {
        X87::Control => (put(0, 0xffff), high),
        X87::Status => (put(16, 0xffff), high),
        X87::Tags => {
            let abridged =
                (0..8).filter(|index| value >> (index * 2) & 3 != 3).map(|index| 1 << index).sum::<u64>();
            (low & !(0xff << 32) | abridged << 32, high)
        }
        X87::Opcode => (put(48, 0x7ff), high),
        X87::CodeOffset => (low, high & !0xffff_ffff | value & 0xffff_ffff),
        X87::DataOffset => (put(0, 0xffff_ffff), high),
        X87::CodeSegment | X87::DataSegment => (low, high),
    };
    Some((name, RegisterValue::from_halves(low, high)))
}

#[cfg(test)]
mod tests {
    use openwhp::Partition;
    use openwhp::VpIndex;

    use super::*;

    fn processor() -> Processor {
        let partition = Partition::builder().processors(1).build().expect("a plain partition");
        partition.create_vp(VpIndex(0)).expect("the first processor")
    }

    #[test]
    fn numbers_are_those_the_debugger_knows() {
        let registers = Registers::new(Layout::Amd64, None);
        for (name, number, bytes) in [
            ("rax", 0, 8),
            ("rip", 16, 8),
            ("eflags", 17, 4),
            ("cs", 18, 4),
            ("st0", 24, 10),
            ("xmm0", 40, 16),
        ] {
            assert_eq!(registers.place_of(name), Some((number, bytes)), "{name}");
        }
        let registers = Registers::new(Layout::I386, None);
        assert_eq!(registers.place_of("eip"), Some((8, 4)));
        assert_eq!(registers.place_of("xmm7"), Some((39, 16)));
    }

    #[test]
    fn every_register_takes_its_own_value_back() {
        let vp = processor();
        for layout in [Layout::Amd64, Layout::I386] {
            let registers = Registers::new(layout, Some(&vp));
            let all = registers.read_all(&vp);
            let bytes: Vec<u8> = all.iter().copied().collect::<Option<_>>().expect("all can be read");
            assert!(registers.write_all(&vp, &bytes));
            for number in 0..registers.list.len() {
                let value = registers.read(&vp, number).expect("it can be read");
                let name = &registers.list[number].name;
                assert!(registers.write(&vp, number, &value), "{name}");
                assert_eq!(registers.read(&vp, number), Some(value), "{name}");
            }
        }
    }

    #[test]
    fn written_values_are_read() {
        let vp = processor();
        let registers = Registers::new(Layout::Amd64, Some(&vp));
        for (name, value) in [
            ("r15", vec![8; 8]),
            ("st3", vec![3; 10]),
            ("ftag", vec![0xff, 0x3f, 0, 0]),
            ("xmm9", vec![9; 16]),
            ("fctrl", vec![0x7f, 2, 0, 0]),
            ("fs_base", vec![1, 2, 3, 4, 5, 0, 0, 0]),
            ("mxcsr", vec![0xa0, 0x1f, 0, 0]),
        ] {
            let (number, _) = registers.place_of(name).expect("it exists");
            assert!(registers.write(&vp, number, &value), "{name}");
            if name != "ftag" {
                assert_eq!(registers.read(&vp, number), Some(value), "{name}");
            }
        }
        if let Some((number, _)) = registers.place_of("ymm5h") {
            assert!(registers.write(&vp, number, &[5; 16]));
            assert_eq!(registers.read(&vp, number), Some(vec![5; 16]));
        }
        let (cs, _) = registers.place_of("cs").expect("it exists");
        assert!(registers.write(&vp, cs, &[0x00, 0x12, 0, 0]));
        assert_eq!(vp.register(Name::CS).expect("it exists").segment().base, 0x1_2000);
        assert!(!registers.write(&vp, 0, &[1, 2, 3]) && !registers.write(&vp, 999, &[0]));
    }
}
