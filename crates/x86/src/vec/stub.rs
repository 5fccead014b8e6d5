//! Assembling native stubs: a function that runs one guest instruction on the host's own units.
//!
//! A stub is called with the processor state in RDI and the memory operand's bytes in RSI. It loads the registers
//! that the instruction names, executes the instruction with its memory operand replaced by `[rsi]` and its general
//! registers by scratch ones, and stores what was written. x87 registers are the caller's business. Stubs contain
//! no address of a processor, so one cache serves all of them.

use super::arena;
use crate::state::VectorState;
use crate::state::VpState;
use crate::state::X87;
use iced_x86::Code;
use iced_x86::Encoder;
use iced_x86::EncodingKind;
use iced_x86::Instruction;
use iced_x86::InstructionInfoFactory;
use iced_x86::MemoryOperand;
use iced_x86::Mnemonic;
use iced_x86::OpAccess;
use iced_x86::OpKind;
use iced_x86::Register;
use iced_x86::RflagsBits;
use iced_x86::RoundingControl;
use rustc_hash::FxHashMap;
use std::mem::offset_of;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;

/// Entry of [`VpState::gpr`] through which arithmetic flags pass in and out.
pub(crate) const SLOT_FLAGS: usize = 30;
/// Entry of [`VpState::gpr`] with the MXCSR to run under.
pub(crate) const SLOT_MXCSR_IN: usize = 29;
/// Entry of [`VpState::gpr`] that receives MXCSR afterwards.
pub(crate) const SLOT_MXCSR_OUT: usize = 28;

/// The six arithmetic flags as the decoder library names them.
const ARITH: u32 =
    RflagsBits::OF | RflagsBits::SF | RflagsBits::ZF | RflagsBits::AF | RflagsBits::CF | RflagsBits::PF;

/// Masking of a memory operand by an opmask register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Masked {
    /// Opmask register (1-7).
    pub(crate) k: u8,
    /// Bytes per element in memory.
    pub(crate) element: u8,
    /// Elements in memory.
    pub(crate) count: u8,
    /// Elements of the register over which a broadcast repeats those in memory; 0 for other instructions.
    pub(crate) spread_over: u8,
    /// Elements are packed in memory: as many as mask bits are set (compress, expand).
    pub(crate) packed: bool,
    /// Faults of elements that are masked off do not happen.
    pub(crate) suppresses: bool,
}

/// A stub and what its caller must know.
#[derive(Debug)]
pub(crate) struct Form {
    /// Entry point.
    pub(crate) code: usize,
    /// Bytes of a memory operand that is read.
    pub(crate) load: u8,
    /// Bytes of a memory operand that is written.
    pub(crate) store: u8,
    /// Reads MXCSR and may raise its flags.
    pub(crate) uses_mxcsr: bool,
    /// Suppresses exceptions by its encoding (embedded rounding, SAE).
    pub(crate) quiet: bool,
    /// Reads arithmetic flags, or leaves some of them alone.
    pub(crate) reads_flags: bool,
    /// Writes arithmetic flags.
    pub(crate) writes_flags: bool,
    /// Names an MMX register.
    pub(crate) mmx: bool,
    /// Vector registers written, a bit each.
    pub(crate) vec_writes: u32,
    /// MMX registers written, a bit each.
    pub(crate) mm_writes: u8,
    /// Opmask registers written, a bit each.
    pub(crate) k_writes: u8,
    /// General registers written, a bit each.
    pub(crate) gpr_writes: u16,
    /// Masking of the memory operand.
    pub(crate) masked: Option<Masked>,
}

/// How registers reach the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Style {
    /// Registers are loaded and stored one by one.
    Registers,
    /// The x87 registers are in the host's unit already.
    X87,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    insn: Instruction,
    gprs: [u8; 2],
    style: Style,
}

/// Registers that stand for the guest's explicit general registers, by size.
const SCRATCH: [[Register; 3]; 2] =
    [[Register::R8, Register::R8D, Register::R8W], [Register::R9, Register::R9D, Register::R9W]];

/// No general register in this place.
const NO_GPR: u8 = 0xff;

/// What [`form`] gives.
#[derive(Debug)]
pub(crate) enum Built {
    /// In executable memory.
    Ready(&'static Form),
    /// There was no room: the form without its entry point, and the code.
    Loose(Box<Form>, Vec<u8>),
}

/// The form of `i`, assembled on first use. `None`: it cannot be run natively.
pub(crate) fn form(i: &Instruction, style: Style) -> Option<Built> {
    static CACHE: OnceLock<Mutex<FxHashMap<Key, &'static Form>>> = OnceLock::new();
    let (insn, gprs) = normalise(i);
    let key = Key { insn, gprs, style };
    let mut cache = CACHE.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(f) = cache.get(&key) {
        return Some(Built::Ready(f));
    }
    let (mut f, code) = assemble(&key)?;
    let Some(at) = arena::add(&code) else { return Some(Built::Loose(Box::new(f), code)) };
    f.code = at;
    let f: &'static Form = Box::leak(Box::new(f));
    cache.insert(key, f);
    Some(Built::Ready(f))
}

/// Replaces what differs between uses of the same form: addressing and general registers.
fn normalise(i: &Instruction) -> (Instruction, [u8; 2]) {
    let mut n = *i;
    n.set_len(0);
    n.set_next_ip(0);
    n.set_has_rep_prefix(false);
    n.set_has_repne_prefix(false);
    n.set_has_xacquire_prefix(false);
    n.set_has_xrelease_prefix(false);
    n.set_segment_prefix(Register::None);
    let mut gprs = [NO_GPR; 2];
    let mut used = 0;
    for op in 0..n.op_count() {
        match n.op_kind(op) {
            OpKind::Memory => {
                n.set_memory_base(Register::RSI);
                n.set_memory_index(Register::None);
                n.set_memory_index_scale(1);
                n.set_memory_displacement64(0);
                n.set_memory_displ_size(0);
            }
            OpKind::Register if n.op_register(op).is_gpr() => {
                let r = n.op_register(op);
                let size = match r.size() {
                    8 => 0,
                    4 => 1,
                    _ => 2,
                };
                if used < 2 {
                    n.set_op_register(op, SCRATCH[used][size]);
                    gprs[used] = r.full_register().number() as u8;
                    used += 1;
                }
            }
            _ => {}
        }
    }
    (n, gprs)
}

/// Registers of an instruction by class: which are read, which written.
#[derive(Default)]
struct Usage {
    vec_reads: u32,
    vec_writes: u32,
    mm: u8,
    mm_writes: u8,
    k: u8,
    k_writes: u8,
    /// (guest register, host register) pairs.
    gprs: Vec<(u8, Register)>,
    gpr_writes: u16,
}

fn writes(a: OpAccess) -> bool {
    matches!(a, OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite)
}

fn usage(key: &Key, f: &mut InstructionInfoFactory) -> Option<Usage> {
    let i = &key.insn;
    let mut u = Usage::default();
    // Legacy instructions merge into their destination, and so do masked ones.
    let merges = i.encoding() == EncodingKind::Legacy || i.has_op_mask();
    for r in f.info(i).used_registers() {
        let (reg, write) = (r.register(), writes(r.access()));
        let n = reg.number();
        if reg.is_vector_register() {
            if merges || r.access() != OpAccess::Write {
                u.vec_reads |= 1 << n;
            }
            u.vec_writes |= u32::from(write) << n;
        } else if reg.is_mm() {
            u.mm |= 1 << n;
            u.mm_writes |= u8::from(write) << n;
        } else if reg.is_k() {
            u.k |= 1 << n;
            u.k_writes |= u8::from(write) << n;
        } else if reg.is_gpr() {
            let full = reg.full_register();
            let guest = match full {
                Register::RSI => continue,
                Register::R8 => key.gprs[0],
                Register::R9 => key.gprs[1],
                Register::RAX | Register::RCX | Register::RDX => n as u8,
                _ => return None,
            };
            if guest == NO_GPR {
                return None;
            }
            if !u.gprs.contains(&(guest, full)) {
                u.gprs.push((guest, full));
            }
            u.gpr_writes |= u16::from(write) << guest;
        } else if reg.is_tmm() || reg.is_bnd() || reg.is_cr() || reg.is_dr() {
            return None;
        }
    }
    Some(u)
}

/// Emits instructions one after the other.
struct Emit {
    enc: Encoder,
}

impl Emit {
    fn put(&mut self, i: &Instruction) -> Option<()> {
        self.enc.encode(i, 0).ok().map(|_| ())
    }

    fn load(&mut self, code: Code, r: Register, disp: usize) -> Option<()> {
        self.put(&Instruction::with2(code, r, at(disp)).ok()?)
    }

    fn store(&mut self, code: Code, disp: usize, r: Register) -> Option<()> {
        self.put(&Instruction::with2(code, at(disp), r).ok()?)
    }

    fn one(&mut self, code: Code, disp: usize) -> Option<()> {
        self.put(&Instruction::with1(code, at(disp)).ok()?)
    }
}

fn at(disp: usize) -> MemoryOperand {
    MemoryOperand::with_base_displ(Register::RDI, disp as i64)
}

fn gpr_at(n: usize) -> usize {
    offset_of!(VpState, gpr) + 8 * n
}

fn vec_at(n: usize) -> usize {
    offset_of!(VpState, vec) + offset_of!(VectorState, zmm) + 64 * n
}

fn k_at(n: usize) -> usize {
    offset_of!(VpState, vec) + offset_of!(VectorState, k) + 8 * n
}

fn mm_at(n: usize) -> usize {
    offset_of!(VpState, vec) + offset_of!(VectorState, x87) + offset_of!(X87, st) + 16 * n
}

fn reg(first: Register, n: usize) -> Register {
    first + n as u32
}

/// Bytes of a vector register that an instruction looks at.
fn width(i: &Instruction, n: usize) -> usize {
    (0..i.op_count())
        .filter(|op| i.op_kind(*op) == OpKind::Register)
        .map(|op| i.op_register(op))
        .filter(|r| r.is_vector_register() && r.number() == n)
        .map(|r| r.size())
        .max()
        .unwrap_or(16)
}

fn load_vector(e: &mut Emit, i: &Instruction, n: usize, evex: bool) -> Option<()> {
    let legacy = i.encoding() == EncodingKind::Legacy;
    let (code, first) = match if legacy { 16 } else { width(i, n) } {
        _ if legacy => (Code::Movaps_xmm_xmmm128, Register::XMM0),
        16 if evex => (Code::EVEX_Vmovdqa64_xmm_k1z_xmmm128, Register::XMM0),
        32 if evex => (Code::EVEX_Vmovdqa64_ymm_k1z_ymmm256, Register::YMM0),
        64 => (Code::EVEX_Vmovdqa64_zmm_k1z_zmmm512, Register::ZMM0),
        16 => (Code::VEX_Vmovdqa_xmm_xmmm128, Register::XMM0),
        _ => (Code::VEX_Vmovdqa_ymm_ymmm256, Register::YMM0),
    };
    e.load(code, reg(first, n), vec_at(n))
}

fn store_vector(e: &mut Emit, i: &Instruction, n: usize, wide: bool) -> Option<()> {
    let (code, first) = match i.encoding() {
        EncodingKind::Legacy => (Code::Movaps_xmmm128_xmm, Register::XMM0),
        _ if wide => (Code::EVEX_Vmovdqa64_zmmm512_k1z_zmm, Register::ZMM0),
        _ => (Code::VEX_Vmovdqa_ymmm256_ymm, Register::YMM0),
    };
    e.store(code, vec_at(n), reg(first, n))
}

fn bits(mask: u32) -> impl Iterator<Item = usize> {
    (0..32).filter(move |n| mask >> n & 1 != 0)
}

/// The form, its entry point still zero, and its code.
fn assemble(key: &Key) -> Option<(Form, Vec<u8>)> {
    let i = &key.insn;
    let mut factory = InstructionInfoFactory::new();
    let u = if key.style == Style::X87 { Usage::default() } else { usage(key, &mut factory)? };
    let features = super::features::host_vector_features();
    let wide = features.xcr0 & 0xe0 == 0xe0;
    let big_masks = features.leaf7_ebx & 1 << 30 != 0;
    let (k_load, k_store) = if big_masks {
        (Code::VEX_Kmovq_kr_km64, Code::VEX_Kmovq_m64_kr)
    } else {
        (Code::VEX_Kmovw_kr_km16, Code::VEX_Kmovw_m16_kr)
    };
    let uses_mxcsr = key.style == Style::Registers && uses_mxcsr(i.mnemonic());
    let modified = i.rflags_modified() & ARITH;
    let reads_flags = i.rflags_read() & ARITH != 0 || modified != 0 && modified != ARITH;

    let mut e = Emit { enc: Encoder::new(64) };
    for n in bits(u.vec_reads) {
        load_vector(&mut e, i, n, i.encoding() == EncodingKind::EVEX)?;
    }
    for n in bits(u.mm.into()) {
        e.load(Code::Movq_mm_mmm64, reg(Register::MM0, n), mm_at(n))?;
    }
    for n in bits(u.k.into()) {
        e.load(k_load, reg(Register::K0, n), k_at(n))?;
    }
    for (guest, host) in &u.gprs {
        e.load(Code::Mov_r64_rm64, *host, gpr_at(usize::from(*guest)))?;
    }
    if uses_mxcsr {
        e.one(Code::Ldmxcsr_m32, gpr_at(SLOT_MXCSR_IN))?;
    }
    if reads_flags {
        e.one(Code::Push_rm64, gpr_at(SLOT_FLAGS))?;
        e.put(&Instruction::with(Code::Popfq))?;
    }
    e.put(i)?;
    if modified != 0 {
        e.put(&Instruction::with(Code::Pushfq))?;
        e.one(Code::Pop_rm64, gpr_at(SLOT_FLAGS))?;
    }
    if uses_mxcsr {
        e.one(Code::Stmxcsr_m32, gpr_at(SLOT_MXCSR_OUT))?;
    }
    for n in bits(u.vec_writes) {
        store_vector(&mut e, i, n, wide)?;
    }
    for n in bits(u.mm_writes.into()) {
        e.store(Code::Movq_mmm64_mm, mm_at(n), reg(Register::MM0, n))?;
    }
    for n in bits(u.k_writes.into()) {
        e.store(k_store, k_at(n), reg(Register::K0, n))?;
    }
    for (guest, host) in &u.gprs {
        if u.gpr_writes >> guest & 1 != 0 {
            e.store(Code::Mov_rm64_r64, gpr_at(usize::from(*guest)), *host)?;
        }
    }
    if u.mm != 0 {
        e.put(&Instruction::with(Code::Emms))?;
    }
    if i.encoding() != EncodingKind::Legacy && u.vec_reads | u.vec_writes != 0 {
        e.put(&Instruction::with(Code::VEX_Vzeroupper))?;
    }
    e.put(&Instruction::with(Code::Retnq))?;

    let (load, store) = memory_access(i, &mut factory);
    let form = Form {
        code: 0,
        load,
        store,
        uses_mxcsr,
        quiet: i.suppress_all_exceptions() || i.rounding_control() != RoundingControl::None,
        reads_flags,
        writes_flags: modified != 0,
        mmx: u.mm != 0,
        vec_writes: u.vec_writes,
        mm_writes: u.mm_writes,
        k_writes: u.k_writes,
        gpr_writes: u.gpr_writes,
        masked: masked(i),
    };
    Some((form, e.enc.take_buffer()))
}

/// Bytes read from and written to the memory operand.
fn memory_access(i: &Instruction, f: &mut InstructionInfoFactory) -> (u8, u8) {
    let Some(op) = (0..i.op_count()).find(|n| i.op_kind(*n) == OpKind::Memory) else { return (0, 0) };
    let size = i.memory_size().size() as u8;
    match f.info(i).op_access(op) {
        OpAccess::Read | OpAccess::CondRead => (size, 0),
        OpAccess::Write | OpAccess::CondWrite => (0, size),
        OpAccess::ReadWrite | OpAccess::ReadCondWrite => (size, size),
        _ => (0, 0),
    }
}

/// Whether an instruction reads MXCSR (rounding, denormals) or raises its flags.
pub(crate) fn uses_mxcsr(m: Mnemonic) -> bool {
    const PREFIXES: [&str; 34] = [
        "add", "sub", "mul", "div", "sqrt", "min", "max", "cmp", "comi", "ucomi", "cvt", "round", "dpps",
        "dppd", "hadd", "hsub", "fmadd", "fmsub", "fnmadd", "fnmsub", "range", "reduce", "rndscale",
        "getexp", "getmant", "scalef", "fixupimm", "fpclass", "fcmadd", "fcmul", "fmul", "comx", "rcp14",
        "rsqrt14",
    ];
    let name = format!("{m:?}").to_ascii_lowercase();
    let name = name.strip_prefix('v').unwrap_or(&name);
    PREFIXES.iter().any(|p| name.starts_with(p))
}

/// Masking of the memory operand, for EVEX instructions with an opmask.
fn masked(i: &Instruction) -> Option<Masked> {
    let has_memory = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory);
    if !has_memory || !i.has_op_mask() {
        return None;
    }
    let m = i.memory_size();
    let name = format!("{:?}", i.mnemonic()).to_ascii_lowercase();
    // Loads of one element, or of a group, that goes everywhere.
    let spreads = name.starts_with("vbroadcast") || name.starts_with("vpbroadcast");
    let bytes = m.size();
    // Bytes per mask bit: what a broadcast form would read, if there is one.
    let unit = if i.op_code().can_broadcast() {
        let mut b = *i;
        b.set_is_broadcast(true);
        b.memory_size().size()
    } else if i.mnemonic() == Mnemonic::Vpshufbitqmb {
        1
    } else {
        m.element_size().max(1)
    };
    // Bytes of the vector that a broadcast fills.
    let filled = if i.is_broadcast() {
        let mut whole = *i;
        whole.set_is_broadcast(false);
        whole.memory_size().size()
    } else if spreads {
        i.op_register(0).size()
    } else {
        0
    };
    // VPSLLW and its like with the count in memory read all of it; the form with an immediate is elementwise.
    let shift_by_memory = ["vpsll", "vpsrl", "vpsra"].iter().any(|p| name.starts_with(p))
        && !name.contains("lv")
        && !name.contains("av")
        && i.op_kind(i.op_count() - 1) == OpKind::Memory;
    let packed = ["vpcompress", "vcompress", "vpexpand", "vexpand"].iter().any(|p| name.starts_with(p));
    Some(Masked {
        k: i.op_mask().number() as u8,
        element: unit as u8,
        count: (bytes / unit).max(1) as u8,
        spread_over: (filled / unit).min(64) as u8,
        packed,
        suppresses: suppresses(&name) && !shift_by_memory,
    })
}

/// Whether masked-off elements cannot fault. Instructions that move elements across positions read all of their
/// operand (Intel SDM 2, exception classes E4NF, E5NF, E6NF, E9NF).
fn suppresses(name: &str) -> bool {
    const NOT: [&str; 32] = [
        "vpunpck",
        "vunpck",
        "vpack",
        "valign",
        "vshuf",
        "vperm",
        "vpshufb",
        "vpshufd",
        "vpshufh",
        "vpshufl",
        "vpalignr",
        "vdbpsadbw",
        "vpsadbw",
        "vpmaddwd",
        "vpmaddubsw",
        "vpmultishift",
        "vpconflict",
        "vinsert",
        "vgf2p8affine",
        "vmovddup",
        "vmovshdup",
        "vmovsldup",
        "vpslldq",
        "vpsrldq",
        "vpbroadcastm",
        "vpinsr",
        "vaes",
        "vpclmul",
        "vmovhlps",
        "vmovlhps",
        "vextract",
        "vcvtne2ps",
    ];
    name == "vpshufbitqmb" || !NOT.iter().any(|p| name.starts_with(p))
}
