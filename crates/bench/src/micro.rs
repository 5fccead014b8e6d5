//! Bare loops in process: instructions per second by class, and the round trip of one exit by kind.
//!
//! The loops and their table are in `guests/bench/micro/micro.S`; what a loop expects of the processor is said there.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use anyhow::bail;
use openwhp::EngineChoice;
use openwhp::Exit;
use openwhp::ExitReason;
use openwhp::ExtendedVmExits;
use openwhp::Gpa;
use openwhp::GuestMemory;
use openwhp::MapFlags;
use openwhp::MmioBus;
use openwhp::Partition;
use openwhp::PortBus;
use openwhp::Processor;
use openwhp::RegisterName as Name;
use openwhp::RegisterValue;
use openwhp::SegmentRegister;
use openwhp::VpIndex;
use openwhp::emulation;
use openwhp::emulation::Emulator;
use rustix::time::ClockId;
use rustix::time::clock_gettime;

use crate::samples::Samples;

const MEMORY_SIZE: u64 = 16 << 20;
const PAGE_TABLES: u64 = 0x1000;
const IMAGE: u64 = 0x10_0000;
const STACK: u64 = 0x20_0000;
const BUFFERS: u64 = 0x30_0000;
const BUFFER_SIZE: u64 = 0x1_0000;
const NO_MEMORY: u64 = 0x8000_0000;
const NO_MSR: u64 = 0x1234_5678;
const END_PORT: u16 = 0xF4;
const MAGIC: &[u8] = b"OWHPBNCH";
const ROW_SIZE: usize = 64;
const ENDLESS: u64 = u64::MAX / 2;

/// What a class counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Instructions executed.
    Instructions,
    /// Bytes moved or stored.
    Bytes,
}

/// Speed of one class.
#[derive(Debug)]
pub(crate) struct ClassResult {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    /// Units in one measurement.
    pub(crate) amount: f64,
    /// Length of each measurement.
    pub(crate) seconds: Samples,
}

/// Cost of one kind of exit.
#[derive(Debug)]
pub(crate) struct ExitResult {
    pub(crate) name: String,
    pub(crate) nanoseconds: Samples,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Speed(Unit),
    /// With how far RIP must move on after the exit.
    Exits {
        skip: u64,
    },
    /// An endless loop that is left by cancelling it.
    Cancel,
}

/// One line of the image's table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    name: String,
    entry: u64,
    units: u64,
    kind: Kind,
}

/// The loops and what is known of them.
#[derive(Debug)]
pub(crate) struct Image {
    bytes: Vec<u8>,
    rows: Vec<Row>,
}

impl Image {
    /// Reads the built image.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let rows = parse_table(&bytes).with_context(|| format!("{} has no valid table", path.display()))?;
        Ok(Self { bytes, rows })
    }
}

fn parse_table(bytes: &[u8]) -> anyhow::Result<Vec<Row>> {
    let table = bytes.strip_prefix(MAGIC).context("the magic word is missing")?;
    let mut rows = Vec::new();
    for row in table.chunks(ROW_SIZE) {
        let field = |index: usize| -> anyhow::Result<u64> {
            let bytes = row.get(8 * index..8 * index + 8).context("the table has no end")?;
            Ok(u64::from_le_bytes(bytes.try_into()?))
        };
        if field(0)? == 0 {
            return Ok(rows);
        }
        let kind = match field(2)? {
            0 => Kind::Speed(Unit::Instructions),
            1 => Kind::Speed(Unit::Bytes),
            2 => Kind::Exits { skip: field(3)? },
            3 => Kind::Cancel,
            other => bail!("unknown kind {other}"),
        };
        let name = row.get(32..).context("a row is cut off")?;
        let name = String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
        rows.push(Row { name, entry: field(0)?, units: field(1)?, kind });
    }
    bail!("the table has no end")
}

/// A machine with one processor and the image in its memory.
struct Machine {
    memory: GuestMemory,
    vp: Processor,
}

impl Machine {
    fn new(image: &Image, exits: ExtendedVmExits) -> anyhow::Result<Self> {
        let partition = Partition::builder().engine(EngineChoice::Soft).processors(1).exits(exits).build()?;
        let memory = GuestMemory::new(MEMORY_SIZE)?;
        memory.write(IMAGE, &image.bytes)?;
        write_page_tables(&memory)?;
        let rights = MapFlags::READ | MapFlags::WRITE | MapFlags::EXECUTE;
        partition.map(&memory, 0, Gpa(0), MEMORY_SIZE, rights)?;
        let vp = partition.create_vp(VpIndex(0))?;
        Ok(Self { memory, vp })
    }

    /// Makes the processor stand at a loop's entry, with fresh buffers.
    fn prepare(&self, entry: u64, iterations: u64) -> anyhow::Result<()> {
        let one = 1.0f32.to_le_bytes();
        self.memory.write(BUFFERS, &one.repeat(2 * BUFFER_SIZE as usize / one.len()))?;
        let code = SegmentRegister { base: 0, limit: u32::MAX, selector: 0x08, attributes: 0xA09B };
        let data = SegmentRegister { base: 0, limit: u32::MAX, selector: 0x10, attributes: 0xC093 };
        let mut registers: Vec<(Name, RegisterValue)> = vec![
            (Name::CR3, PAGE_TABLES.into()),
            (Name::CR4, 0x620.into()),       // PAE, OSFXSR, OSXMMEXCPT
            (Name::EFER, 0x500.into()),      // LME, LMA
            (Name::CR0, 0x8001_0033.into()), // PG, WP, NE, ET, MP, PE
            (Name::CS, code.into()),
            (Name::RFLAGS, 2.into()),
            (Name::RIP, entry.into()),
            (Name::RSP, STACK.into()),
            (Name::RAX, 0.into()),
            (Name::RBX, 0.into()),
            (Name::RCX, iterations.into()),
            (Name::RDX, 0.into()),
            (Name::RDI, BUFFERS.into()),
            (Name::RSI, (BUFFERS + BUFFER_SIZE).into()),
            (Name::R8, NO_MEMORY.into()),
            (Name::R9, NO_MSR.into()),
        ];
        registers.extend([Name::DS, Name::ES, Name::SS].map(|name| (name, data.into())));
        self.vp.set_registers(&registers)?;
        Ok(())
    }

    /// Runs a loop to its end.
    fn time(&self, row: &Row, iterations: u64) -> anyhow::Result<Duration> {
        self.prepare(row.entry, iterations)?;
        let start = thread_time();
        let exit = self.vp.run()?;
        let elapsed = thread_time().saturating_sub(start);
        match exit.reason {
            ExitReason::IoPort(access) if access.port == END_PORT => Ok(elapsed),
            other => bail!("{}: unexpected exit at {:#x}: {other:?}", row.name, exit.vp.rip),
        }
    }

    /// Iterations that take about `wanted`.
    fn calibrate(&self, row: &Row, wanted: Duration) -> anyhow::Result<u64> {
        let mut iterations = 64;
        loop {
            let elapsed = self.time(row, iterations)?;
            if elapsed * 16 > wanted {
                let scale = wanted.as_secs_f64() / elapsed.as_secs_f64();
                return Ok(((iterations as f64 * scale) as u64).max(1));
            }
            iterations *= 4;
        }
    }

    /// Nanoseconds of one exit whose instruction the emulator finishes.
    fn time_emulation(&self, row: &Row, count: u32) -> anyhow::Result<f64> {
        self.prepare(row.entry, ENDLESS)?;
        let mut emulator = Emulator::new();
        let start = thread_time();
        for _ in 0..count {
            let exit = self.vp.run()?;
            emulation::finish(&mut emulator, &self.vp, &exit, &mut Zeroes)
                .with_context(|| row.name.clone())?;
        }
        Ok(thread_time().saturating_sub(start).as_secs_f64() * 1e9 / f64::from(count))
    }

    /// Lets a loop exit `count` times and answers each time; nanoseconds for one.
    fn time_exits(&self, row: &Row, count: u32) -> anyhow::Result<f64> {
        self.prepare(row.entry, ENDLESS)?;
        let skip = if let Kind::Exits { skip } = row.kind { skip } else { 0 };
        let is_cancel = row.kind == Kind::Cancel;
        let start = thread_time();
        for _ in 0..count {
            if is_cancel {
                self.vp.cancel();
            }
            let exit = self.vp.run()?;
            answer(&self.vp, &exit, skip).with_context(|| row.name.clone())?;
        }
        Ok(thread_time().saturating_sub(start).as_secs_f64() * 1e9 / f64::from(count))
    }
}

/// A bus on which everything reads zero.
struct Zeroes;

impl MmioBus for Zeroes {
    fn read(&mut self, _gpa: Gpa, data: &mut [u8]) {
        data.fill(0);
    }

    fn write(&mut self, _gpa: Gpa, _data: &[u8]) {}
}

impl PortBus for Zeroes {
    fn read(&mut self, _port: u16, data: &mut [u8]) {
        data.fill(0);
    }

    fn write(&mut self, _port: u16, _data: &[u8]) {}
}

/// Processor time of this thread: other load on the host does not count.
fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// Four page directories of 2 MiB pages for the first 4 GiB, all of it open to user mode.
fn write_page_tables(memory: &GuestMemory) -> anyhow::Result<()> {
    const TABLE: u64 = 0x7; // present, writable, user
    const LARGE_PAGE: u64 = 0x87;
    let directories = PAGE_TABLES + 0x2000;
    memory.write(PAGE_TABLES, &((PAGE_TABLES + 0x1000) | TABLE).to_le_bytes())?;
    for index in 0..4u64 {
        let entry = (directories + index * 0x1000) | TABLE;
        memory.write(PAGE_TABLES + 0x1000 + index * 8, &entry.to_le_bytes())?;
    }
    for index in 0..4 * 512u64 {
        memory.write(directories + index * 8, &((index << 21) | LARGE_PAGE).to_le_bytes())?;
    }
    Ok(())
}

/// Answers an exit the way a virtual machine monitor does: the result and the next instruction.
fn answer(vp: &Processor, exit: &Exit, skip: u64) -> anyhow::Result<()> {
    let rip = (Name::RIP, RegisterValue::from(exit.vp.rip + skip));
    let zero = RegisterValue::from(0);
    match exit.reason {
        ExitReason::IoPort(access) if access.is_write => vp.set_registers(&[rip])?,
        ExitReason::MemoryAccess(_) => vp.set_registers(&[rip, (Name::RAX, zero)])?,
        ExitReason::Msr(_) => vp.set_registers(&[rip, (Name::RAX, zero), (Name::RDX, zero)])?,
        ExitReason::Cpuid(access) => vp.set_registers(&[
            rip,
            (Name::RAX, u64::from(access.default.eax).into()),
            (Name::RBX, u64::from(access.default.ebx).into()),
            (Name::RCX, u64::from(access.default.ecx).into()),
            (Name::RDX, u64::from(access.default.edx).into()),
        ])?,
        ExitReason::Halt | ExitReason::Canceled => {}
        other => bail!("unexpected exit at {:#x}: {other:?}", exit.vp.rip),
    }
    Ok(())
}

/// Measures every class, round by round; a class that fails is left out and named in `failures`.
pub(crate) fn measure_classes(
    image: &Image,
    rounds: u32,
    quick: bool,
    failures: &mut Vec<String>,
) -> anyhow::Result<Vec<ClassResult>> {
    let machine = Machine::new(image, ExtendedVmExits::empty())?;
    let wanted = Duration::from_millis(if quick { 50 } else { 200 });
    let mut classes = Vec::new();
    for row in &image.rows {
        let Kind::Speed(unit) = row.kind else { continue };
        match machine.calibrate(row, wanted) {
            Ok(iterations) => {
                let amount = iterations as f64 * row.units as f64;
                let result =
                    ClassResult { name: row.name.clone(), unit, amount, seconds: Samples::default() };
                classes.push((row, iterations, result));
            }
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    for _ in 0..rounds {
        for (row, iterations, result) in &mut classes {
            result.seconds.push(machine.time(row, *iterations)?.as_secs_f64());
        }
    }
    Ok(classes.into_iter().map(|(_, _, result)| result).collect())
}

/// Measures every kind of exit, round by round; a kind that fails is left out and named in `failures`.
pub(crate) fn measure_exits(
    image: &Image,
    rounds: u32,
    quick: bool,
    failures: &mut Vec<String>,
) -> anyhow::Result<Vec<ExitResult>> {
    let machine = Machine::new(image, ExtendedVmExits::X64_CPUID | ExtendedVmExits::X64_MSR)?;
    let count = if quick { 20_000 } else { 200_000 };
    let mut kinds = Vec::new();
    for row in image.rows.iter().filter(|row| !matches!(row.kind, Kind::Speed(_))) {
        match machine.time_exits(row, count / 10) {
            Ok(_) => kinds.push((row, Samples::default())),
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    for _ in 0..rounds {
        for (row, nanoseconds) in &mut kinds {
            nanoseconds.push(machine.time_exits(row, count)?);
        }
    }
    let mut results: Vec<_> = kinds
        .iter()
        .map(|(row, nanoseconds)| ExitResult { name: row.name.clone(), nanoseconds: nanoseconds.clone() })
        .collect();
    for (row, _) in kinds.iter().filter(|(row, _)| row.name.starts_with("mmio") || row.name == "port") {
        let mut nanoseconds = Samples::default();
        for _ in 0..rounds {
            nanoseconds.push(machine.time_emulation(row, count)?);
        }
        results.push(ExitResult { name: format!("{}-emulated", row.name), nanoseconds });
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::Kind;
    use super::Row;
    use super::Unit;
    use super::parse_table;

    fn row(fields: [u64; 4], name: &str) -> Vec<u8> {
        let mut bytes: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
        bytes.extend_from_slice(name.as_bytes());
        bytes.resize(64, 0);
        bytes
    }

    #[test]
    fn the_table_is_read_to_its_end() {
        let mut bytes = b"OWHPBNCH".to_vec();
        bytes.extend(row([0x10_0040, 34, 0, 0], "alu"));
        bytes.extend(row([0x10_0080, 1, 2, 3], "mmio"));
        bytes.extend([0; 8]);
        let expected = vec![
            Row { name: "alu".into(), entry: 0x10_0040, units: 34, kind: Kind::Speed(Unit::Instructions) },
            Row { name: "mmio".into(), entry: 0x10_0080, units: 1, kind: Kind::Exits { skip: 3 } },
        ];
        assert_eq!(parse_table(&bytes).ok(), Some(expected));
    }

    #[test]
    fn a_table_without_an_end_is_refused() {
        let mut bytes = b"OWHPBNCH".to_vec();
        bytes.extend(row([1, 1, 0, 0], "alu"));
        assert!(parse_table(&bytes).is_err());
        assert!(parse_table(b"something").is_err());
    }
}
