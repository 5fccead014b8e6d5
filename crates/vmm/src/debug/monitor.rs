//! The debugger's `monitor` commands.

use std::fmt::Write;

use openwhp::Gva;
use openwhp::InterceptCounter;
use openwhp::Processor;
use openwhp::RegisterName as Name;

use super::registers::Layout;
use super::target;
use super::target::Machine;
use super::vp;
use crate::outcome::Outcome;
use crate::report;

const HELP: &str = "\
info vps                 every processor: where it is and what it does
info registers [VP]      all registers of a processor, with segments and tables
exits [VP]               what a processor has counted: exits, interrupts, exceptions
translate ADDR           where a linear address lies
phys ADDR LEN            physical memory
cpuid FUNCTION [INDEX]   what CPUID gives on the processor
arch i386|x86-64         registers that the next connection shows; i386 for 16-bit and 32-bit code
reset                    reset the machine; it stops at its first instruction";

/// Bytes `phys` shows at most.
const LONGEST: usize = 4096;

/// Does a command; what to print.
pub(super) fn answer(machine: &mut Machine, line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let done = match words.as_slice() {
        [] | ["help"] => Ok(HELP.to_owned()),
        ["info", "vps"] => Ok(processors(machine)),
        ["info", "registers", vp @ ..] => processor(machine, vp).map(|vp| report::registers(&vp)),
        ["exits", vp @ ..] => processor(machine, vp).map(|vp| counters(&vp)),
        ["translate", address] => translate(machine, address),
        ["phys", address, len] => physical(machine, address, len),
        ["cpuid", function, index @ ..] => cpuid(machine, function, index),
        ["arch", name] => architecture(machine, name),
        ["reset"] => Ok(reset(machine)),
        _ => Err(format!("unknown command '{line}'\n{HELP}")),
    };
    done.unwrap_or_else(|message| message)
}

fn number(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("'{text}' is not a number"))
}

fn processor(machine: &Machine, words: &[&str]) -> Result<Processor, String> {
    let index = match words {
        [] => machine.selected,
        [index] => number(index)? as usize,
        _ => return Err("one processor at a time".to_owned()),
    };
    let found = machine.control.processor(index);
    found.map(|(vp, _)| vp).ok_or_else(|| format!("there is no processor {index}"))
}

/// What a processor does, in a word or two.
pub(super) fn activity(vp: &Processor) -> &'static str {
    const START_UP: u64 = 1;
    const HALT: u64 = 1 << 1;
    const IDLE: u64 = 1 << 2;
    match vp.register(Name::INTERNAL_ACTIVITY_STATE).map(openwhp::RegisterValue::low) {
        Ok(state) if state & START_UP != 0 => "waiting for start-up",
        Ok(state) if state & (HALT | IDLE) != 0 => "halted",
        Ok(_) => "running",
        Err(_) => "not readable",
    }
}

/// The mode of a processor, in a word or two.
fn mode(vp: &Processor) -> &'static str {
    let low = |name| vp.register(name).map_or(0, openwhp::RegisterValue::low);
    let code = vp.register(Name::CS).unwrap_or_default().segment().attributes;
    match () {
        () if low(Name::CR0) & 1 == 0 => "real",
        () if low(Name::RFLAGS) & 1 << 17 != 0 => "virtual 8086",
        () if low(Name::EFER) & 1 << 10 != 0 && code & 1 << 13 != 0 => "64-bit",
        () if code & 1 << 14 != 0 => "32-bit",
        () => "16-bit",
    }
}

fn processors(machine: &Machine) -> String {
    let mut text = String::new();
    for (vp, _) in (0..machine.control.count()).filter_map(|index| machine.control.processor(index)) {
        let code = vp.register(Name::CS).unwrap_or_default().segment();
        let rip = vp.register(Name::RIP).unwrap_or_default().low();
        let linear = vp::position(&vp).unwrap_or_default();
        let _ = writeln!(
            text,
            "processor {}: {}, {} code at {:#06x}:{rip:#x} (linear {linear:#x}), privilege level {}",
            vp.index().0,
            activity(&vp),
            mode(&vp),
            code.selector,
            vp.register(Name::SS).unwrap_or_default().segment().attributes >> 5 & 3,
        );
    }
    text
}

fn counters(vp: &Processor) -> String {
    let counters = vp.counters();
    let mut text = format!("processor {}: ran for {} us\n", vp.index().0, counters.total_runtime_100ns / 10);
    let mut line = |name: &str, counter: InterceptCounter| {
        if counter.count > 0 {
            let _ = writeln!(text, "{:>12} {name}", counter.count);
        }
    };
    line("port accesses", counters.io_instructions);
    line("memory accesses", counters.nested_page_fault_intercepts);
    line("halts", counters.halt_instructions);
    line("CPUID", counters.cpuid_instructions);
    line("MSR accesses", counters.msr_accesses);
    line("hypercalls", counters.hypercalls);
    line("interrupt windows", counters.pending_interrupts);
    line("emulated instructions", counters.emulated_instructions);
    line("others", counters.other_intercepts);
    let count = |count| InterceptCounter { count, time_100ns: 0 };
    line("interrupts delivered", count(counters.interrupts));
    line("exceptions delivered", count(counters.exceptions));
    line("page faults delivered", count(counters.page_faults));
    text
}

fn translate(machine: &Machine, address: &str) -> Result<String, String> {
    let vp = processor(machine, &[])?;
    let gpa = vp.linear_to_physical(Gva(number(address)?)).map_err(|error| error.to_string())?;
    Ok(format!("physical {gpa}"))
}

fn physical(machine: &Machine, address: &str, len: &str) -> Result<String, String> {
    let (address, len) = (number(address)?, (number(len)? as usize).min(LONGEST));
    let partition = machine.control.partition().ok_or("there is no machine")?;
    let mut bytes = vec![0; len];
    let done = target::read_physical(&partition, address, &mut bytes);
    let mut text = String::new();
    for (row, line) in bytes[..done].chunks(16).enumerate() {
        let hex: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(text, "{:#014x}: {}", address + row as u64 * 16, hex.join(" "));
    }
    if done < len {
        let _ = writeln!(text, "no memory at {:#x}", address.saturating_add(done as u64));
    }
    Ok(text)
}

fn cpuid(machine: &Machine, function: &str, index: &[&str]) -> Result<String, String> {
    let vp = processor(machine, &[])?;
    let function = number(function)? as u32;
    let index = index.first().map_or(Ok(0), |text| number(text))? as u32;
    let output = vp.cpuid(function, index);
    Ok(format!(
        "{function:#010x}.{index:#x}: eax {:08x} ebx {:08x} ecx {:08x} edx {:08x}",
        output.eax, output.ebx, output.ecx, output.edx
    ))
}

fn architecture(machine: &mut Machine, name: &str) -> Result<String, String> {
    machine.layout = match name {
        "x86-64" => Layout::Amd64,
        "i386" => Layout::I386,
        _ => return Err("the choices are i386 and x86-64".to_owned()),
    };
    Ok(format!("the next connection shows {name} registers: disconnect and connect again"))
}

fn reset(machine: &mut Machine) -> String {
    let boots = machine.control.boots();
    machine.control.ending().end(Outcome::Reset);
    machine.control.wait_for_boot(boots);
    if machine.control.boots() == boots {
        return "the run ends with a reset".to_owned();
    }
    machine.hold();
    "the machine was reset; `maint flush register-cache` shows it".to_owned()
}
