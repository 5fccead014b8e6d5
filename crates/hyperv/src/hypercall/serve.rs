//! The calls themselves.

use crate::Features;
use crate::hypercall::ClientCall;
use crate::hypercall::Control;
use crate::hypercall::Flush;
use crate::hypercall::GvaRange;
use crate::hypercall::Host;
use crate::hypercall::Known;
use crate::hypercall::Outcome;
use crate::hypercall::Registers;
use crate::hypercall::RestoredTime;
use crate::hypercall::Retarget;
use crate::hypercall::Retargeted;
use crate::hypercall::Signal;
use crate::hypercall::Status;
use crate::hypercall::VpSet;
use crate::hypercall::call::FAST_XMM;
use crate::hypercall::call::result;
use crate::hypercall::code;
use crate::hypercall::register;
use crate::hypercall::register::Source;
use crate::page::PAGE_SIZE;

/// The partition and the processor that make the call.
const SELF_PARTITION: u64 = u64::MAX;
const SELF_VP: u32 = 0xFFFF_FFFE;

/// Flags of flush calls.
mod flag {
    pub(super) const ALL_PROCESSORS: u64 = 1 << 0;
    pub(super) const NON_GLOBAL_ONLY: u64 = 1 << 2;
    pub(super) const EXTENDED_RANGES: u64 = 1 << 3;
    pub(super) const KNOWN: u64 = 0xF;
}

/// Bits of an extended address range.
mod range {
    /// Pages after the first, in both formats.
    pub(super) const EXTRA: u64 = 0xFFF;
    pub(super) const EXTRA_EXTENDED: u64 = 0x7FF;
    pub(super) const IS_LARGE: u64 = 1 << 11;
    /// Of large pages: the size is 1 GiB rather than 2 MiB.
    pub(super) const IS_HUGE: u64 = 1 << 12;
    pub(super) const PAGE: u64 = !0xFFF;
    pub(super) const LARGE_PAGE: u64 = !0x1F_FFFF;
}

/// Everything a call was given.
struct Request {
    /// Header with its variable part, then the list.
    input: Vec<u8>,
    /// Where the list starts.
    list: usize,
    count: usize,
    start: usize,
}

impl Request {
    fn u32(&self, at: usize) -> u32 {
        let mut word = [0; 4];
        if let Some(bytes) = self.input.get(at..at + 4) {
            word.copy_from_slice(bytes);
        }
        u32::from_le_bytes(word)
    }

    fn u64(&self, at: usize) -> u64 {
        let mut word = [0; 8];
        if let Some(bytes) = self.input.get(at..at + 8) {
            word.copy_from_slice(bytes);
        }
        u64::from_le_bytes(word)
    }

    /// Header words from `at` up to the list.
    fn words(&self, at: usize) -> Vec<u64> {
        (at..self.list).step_by(8).map(|at| self.u64(at)).collect()
    }
}

/// How far a call came.
struct Done {
    status: Status,
    reps: usize,
    output: Vec<u8>,
}

impl Done {
    fn new(status: Status) -> Self {
        Self { status, reps: 0, output: Vec::new() }
    }
}

/// What a call came to: done, or left to the client.
type Served = Result<Done, ClientCall>;

/// Checks the control value, fetches the input, does the work and delivers the output.
pub(super) fn serve(
    features: Features,
    known: &Known,
    control: Control,
    registers: &mut Registers,
    host: &mut dyn Host,
) -> Outcome {
    let request = match fetch(known, control, registers, host) {
        Ok(request) => request,
        Err(status) => {
            registers.set_result(result(status, control.rep_start));
            return Outcome::Done;
        }
    };
    let place = match place_of_output(features, known, control, registers, &request) {
        Ok(place) => place,
        Err(Refused::Status(status)) => {
            registers.set_result(result(status, control.rep_start));
            return Outcome::Done;
        }
        Err(Refused::Undefined) => return Outcome::Undefined,
    };
    let mut done = match perform(features, known.code, &request, host) {
        Ok(done) => done,
        Err(call @ ClientCall::UnknownConnection) => {
            return Outcome::Client(call, Status::InvalidConnectionId);
        }
        Err(call) => return Outcome::Client(call, Status::InvalidDeviceId),
    };
    if !done.output.is_empty() {
        match place {
            Place::Registers(offset) => registers.set_block(offset, &done.output),
            Place::Memory(gpa) => {
                // Elements done in an earlier try keep their place.
                let gpa = gpa + (request.start * known.element_out) as u64;
                if !host.write(gpa, &done.output) {
                    done = Done::new(Status::InvalidAlignment);
                }
            }
            Place::None => {}
        }
    }
    let reps = if known.is_list() { request.start + done.reps } else { 0 };
    registers.set_result(result(done.status, reps as u16));
    Outcome::Done
}

/// Where output goes.
enum Place {
    None,
    Memory(u64),
    /// Offset in the block.
    Registers(usize),
}

enum Refused {
    Status(Status),
    Undefined,
}

fn fetch(
    known: &Known,
    control: Control,
    registers: &Registers,
    host: &mut dyn Host,
) -> Result<Request, Status> {
    let has_bad_variable = control.variable_qwords != 0 && !known.is_variable;
    let has_bad_reps = if known.is_list() {
        control.rep_start >= control.rep_count
    } else {
        control.rep_count != 0 || control.rep_start != 0
    };
    if control.has_reserved || has_bad_variable || has_bad_reps {
        return Err(Status::InvalidHypercallInput);
    }
    let count = usize::from(control.rep_count);
    let list = known.header + usize::from(control.variable_qwords) * 8;
    let length = list + count * known.element;
    let mut input = vec![0; length];
    if control.is_fast {
        let block = registers.block();
        if length > FAST_XMM {
            return Err(Status::InvalidHypercallInput);
        }
        input.copy_from_slice(&block[..length]);
    } else {
        let gpa = registers.input();
        check_span(gpa, length)?;
        if !host.read(gpa, &mut input) {
            return Err(Status::InvalidAlignment);
        }
    }
    Ok(Request { input, list, count, start: usize::from(control.rep_start) })
}

/// Parameter blocks are aligned and stay within a page.
fn check_span(gpa: u64, length: usize) -> Result<(), Status> {
    let offset = gpa as usize % PAGE_SIZE;
    if !gpa.is_multiple_of(8) || offset + length > PAGE_SIZE { Err(Status::InvalidAlignment) } else { Ok(()) }
}

fn place_of_output(
    features: Features,
    known: &Known,
    control: Control,
    registers: &Registers,
    request: &Request,
) -> Result<Place, Refused> {
    let length = known.output + request.count * known.element_out;
    if length == 0 {
        return Ok(Place::None);
    }
    if !control.is_fast {
        check_span(registers.output(), length).map_err(Refused::Status)?;
        return Ok(Place::Memory(registers.output()));
    }
    if !registers.is_64bit || !features.contains(Features::FAST_OUTPUT) {
        return Err(Refused::Undefined);
    }
    let offset = request.input.len().next_multiple_of(16);
    if offset + length > FAST_XMM {
        return Err(Refused::Status(Status::InvalidHypercallInput));
    }
    Ok(Place::Registers(offset + request.start * known.element_out))
}

fn perform(features: Features, code: u16, request: &Request, host: &mut dyn Host) -> Served {
    match code {
        code::FLUSH_SPACE | code::FLUSH_LIST | code::FLUSH_SPACE_EX | code::FLUSH_LIST_EX => {
            Ok(flush(features, code, request, host).unwrap_or_else(Done::new))
        }
        code::SEND_IPI | code::SEND_IPI_EX => {
            Ok(Done::new(send_ipi(code, request, host).err().unwrap_or(Status::Success)))
        }
        code::LONG_SPIN_WAIT => {
            host.long_spin_wait();
            Ok(Done::new(Status::Success))
        }
        code::GET_VP_REGISTERS => Ok(get_registers(request, host)),
        code::SET_VP_REGISTERS => Ok(set_registers(request, host)),
        code::SIGNAL_EVENT => signal_event(request, host),
        code::QUERY_NUMA_DISTANCE => Ok(numa_distance(request, host)),
        code::RETARGET_DEVICE_INTERRUPT => retarget(request, host),
        code::RESTORE_PARTITION_TIME => Ok(Done::new(restore_time(request, host))),
        _ => Err(ClientCall::Unhandled),
    }
}

fn flush(features: Features, code: u16, request: &Request, host: &mut dyn Host) -> Result<Done, Status> {
    let flags = request.u64(8);
    let is_extended = flags & flag::EXTENDED_RANGES != 0;
    let is_list = matches!(code, code::FLUSH_LIST | code::FLUSH_LIST_EX);
    let may_be_extended = is_list && features.contains(Features::EXTENDED_GVA_RANGES);
    if flags & !flag::KNOWN != 0 || is_extended && !may_be_extended {
        return Err(Status::InvalidParameter);
    }
    let targets = if flags & flag::ALL_PROCESSORS != 0 {
        VpSet::all()
    } else if matches!(code, code::FLUSH_SPACE_EX | code::FLUSH_LIST_EX) {
        VpSet::decode(&request.words(16))?
    } else {
        VpSet::of_mask(request.u64(16))
    };
    if !is_list {
        let is_partial = flags & flag::NON_GLOBAL_ONLY != 0;
        host.flush(&targets, if is_partial { Flush::NonGlobal } else { Flush::Everything });
        return Ok(Done::new(Status::Success));
    }
    let element = |index: usize| request.u64(request.list + index * 8);
    let decode = if is_extended { extended_range } else { plain_range };
    let ranges: Vec<GvaRange> = (request.start..request.count).map(|index| decode(element(index))).collect();
    host.flush(&targets, Flush::Ranges(&ranges));
    Ok(Done { reps: ranges.len(), ..Done::new(Status::Success) })
}

fn plain_range(bits: u64) -> GvaRange {
    GvaRange { address: bits & range::PAGE, pages: (bits & range::EXTRA) + 1 }
}

fn extended_range(bits: u64) -> GvaRange {
    let count = (bits & range::EXTRA_EXTENDED) + 1;
    if bits & range::IS_LARGE == 0 {
        return GvaRange { address: bits & range::PAGE, pages: count };
    }
    let pages_each = if bits & range::IS_HUGE != 0 { 512 * 512 } else { 512 };
    GvaRange { address: bits & range::LARGE_PAGE, pages: count * pages_each }
}

fn send_ipi(code: u16, request: &Request, host: &mut dyn Host) -> Result<(), Status> {
    let (vector, trust_level) = (request.u32(0), request.u32(4));
    let vector = u8::try_from(vector).ok().filter(|vector| *vector >= 16);
    let vector = vector.ok_or(Status::InvalidParameter)?;
    // A target level may be named if it is the only one there is.
    if trust_level & 0xF != 0 {
        return Err(Status::InvalidParameter);
    }
    let targets = if code == code::SEND_IPI {
        VpSet::of_mask(request.u64(8))
    } else {
        VpSet::decode(&request.words(8))?
    };
    host.send_ipi(&targets, vector);
    Ok(())
}

/// Registers of others are not for guests.
fn check_self(request: &Request, host: &dyn Host) -> Result<(), Status> {
    let (partition, vp, trust_level) = (request.u64(0), request.u32(8), request.u32(12));
    if partition != SELF_PARTITION {
        return Err(Status::InvalidPartitionId);
    }
    if vp != SELF_VP && vp != host.vp_index() {
        return Err(if host.has_vp(vp) { Status::AccessDenied } else { Status::InvalidVpIndex });
    }
    if trust_level & 0xF != 0 { Err(Status::InvalidParameter) } else { Ok(()) }
}

fn get_registers(request: &Request, host: &mut dyn Host) -> Done {
    let mut done = Done::new(Status::Success);
    if let Err(status) = check_self(request, host) {
        return Done::new(status);
    }
    for index in request.start..request.count {
        let value = match register::source(request.u32(request.list + index * 4)) {
            Some(Source::Leaf(function)) => {
                let words = host.leaf(function);
                words.iter().rev().fold(0, |value, word| value << 32 | u128::from(*word))
            }
            Some(Source::Msr(msr)) => match host.read_msr(msr) {
                Some(value) => u128::from(value),
                None => return Done { status: Status::AccessDenied, ..done },
            },
            None => return Done { status: Status::InvalidParameter, ..done },
        };
        done.output.extend(value.to_le_bytes());
        done.reps += 1;
    }
    done
}

fn set_registers(request: &Request, host: &mut dyn Host) -> Done {
    let mut done = Done::new(Status::Success);
    if let Err(status) = check_self(request, host) {
        return Done::new(status);
    }
    for index in request.start..request.count {
        let at = request.list + index * 32;
        done.status = match register::source(request.u32(at)) {
            Some(Source::Msr(msr)) if host.write_msr(msr, request.u64(at + 16)) => Status::Success,
            Some(Source::Msr(_)) => Status::InvalidRegisterValue,
            Some(Source::Leaf(_)) => Status::AccessDenied,
            None => Status::InvalidParameter,
        };
        if done.status != Status::Success {
            break;
        }
        done.reps += 1;
    }
    done
}

fn signal_event(request: &Request, host: &mut dyn Host) -> Served {
    let (connection, flag) = (request.u32(0), request.u32(4) as u16);
    match host.signal_event(connection, flag) {
        Signal::Done => Ok(Done::new(Status::Success)),
        Signal::BadFlag => Ok(Done::new(Status::InvalidParameter)),
        Signal::Unknown => Err(ClientCall::UnknownConnection),
    }
}

fn numa_distance(request: &Request, host: &mut dyn Host) -> Done {
    match host.numa_distance(request.u32(0), request.u32(4)) {
        Some(distance) => Done { output: distance.to_le_bytes().to_vec(), ..Done::new(Status::Success) },
        None => Done::new(Status::InvalidParameter),
    }
}

fn retarget(request: &Request, host: &mut dyn Host) -> Served {
    const SOURCE_MSI: u32 = 1;
    const MULTICAST: u32 = 1;
    const PROCESSOR_SET: u32 = 2;
    if request.u64(0) != SELF_PARTITION {
        return Ok(Done::new(Status::InvalidPartitionId));
    }
    let flags = request.u32(44);
    let targets = if flags & PROCESSOR_SET != 0 {
        VpSet::decode(&request.words(48))
    } else {
        Ok(VpSet::of_mask(request.u64(48)))
    };
    let targets = match targets {
        Ok(targets) if request.u32(16) == SOURCE_MSI => targets,
        Ok(_) => return Ok(Done::new(Status::InvalidParameter)),
        Err(status) => return Ok(Done::new(status)),
    };
    let wanted = Retarget {
        device: request.u64(8),
        address: request.u32(24),
        data: request.u32(28),
        vector: request.u32(40),
        is_multicast: flags & MULTICAST != 0,
        targets,
    };
    match host.retarget(&wanted) {
        Retargeted::Done => Ok(Done::new(Status::Success)),
        Retargeted::Refused => Ok(Done::new(Status::InvalidParameter)),
        Retargeted::UnknownDevice => Err(ClientCall::UnknownDevice),
    }
}

fn restore_time(request: &Request, host: &mut dyn Host) -> Status {
    if request.u64(0) != SELF_PARTITION {
        return Status::InvalidPartitionId;
    }
    let (sequence, reference_100ns, tsc) = (request.u32(8), request.u64(16), request.u64(24));
    host.restore_time(RestoredTime { sequence, reference_100ns, tsc });
    Status::Success
}
