//! Which instructions take part, and in which class.

use iced_x86::Code;
use iced_x86::CpuidFeature;
use iced_x86::EncodingKind;
use iced_x86::FlowControl;
use iced_x86::Mnemonic;
use iced_x86::OpCodeOperandKind;

/// A group of instructions that is tested together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// General registers and memory.
    Int,
    /// MMX.
    Mmx,
    /// Legacy SSE to SSE4.2, AES, SHA, GFNI.
    Sse,
    /// VEX-encoded vectors.
    Avx,
    /// EVEX-encoded vectors and opmasks.
    Avx512,
    /// x87.
    X87,
}

impl Class {
    /// Every class.
    pub const ALL: [Class; 6] = [Class::Int, Class::Mmx, Class::Sse, Class::Avx, Class::Avx512, Class::X87];

    /// The class named so, in lower case.
    pub fn from_name(name: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|c| format!("{c:?}").to_lowercase() == name)
    }
}

fn is_x87(code: Code) -> bool {
    use CpuidFeature::*;
    code.cpuid_features().iter().any(|f| matches!(f, FPU | FPU287 | FPU287XL_ONLY | FPU387 | FPU387SL_ONLY))
}

/// Needs privileges, changes control flow or the machine's set-up, or gives different results on purpose.
fn excluded(code: Code) -> bool {
    use Mnemonic::*;
    let o = code.op_code();
    if code.flow_control() != FlowControl::Next && code.mnemonic() != Ud2 {
        return true;
    }
    if o.is_privileged() || o.is_input_output() || o.must_be_cpl0() || o.may_require_cpl0() {
        return true;
    }
    if o.op_kinds().iter().any(|k| {
        use OpCodeOperandKind::*;
        matches!(k, seg_reg | cr_reg | dr_reg | tr_reg | bnd_reg | tmm_reg | es | cs | ss | ds | fs | gs)
    }) {
        return true;
    }
    matches!(
        code.mnemonic(),
        // Data, time, identity, randomness.
        Db | Dw | Dd | Dq | Zero_bytes | Cpuid | Rdtsc | Rdtscp | Rdpmc | Rdrand | Rdseed | Rdpid | Rdpru
            | Xgetbv
            // Descriptor tables and segments.
            | Sgdt | Sidt | Sldt | Str | Smsw | Lar | Lsl | Verr | Verw | Lds | Les | Lfs | Lgs | Lss
            | Rdfsbase | Rdgsbase | Wrfsbase | Wrgsbase | Arpl
            // State images and protection keys: their own tests.
            | Xsave | Xsave64 | Xsavec | Xsavec64 | Xsaveopt | Xsaveopt64 | Xsaves | Xsaves64 | Xrstor
            | Xrstor64 | Xrstors | Xrstors64 | Fxsave | Fxsave64 | Fxrstor | Fxrstor64 | Rdpkru | Wrpkru
            // TF, AC and IOPL through the stack; waiting; transactions; shadow stacks.
            | Popf | Popfd | Popfq | Monitor | Mwait | Monitorx | Mwaitx | Umonitor | Umwait | Tpause
            | Xbegin | Xend | Xabort | Xtest | Xresldtrk | Xsusldtrk | Clzero | Rdsspd | Rdsspq | Incsspd | Incsspq | Wait | Encls
            | Enclu | Enclv | Enqcmd | Enqcmds | Senduipi | Uiret | Clui | Stui | Testui | Hreset | Pconfig
            | Ptwrite | Getsec | Montmul | Xstore | Loadall | Llwpcb | Slwpcb | Lwpins | Lwpval | Cli | Sti
            | Clgi | Stgi | Skinit | Invlpga | Vmload | Vmsave | Vmrun | Vmmcall | Vmcall | Into
            | Ldtilecfg | Sttilecfg | Tilerelease | Aadd | Aand | Aor | Axor
    )
}

/// Whether code of this width has the instruction.
pub fn exists(code: Code, bits: u32) -> bool {
    let o = code.op_code();
    if bits == 64 { o.mode64() } else { o.mode32() }
}

/// The class of an instruction; `None` when it cannot be tested this way.
pub fn class_of(code: Code) -> Option<Class> {
    use OpCodeOperandKind::*;
    let o = code.op_code();
    if !o.is_instruction() || excluded(code) {
        return Option::None;
    }
    // Never offered: unmasked underflow would not be exact.
    if code.cpuid_features().contains(&CpuidFeature::AVX512_FP16) {
        return Option::None;
    }
    if is_x87(code) {
        return Some(Class::X87);
    }
    let has = |set: &[OpCodeOperandKind]| o.op_kinds().iter().any(|k| set.contains(k));
    let mask = has(&[k_reg, kp1_reg, k_rm, k_vvvv, k_or_mem]);
    let mmx = has(&[mm_reg, mm_rm, mm_or_mem]) || matches!(code.mnemonic(), Mnemonic::Emms);
    let vector = has(&[
        xmm_reg, xmm_rm, xmm_vvvv, xmmp3_vvvv, xmm_is4, xmm_is5, xmm_or_mem, ymm_reg, ymm_rm, ymm_vvvv,
        ymm_is4, ymm_is5, ymm_or_mem, zmm_reg, zmm_rm, zmm_vvvv, zmmp3_vvvv, zmm_or_mem,
    ]) || matches!(
        code.mnemonic(),
        Mnemonic::Vzeroall
            | Mnemonic::Vzeroupper
            | Mnemonic::Ldmxcsr
            | Mnemonic::Stmxcsr
            | Mnemonic::Vldmxcsr
            | Mnemonic::Vstmxcsr
    );
    match o.encoding() {
        EncodingKind::EVEX => Some(Class::Avx512),
        EncodingKind::VEX if mask => Some(Class::Avx512),
        EncodingKind::VEX if vector => Some(Class::Avx),
        EncodingKind::VEX => Some(Class::Int),
        EncodingKind::Legacy if mmx => Some(Class::Mmx),
        EncodingKind::Legacy if vector => Some(Class::Sse),
        EncodingKind::Legacy => Some(Class::Int),
        _ => Option::None,
    }
}

/// The instructions of some classes in code of this width.
pub fn codes(classes: &[Class], bits: u32) -> Vec<Code> {
    Code::values()
        .filter(|c| exists(*c, bits))
        .filter(|c| class_of(*c).is_some_and(|k| classes.contains(&k)))
        .collect()
}

/// The code of this name.
pub fn code_named(name: &str) -> Option<Code> {
    Code::values().find(|c| format!("{c:?}") == name)
}
