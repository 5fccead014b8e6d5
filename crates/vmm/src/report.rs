//! What is said of a guest that died: the reason, its registers, the bytes at its instruction pointer.

use std::fmt::Write;

use openwhp::AccessType;
use openwhp::Exit;
use openwhp::MemoryAccess;
use openwhp::Processor;
use openwhp::RegisterName as Name;
use openwhp::emulation::EmulatorError;

use crate::debug::vp::code_at;
use crate::debug::vp::position;

/// General registers by their names, in the debugger's order.
pub(crate) const GENERAL: [(&str, Name); 16] = [
    ("rax", Name::RAX),
    ("rbx", Name::RBX),
    ("rcx", Name::RCX),
    ("rdx", Name::RDX),
    ("rsi", Name::RSI),
    ("rdi", Name::RDI),
    ("rbp", Name::RBP),
    ("rsp", Name::RSP),
    ("r8", Name::R8),
    ("r9", Name::R9),
    ("r10", Name::R10),
    ("r11", Name::R11),
    ("r12", Name::R12),
    ("r13", Name::R13),
    ("r14", Name::R14),
    ("r15", Name::R15),
];

/// Control registers by their names.
pub(crate) const CONTROL: [(&str, Name); 6] = [
    ("cr0", Name::CR0),
    ("cr2", Name::CR2),
    ("cr3", Name::CR3),
    ("cr4", Name::CR4),
    ("cr8", Name::CR8),
    ("efer", Name::EFER),
];

/// Segment registers by their names, in the debugger's order.
pub(crate) const SEGMENTS: [(&str, Name); 6] = [
    ("cs", Name::CS),
    ("ss", Name::SS),
    ("ds", Name::DS),
    ("es", Name::ES),
    ("fs", Name::FS),
    ("gs", Name::GS),
];

/// The report of a guest that died at `exit`.
#[must_use]
pub fn death(vp: &Processor, exit: &Exit, reason: &str) -> String {
    let mut text = format!("the guest died on processor {}: {reason}\n", vp.index());
    let _ = writeln!(
        text,
        "  at {:#06x}:{:#x}, privilege level {}",
        exit.vp.cs.selector,
        exit.vp.rip,
        exit.vp.execution.cpl()
    );
    text.push_str(&registers(vp));
    text
}

/// The report of a processor that could not run at all.
#[must_use]
pub fn failure(vp: &Processor, reason: &str) -> String {
    format!("processor {} failed: {reason}\n{}", vp.index(), registers(vp))
}

/// Why a memory access ends the guest.
#[must_use]
pub fn memory_access(access: &MemoryAccess, error: &EmulatorError) -> String {
    let what = match access.access {
        AccessType::Read => "reading",
        AccessType::Write => "writing",
        AccessType::Execute => "executing",
    };
    let bytes = access.instruction.as_slice();
    format!(
        "{what} guest physical address {} where no memory is: {error} (instruction bytes {bytes:02x?})",
        access.gpa
    )
}

/// Every register that tells what a processor was doing, as lines.
#[must_use]
pub fn registers(vp: &Processor) -> String {
    let mut text = String::new();
    let value = |name| vp.register(name).unwrap_or_default();
    let whole = [&GENERAL[..], &[("rip", Name::RIP), ("rflags", Name::RFLAGS)], &CONTROL].concat();
    for row in whole.chunks(3) {
        let cells: Vec<_> =
            row.iter().map(|(label, name)| format!("{label:>6} {:016x}", value(*name).low())).collect();
        let _ = writeln!(text, " {}", cells.join(" "));
    }
    for (label, name) in SEGMENTS.into_iter().chain([("tr", Name::TR), ("ldtr", Name::LDTR)]) {
        let segment = value(name).segment();
        let _ = writeln!(
            text,
            " {label:>6} {:04x} base {:016x} limit {:08x} attributes {:04x}",
            segment.selector, segment.base, segment.limit, segment.attributes
        );
    }
    for (label, name) in [("gdtr", Name::GDTR), ("idtr", Name::IDTR)] {
        let table = value(name).table();
        let _ = writeln!(text, " {label:>6}      base {:016x} limit {:04x}", table.base, table.limit);
    }
    let _ = writeln!(text, "   code {}", code(vp));
    text
}

fn code(vp: &Processor) -> String {
    let Ok(linear) = position(vp) else { return "not readable".to_owned() };
    let text: Vec<_> = code_at(vp, linear).iter().map(|byte| format!("{byte:02x}")).collect();
    if text.is_empty() { format!("not readable at {linear:#x}") } else { text.join(" ") }
}
