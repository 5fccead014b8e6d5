//! One exit as a line of text or a JSON object. The columns and names are a promise to scripts.

use std::fmt;

use openwhp::AccessType;
use openwhp::DeliverableType;
use openwhp::Exit;
use openwhp::ExitReason;
use openwhp::InstructionBytes;
use serde_json::Map;
use serde_json::Value;

/// The first line of a text trace.
pub const HEADER: &str = "# sequence guest-seconds vp rip reason details";

/// One exit with what is known around it.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Number of the exit in the run, from 0.
    pub sequence: u64,
    /// Guest time in nanoseconds.
    pub guest_ns: u64,
    /// Processor.
    pub vp: u32,
    /// The exit.
    pub exit: &'a Exit,
}

/// A value of a detail.
enum Detail {
    Hex(u64),
    Count(u64),
    Word(&'static str),
    Bytes(InstructionBytes),
}

type Details = Vec<(&'static str, Detail)>;

impl Record<'_> {
    /// The record as a JSON object: numbers of registers and addresses are strings in hexadecimal.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut object = Map::new();
        object.insert("sequence".to_owned(), self.sequence.into());
        object.insert("guest_ns".to_owned(), self.guest_ns.into());
        object.insert("vp".to_owned(), self.vp.into());
        object.insert("rip".to_owned(), Detail::Hex(self.exit.vp.rip).json());
        object.insert("reason".to_owned(), reason(&self.exit.reason).into());
        for (name, detail) in details(&self.exit.reason) {
            object.insert(name.to_owned(), detail.json());
        }
        Value::Object(object)
    }
}

impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, fraction) = (self.guest_ns / 1_000_000_000, self.guest_ns % 1_000_000_000);
        let reason_word = reason(&self.exit.reason);
        write!(
            f,
            "{:>10} {seconds:>5}.{fraction:09} {:>2} {:#018x} {reason_word}",
            self.sequence, self.vp, self.exit.vp.rip
        )?;
        details(&self.exit.reason).iter().try_for_each(|(name, detail)| write!(f, " {name}={detail}"))
    }
}

impl Detail {
    fn json(&self) -> Value {
        match self {
            Self::Count(value) => (*value).into(),
            other => other.to_string().into(),
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hex(value) => write!(f, "{value:#x}"),
            Self::Count(value) => write!(f, "{value}"),
            Self::Word(word) => f.write_str(word),
            Self::Bytes(bytes) => bytes.as_slice().iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

/// The word for a reason.
#[must_use]
pub fn reason(reason: &ExitReason) -> &'static str {
    match reason {
        ExitReason::None => "none",
        ExitReason::MemoryAccess(_) => "memory",
        ExitReason::IoPort(_) => "port",
        ExitReason::UnrecoverableException => "triple-fault",
        ExitReason::InvalidVpRegisterValue => "invalid-state",
        ExitReason::UnsupportedFeature(_) => "unsupported",
        ExitReason::InterruptWindow(_) => "interrupt-window",
        ExitReason::Halt => "halt",
        ExitReason::ApicEoi(_) => "apic-eoi",
        ExitReason::SynicSintDeliverable(_) => "synic-deliverable",
        ExitReason::Msr(_) => "msr",
        ExitReason::Cpuid(_) => "cpuid",
        ExitReason::Exception(_) => "exception",
        ExitReason::Rdtsc(_) => "rdtsc",
        ExitReason::ApicSmi(_) => "apic-smi",
        ExitReason::Hypercall(_) => "hypercall",
        ExitReason::ApicInitSipi(_) => "apic-init-sipi",
        ExitReason::ApicWrite(_) => "apic-write",
        ExitReason::Canceled => "canceled",
        ExitReason::Alarm => "alarm",
        _ => "other",
    }
}

fn direction(is_write: bool) -> Detail {
    Detail::Word(if is_write { "write" } else { "read" })
}

fn details(reason: &ExitReason) -> Details {
    let mut list = Details::new();
    match reason {
        ExitReason::MemoryAccess(access) => {
            let word = match access.access {
                AccessType::Read => "read",
                AccessType::Write => "write",
                AccessType::Execute => "execute",
            };
            list.push(("access", Detail::Word(word)));
            list.push(("gpa", Detail::Hex(access.gpa.0)));
            if let Some(gva) = access.gva {
                list.push(("gva", Detail::Hex(gva.0)));
            }
            list.push(("why", Detail::Word(if access.is_gpa_unmapped { "unmapped" } else { "refused" })));
            if access.instruction.count > 0 {
                list.push(("code", Detail::Bytes(access.instruction)));
            }
        }
        ExitReason::IoPort(io) => {
            list.push(("access", direction(io.is_write)));
            list.push(("port", Detail::Hex(io.port.into())));
            list.push(("size", Detail::Count(io.size.into())));
            if io.is_string {
                list.push(("string", Detail::Word(if io.has_rep_prefix { "rep" } else { "one" })));
            } else if io.is_write {
                let mask = u64::MAX >> (64 - u32::from(io.size.clamp(1, 8)) * 8);
                list.push(("value", Detail::Hex(io.rax & mask)));
            }
        }
        ExitReason::UnsupportedFeature(feature) => {
            list.push(("code", Detail::Count(feature.code.into())));
            list.push(("parameter", Detail::Hex(feature.parameter)));
        }
        ExitReason::InterruptWindow(kind) => {
            let word = if *kind == DeliverableType::Nmi { "nmi" } else { "interrupt" };
            list.push(("kind", Detail::Word(word)));
        }
        ExitReason::ApicEoi(vector) => list.push(("vector", Detail::Hex((*vector).into()))),
        ExitReason::SynicSintDeliverable(mask) => list.push(("sints", Detail::Hex((*mask).into()))),
        ExitReason::Msr(msr) => {
            list.push(("access", direction(msr.is_write)));
            list.push(("msr", Detail::Hex(msr.msr.into())));
            if msr.is_write {
                let value = msr.rdx << 32 | msr.rax & 0xffff_ffff;
                list.push(("value", Detail::Hex(value)));
            }
        }
        ExitReason::Cpuid(cpuid) => {
            list.push(("function", Detail::Hex(cpuid.rax & 0xffff_ffff)));
            list.push(("index", Detail::Hex(cpuid.rcx & 0xffff_ffff)));
        }
        ExitReason::Exception(exception) => {
            list.push(("vector", Detail::Count(exception.vector.into())));
            if let Some(code) = exception.error_code {
                list.push(("error", Detail::Hex(code.into())));
            }
            list.push(("parameter", Detail::Hex(exception.parameter)));
        }
        ExitReason::Rdtsc(rdtsc) => list.push(("tsc", Detail::Hex(rdtsc.tsc))),
        ExitReason::Hypercall(call) => {
            list.push(("rcx", Detail::Hex(call.rcx)));
            list.push(("rdx", Detail::Hex(call.rdx)));
            list.push(("r8", Detail::Hex(call.r8)));
        }
        ExitReason::ApicSmi(icr) | ExitReason::ApicInitSipi(icr) => list.push(("icr", Detail::Hex(*icr))),
        ExitReason::ApicWrite(write) => {
            list.push(("register", Detail::Hex(u64::from(write.register as u32))));
            list.push(("value", Detail::Hex(write.value)));
        }
        _ => {}
    }
    list
}

#[cfg(test)]
mod tests {
    use openwhp::IoPortAccess;
    use openwhp::VpContext;

    use super::*;

    #[test]
    fn an_exit_is_a_line_and_an_object() {
        let io =
            IoPortAccess { is_write: true, size: 1, port: 0x3f8, rax: 0x1141, ..IoPortAccess::default() };
        let exit = Exit::new(VpContext { rip: 0x1000, ..VpContext::default() }, ExitReason::IoPort(io));
        let record = Record { sequence: 7, guest_ns: 2_000_000_123, vp: 1, exit: &exit };
        assert_eq!(
            record.to_string(),
            "         7     2.000000123  1 0x0000000000001000 port access=write port=0x3f8 size=1 value=0x41"
        );
        let expected = serde_json::json!({
            "sequence": 7, "guest_ns": 2_000_000_123_u64, "vp": 1, "rip": "0x1000", "reason": "port",
            "access": "write", "port": "0x3f8", "size": 1, "value": "0x41"
        });
        assert_eq!(record.json(), expected);
    }
}
