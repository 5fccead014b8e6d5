use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A host that remembers what it was asked for.
#[derive(Default)]
struct Recorder {
    memory: BTreeMap<u64, Vec<u8>>,
    log: Vec<String>,
    msrs: BTreeMap<u32, u64>,
}

impl Host for Recorder {
    fn read(&mut self, gpa: u64, data: &mut [u8]) -> bool {
        let Some(page) = self.memory.get(&(gpa & !0xFFF)) else { return false };
        let at = (gpa & 0xFFF) as usize;
        data.copy_from_slice(&page[at..at + data.len()]);
        true
    }

    fn write(&mut self, gpa: u64, data: &[u8]) -> bool {
        let Some(page) = self.memory.get_mut(&(gpa & !0xFFF)) else { return false };
        let at = (gpa & 0xFFF) as usize;
        page[at..at + data.len()].copy_from_slice(data);
        true
    }

    fn vp_index(&self) -> u32 {
        1
    }

    fn has_vp(&self, index: u32) -> bool {
        index < 4
    }

    fn flush(&mut self, targets: &VpSet, flush: Flush<'_>) {
        let who: Vec<u32> = (0..200).filter(|index| targets.contains(*index)).collect();
        let who = if targets.is_all() { "all".to_string() } else { format!("{who:?}") };
        self.log.push(match flush {
            Flush::Everything => format!("flush {who}"),
            Flush::NonGlobal => format!("flush non-global {who}"),
            Flush::Ranges(ranges) => {
                let ranges: Vec<String> =
                    ranges.iter().map(|range| format!("{:x}+{}", range.address, range.pages)).collect();
                format!("flush {} {who}", ranges.join(","))
            }
        });
    }

    fn send_ipi(&mut self, targets: &VpSet, vector: u8) {
        let who: Vec<u32> = (0..200).filter(|index| targets.contains(*index)).collect();
        self.log.push(format!("ipi {vector:#x} {who:?}"));
    }

    fn long_spin_wait(&mut self) {
        self.log.push("spin".into());
    }

    fn signal_event(&mut self, connection: u32, flag: u16) -> Signal {
        self.log.push(format!("signal {connection} {flag}"));
        match (connection, flag) {
            (9, 0) => Signal::Done,
            (9, _) => Signal::BadFlag,
            _ => Signal::Unknown,
        }
    }

    fn leaf(&mut self, function: u32) -> [u32; 4] {
        [function, 1, 2, 3]
    }

    fn read_msr(&mut self, index: u32) -> Option<u64> {
        self.msrs.get(&index).copied()
    }

    fn write_msr(&mut self, index: u32, value: u64) -> bool {
        self.msrs.insert(index, value);
        value != 0xBAD
    }

    fn numa_distance(&mut self, from: u32, to: u32) -> Option<u64> {
        (from == 0 && to == 0).then_some(10)
    }

    fn retarget(&mut self, retarget: &Retarget) -> Retargeted {
        self.log.push(format!("retarget {:x} vector {}", retarget.device, retarget.vector));
        match (retarget.device, retarget.vector) {
            (5, 15) => Retargeted::Refused,
            (5, _) => Retargeted::Done,
            _ => Retargeted::UnknownDevice,
        }
    }

    fn restore_time(&mut self, time: RestoredTime) {
        self.log.push(format!("{time:?}"));
    }
}

const ALL: Features = Features::IMPLEMENTED;
const IN: u64 = 0x1000;
const OUT: u64 = 0x2000;

fn words(words: &[u64]) -> Vec<u8> {
    let mut page: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    page.resize(4096, 0);
    page
}

fn control(code: u16) -> Control {
    Control { code, is_fast: false, variable_qwords: 0, rep_count: 0, rep_start: 0, has_reserved: false }
}

/// Runs a call from memory; gives result value, host and outcome.
fn memory_call(control: Control, input: &[u64]) -> (u64, Recorder, Outcome) {
    let mut host = Recorder::default();
    host.memory.insert(IN, words(input));
    host.memory.insert(OUT, vec![0; 4096]);
    for (index, value) in [(0x4000_0002, 1), (0x4000_0020, 777)] {
        host.msrs.insert(index, value);
    }
    let mut registers =
        Registers { is_64bit: true, rcx: control.encode(), rdx: IN, r8: OUT, ..Registers::default() };
    let outcome = dispatch(ALL, &mut registers, &mut host);
    (registers.rax, host, outcome)
}

fn fast_call(code: u16, rdx: u64, r8: u64) -> (u64, Recorder, Outcome) {
    let mut host = Recorder::default();
    let rcx = Control { is_fast: true, ..control(code) }.encode();
    let mut registers = Registers { is_64bit: true, rcx, rdx, r8, ..Registers::default() };
    let outcome = dispatch(ALL, &mut registers, &mut host);
    (registers.rax, host, outcome)
}

#[test]
fn spin_waits_always_succeed() {
    let (result, host, outcome) = fast_call(code::LONG_SPIN_WAIT, 5, 0);
    assert_eq!((result, outcome), (0, Outcome::Done));
    assert_eq!(host.log, ["spin"]);
}

#[test]
fn unknown_calls_and_missing_features_are_the_clients_business() {
    let unhandled = |status| Outcome::Client(ClientCall::Unhandled, status);
    assert_eq!(fast_call(0x99, 0, 0).2, unhandled(Status::InvalidHypercallCode));
    assert_eq!(fast_call(code::POST_MESSAGE, 0, 0).2, unhandled(Status::AccessDenied));
    for known in &CALLS {
        let mut host = Recorder::default();
        let rcx = Control { is_fast: true, ..control(known.code) }.encode();
        let mut registers = Registers { is_64bit: true, rcx, ..Registers::default() };
        let outcome = dispatch(ALL - known.needs, &mut registers, &mut host);
        assert_eq!((outcome, registers.rcx), (unhandled(Status::AccessDenied), rcx));
        assert!(host.log.is_empty());
    }
}

#[test]
fn flushes_name_processors_and_what_to_drop() {
    let (result, host, _) = memory_call(control(code::FLUSH_SPACE), &[0, 2, 0b110]);
    assert_eq!((result, host.log), (0, vec!["flush [1, 2]".into()]));
    let (_, host, _) = memory_call(control(code::FLUSH_SPACE), &[0, 1 | 4, 0]);
    assert_eq!(host.log, ["flush non-global all"]);
    let (result, host, _) = memory_call(control(code::FLUSH_SPACE), &[0, 1 << 4, 1]);
    assert_eq!((result, host.log.len()), (5, 0));
}

#[test]
fn flush_lists_report_their_repetitions() {
    let list = Control { rep_count: 3, ..control(code::FLUSH_LIST) };
    let input = [0, 0, 1, 0x5000, 0x7000 | 2, 0x9000 | 0xFFF];
    let (result, host, _) = memory_call(list, &input);
    assert_eq!((result, host.log), (3 << 32, vec!["flush 5000+1,7000+3,9000+4096 [0]".into()]));
    let rest = Control { rep_start: 2, ..list };
    let (result, host, _) = memory_call(rest, &input);
    assert_eq!((result, host.log), (3 << 32, vec!["flush 9000+4096 [0]".into()]));
}

#[test]
fn extended_ranges_need_their_flag_and_feature() {
    let list = Control { rep_count: 3, ..control(code::FLUSH_LIST) };
    let input = [0, 8, 1, 0x5000 | 1, 0x20_0000 | 1 << 11, 0x4000_0000 | 3 << 11 | 1];
    let (_, host, _) = memory_call(list, &input);
    assert_eq!(host.log, ["flush 5000+2,200000+512,40000000+524288 [0]"]);
    let mut host = Recorder::default();
    host.memory.insert(IN, words(&input));
    let mut registers = Registers { is_64bit: true, rcx: list.encode(), rdx: IN, ..Registers::default() };
    let _ = dispatch(ALL - Features::EXTENDED_GVA_RANGES, &mut registers, &mut host);
    assert_eq!((registers.rax & 0xFFFF, host.log.len()), (5, 0));
}

#[test]
fn sparse_flushes_take_a_variable_header() {
    let call = Control { variable_qwords: 2, ..control(code::FLUSH_SPACE_EX) };
    let (result, host, _) = memory_call(call, &[0, 0, 0, 0b11, 1, 2]);
    assert_eq!((result, host.log), (0, vec!["flush [0, 65]".into()]));
    let call = Control { variable_qwords: 1, rep_count: 1, ..control(code::FLUSH_LIST_EX) };
    let (result, host, _) = memory_call(call, &[0, 0, 0, 1, 4, 0x8000]);
    assert_eq!((result, host.log), (1 << 32, vec!["flush 8000+1 [2]".into()]));
    let (result, ..) = memory_call(control(code::FLUSH_SPACE_EX), &[0, 0, 0, 1]);
    assert_eq!(result, 3);
}

#[test]
fn ipis_go_to_masks_and_sets() {
    let (result, host, _) = fast_call(code::SEND_IPI, 0xEC, 0b1001);
    assert_eq!((result, host.log), (0, vec!["ipi 0xec [0, 3]".into()]));
    for vector in [15, 256] {
        assert_eq!(fast_call(code::SEND_IPI, vector, 1).0, 5);
    }
    let call = Control { variable_qwords: 1, ..control(code::SEND_IPI_EX) };
    let (result, host, _) = memory_call(call, &[0x40, 0, 1 << 1, 1]);
    assert_eq!((result, host.log), (0, vec!["ipi 0x40 [64]".into()]));
}

#[test]
fn long_fast_input_continues_in_vector_registers() {
    let mut host = Recorder::default();
    let call = Control { is_fast: true, variable_qwords: 1, ..control(code::SEND_IPI_EX) };
    let mut registers =
        Registers { is_64bit: true, rcx: call.encode(), rdx: 0x41, r8: 0, ..Registers::default() };
    registers.xmm[0] = 5 << 64 | 1;
    let outcome = dispatch(ALL, &mut registers, &mut host);
    assert_eq!((outcome, registers.rax, host.log), (Outcome::Done, 0, vec!["ipi 0x41 [0, 2]".into()]));
}

#[test]
fn registers_of_the_caller_can_be_read() {
    let call = Control { rep_count: 3, ..control(code::GET_VP_REGISTERS) };
    let names = [u64::MAX, 0xFFFF_FFFE, 0x9_0003 | 0x9_0004 << 32, 0x200];
    let (result, host, _) = memory_call(call, &names);
    assert_eq!(result, 3 << 32);
    let page = &host.memory[&OUT];
    assert_eq!((page[0], page[16..18].to_vec(), page[32..36].to_vec()), (1, vec![9, 3], vec![3, 0, 0, 0x40]));
    let (result, ..) = memory_call(call, &[u64::MAX, 2, 0, 0]);
    assert_eq!(result, Status::AccessDenied as u64);
    let (result, ..) = memory_call(call, &[u64::MAX, 99, 0, 0]);
    assert_eq!(result, Status::InvalidVpIndex as u64);
    let (result, ..) = memory_call(call, &[7, 1, 0, 0]);
    assert_eq!(result, Status::InvalidPartitionId as u64);
    let (result, ..) = memory_call(call, &[u64::MAX, 1, 0x9_0003 | 0x1234 << 32, 0]);
    assert_eq!(result, 1 << 32 | Status::InvalidParameter as u64);
}

#[test]
fn fast_output_follows_the_input() {
    let mut host = Recorder::default();
    host.msrs.insert(0x4000_0002, 0x77);
    let call = Control { is_fast: true, rep_count: 1, ..control(code::GET_VP_REGISTERS) };
    let mut registers = Registers {
        is_64bit: true,
        rcx: call.encode(),
        rdx: u64::MAX,
        r8: 0xFFFF_FFFE,
        ..Registers::default()
    };
    registers.xmm[0] = 0x9_0003;
    let mut plain = registers;
    assert_eq!(dispatch(ALL, &mut registers, &mut host), Outcome::Done);
    assert_eq!((registers.rax, registers.xmm[0], registers.xmm[1]), (1 << 32, 0x9_0003, 0x77));
    assert_eq!(dispatch(ALL - Features::FAST_OUTPUT, &mut plain, &mut host), Outcome::Undefined);
}

#[test]
fn registers_of_the_caller_can_be_written() {
    let call = Control { rep_count: 2, ..control(code::SET_VP_REGISTERS) };
    let input = [u64::MAX, 1, 0xA_0002, 0, 0x10040, 0, 0xA_0003, 0, 0xBAD, 0];
    let (result, host, _) = memory_call(call, &input);
    assert_eq!(result, 1 << 32 | Status::InvalidRegisterValue as u64);
    assert_eq!(host.msrs[&0x4000_0092], 0x10040);
}

#[test]
fn signals_to_unknown_connections_are_the_clients_business() {
    assert_eq!(fast_call(code::SIGNAL_EVENT, 9, 0).0, 0);
    assert_eq!(fast_call(code::SIGNAL_EVENT, 9 | 3 << 32, 0).0, 5);
    let (_, host, outcome) = fast_call(code::SIGNAL_EVENT, 8, 0);
    let unknown = Outcome::Client(ClientCall::UnknownConnection, Status::InvalidConnectionId);
    assert_eq!((outcome, host.log), (unknown, vec!["signal 8 0".into()]));
}

#[test]
fn unknown_devices_are_the_clients_business() {
    let input = |device, vector| [u64::MAX, device, 1, 2 << 32 | 1, 0, vector, 1];
    let (result, host, outcome) = memory_call(control(code::RETARGET_DEVICE_INTERRUPT), &input(5, 0x55));
    assert_eq!((result, outcome, host.log), (0, Outcome::Done, vec!["retarget 5 vector 85".into()]));
    let (result, ..) = memory_call(control(code::RETARGET_DEVICE_INTERRUPT), &input(5, 15));
    assert_eq!(result, Status::InvalidParameter as u64);
    let (.., outcome) = memory_call(control(code::RETARGET_DEVICE_INTERRUPT), &input(6, 0x55));
    assert_eq!(outcome, Outcome::Client(ClientCall::UnknownDevice, Status::InvalidDeviceId));
}

#[test]
fn time_and_distances_have_their_calls() {
    let (result, host, _) = memory_call(control(code::RESTORE_PARTITION_TIME), &[u64::MAX, 4, 100, 200]);
    let expected = format!("{:?}", RestoredTime { sequence: 4, reference_100ns: 100, tsc: 200 });
    assert_eq!((result, host.log), (0, vec![expected]));
    let (result, host, _) = memory_call(control(code::QUERY_NUMA_DISTANCE), &[0]);
    assert_eq!((result, host.memory[&OUT][0]), (0, 10));
    assert_eq!(memory_call(control(code::QUERY_NUMA_DISTANCE), &[1]).0, 5);
}

#[test]
fn malformed_control_values_are_refused() {
    let refused = |call: Control, extra: u64| {
        let mut host = Recorder::default();
        host.memory.insert(IN, words(&[0; 8]));
        let rcx = call.encode() | extra;
        let mut registers = Registers { is_64bit: true, rcx, rdx: IN, r8: OUT, ..Registers::default() };
        assert_eq!(dispatch(ALL, &mut registers, &mut host), Outcome::Done);
        assert!(host.log.is_empty());
        registers.rax & 0xFFFF
    };
    let space = control(code::FLUSH_SPACE);
    let list = control(code::FLUSH_LIST);
    assert_eq!(refused(space, 1 << 27), 3);
    assert_eq!(refused(space, 1 << 60), 3);
    assert_eq!(refused(Control { rep_count: 1, ..space }, 0), 3);
    assert_eq!(refused(Control { variable_qwords: 1, ..space }, 0), 3);
    assert_eq!(refused(list, 0), 3);
    assert_eq!(refused(Control { rep_count: 2, rep_start: 2, ..list }, 0), 3);
    assert_eq!(refused(Control { rep_count: 600, ..list }, 0), 4);
    assert_eq!(refused(Control { is_fast: true, rep_count: 100, ..list }, 0), 3);
}

#[test]
fn blocks_must_be_aligned_present_and_within_a_page() {
    let status = |rdx: u64| {
        let mut host = Recorder::default();
        host.memory.insert(IN, words(&[0; 8]));
        let rcx = control(code::FLUSH_SPACE).encode();
        let mut registers = Registers { is_64bit: true, rcx, rdx, ..Registers::default() };
        let _ = dispatch(ALL, &mut registers, &mut host);
        registers.rax
    };
    assert_eq!((status(IN), status(IN + 4), status(IN + 4080), status(0x9000)), (0, 4, 4, 4));
}

#[test]
fn calls_are_counted_by_kind() {
    assert_eq!(class(code::FLUSH_LIST_EX), Class::VirtualMmu);
    assert_eq!(class(code::POST_MESSAGE), Class::SyntheticInterrupt);
    assert_eq!(class(code::SEND_IPI), Class::VirtualInterrupt);
    assert_eq!(class(0x99), Class::Other);
}

proptest! {
    /// Whatever a guest puts into registers and memory: an answer, and no panic.
    #[test]
    fn any_call_has_an_answer(
        code in prop::sample::select(CALLS.iter().map(|known| known.code).collect::<Vec<_>>()),
        is_fast: bool, is_64bit: bool, variable_qwords in 0_u16..6, rep_count in 0_u16..8, rep_start in 0_u16..8,
        input in prop::collection::vec(any::<u64>(), 0..32), xmm: [u128; 6], r8: u64, features: u64,
    ) {
        let call = Control { code, is_fast, variable_qwords, rep_count, rep_start, has_reserved: false };
        let mut host = Recorder::default();
        host.memory.insert(IN, words(&input));
        let value = call.encode();
        let mut registers = Registers { is_64bit, rcx: value, rdx: IN, r8, xmm, ..Registers::default() };
        if !is_64bit {
            registers = Registers {
                rax: value & 0xFFFF_FFFF, rdx: value >> 32, rbx: 0, rcx: IN, rsi: r8, rdi: r8, ..registers
            };
        }
        let features = Features::from_bits_truncate(features);
        let before = registers;
        match dispatch(features, &mut registers, &mut host) {
            Outcome::Done => {
                let result = if is_64bit { registers.rax } else { registers.rdx << 32 | registers.rax };
                prop_assert!((result >> 32) as u16 <= rep_count.max(rep_start));
            }
            _ => prop_assert_eq!(registers, before),
        }
    }
}
