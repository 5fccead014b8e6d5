//! The calls: one arm per function, arguments from the input.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::ptr::without_provenance_mut;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use openwhp_abi::hresult::E_FAIL;
use openwhp_abi::hresult::E_UNEXPECTED;
use openwhp_abi::hresult::HRESULT;
use openwhp_abi::hresult::S_OK;
use openwhp_abi::windows::DEVICE_POWER_STATE;
use openwhp_abi::x64::*;
use rustix::mm::MprotectFlags;
use zerocopy::FromZeros;
use zerocopy::IntoBytes;

use super::emulator;
use super::guest;
use super::input::Generator;
use super::input::Input;
use super::notify::Handles;
use super::watchdog::Watchdog;
use crate::Api;
use crate::Engine;
use crate::Memory;
use crate::call;
use crate::machine::flat_segment;
use crate::machine::word;

/// Bytes that any buffer argument may have.
const SCRATCH: usize = 0x3000;
/// Memory that partitions may map: the first quarter accessible, the rest reserved.
const GUEST: u64 = 0x40_0000;
/// Random code at the start of guest memory.
const CODE: u64 = 0x1_0000;
/// Page tables for long mode: three levels, 2 MiB pages, one to one, and the APIC's page in a page of 1 GiB.
const TABLES: u64 = 0x8_0000;
/// Gates of long mode: vector n leads to n * 0x80.
const GATES: u64 = 0x8_8000;
/// Gates of protected mode, the same.
const SHORT_GATES: u64 = 0x8_9000;
/// Descriptors: null, long code, data, code, user data, user code, task state.
const DESCRIPTORS: u64 = 0x8_A000;
/// A task-state segment.
const TASK: u64 = 0x8_B000;
/// Partitions kept at a time.
const PARTITIONS: usize = 3;
/// Registers in one call.
const REGISTERS: usize = 40;

/// Partitions and memory that a sequence of calls works on.
pub(super) struct Session<'a> {
    engine: &'a Engine,
    watchdog: &'a Watchdog,
    partitions: Mutex<Vec<usize>>,
    memory: Memory,
    handles: Mutex<Handles>,
}

// SAFETY: the memory is only accessed by copies through raw pointers, and outlives the partitions.
unsafe impl Sync for Session<'_> {}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        for partition in self.lock().drain(..) {
            let _ = call!(self.engine.api, WHvDeletePartition(without_provenance_mut(partition)));
        }
    }
}

impl<'a> Session<'a> {
    pub(super) fn new(engine: &'a Engine, watchdog: &'a Watchdog, seed: u64) -> Self {
        let memory = Memory::protected(GUEST, rustix::mm::ProtFlags::empty());
        memory.protect_part(GUEST / 4, MprotectFlags::READ | MprotectFlags::WRITE);
        memory.write(0, &guest::code(&mut Generator::new(seed), CODE as usize));
        memory.write_u64(TABLES, TABLES + 0x1007);
        memory.write_u64(TABLES + 0x1000, TABLES + 0x2007);
        memory.write_u64(TABLES + 0x1018, 0xC000_0087);
        for entry in 0..512 {
            memory.write_u64(TABLES + 0x2000 + entry * 8, entry << 21 | 0x87);
        }
        for vector in 0..256 {
            let target = vector * 0x80;
            memory.write_u64(GATES + vector * 16, target | 8 << 16 | 0xEE00 << 32);
            memory.write_u64(SHORT_GATES + vector * 8, target | 0x18 << 16 | 0xEE00 << 32);
        }
        let descriptors = [
            0,
            0x00AF_9B00_0000_FFFF,
            0x00CF_9300_0000_FFFF,
            0x00CF_9B00_0000_FFFF,
            0x00CF_F300_0000_FFFF,
            0x00AF_FB00_0000_FFFF,
            0x0000_8B00_0000_0067 | TASK << 16,
        ];
        for (place, descriptor) in (DESCRIPTORS..).step_by(8).zip(descriptors) {
            memory.write_u64(place, descriptor);
        }
        memory.write_u64(TASK + 4, 0x7800);
        Self { engine, watchdog, partitions: Mutex::default(), memory, handles: Mutex::default() }
    }

    /// The functions under test.
    pub(super) fn api(&self) -> Api {
        self.engine.api
    }

    /// What earlier calls gave.
    pub(super) fn handles(&self) -> MutexGuard<'_, Handles> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<usize>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A handle: mostly of a living partition.
    pub(super) fn partition(&self, input: &mut Input<'_>) -> WHV_PARTITION_HANDLE {
        if input.once_in(40) {
            return without_provenance_mut(input.long() as usize);
        }
        let partitions = self.lock();
        match partitions.len() {
            0 => null_mut(),
            count => without_provenance_mut(partitions[input.byte() as usize % count]),
        }
    }

    /// Makes one call.
    pub(super) fn call(&self, input: &mut Input<'_>) {
        type Kind<'s, 'i> = (&'static str, fn(&Session<'s>, &mut Input<'i>) -> HRESULT);
        let (name, make): Kind<'_, '_> = match input.below(100) {
            0..8 => ("life", Self::life),
            8..20 => ("configure", Self::configure),
            20..34 => ("map", Self::map),
            34..42 => ("access", Self::access),
            42..50 => ("processor", Self::processor),
            50..60 => ("run", Self::run),
            60..73 => ("registers", Self::registers),
            73..80 => ("state", Self::state),
            80..86 => ("interrupt", Self::interrupt),
            86..88 => ("poke", Self::poke),
            88..97 => ("notify", Self::notify),
            97 => ("emulate", |_, input| emulator::emulate(input)),
            _ => ("device", Self::device),
        };
        self.watchdog.note(name);
        let result = make(self, input);
        assert!(result != E_FAIL && result != E_UNEXPECTED, "an internal failure: {result:?}");
    }

    fn life(&self, input: &mut Input<'_>) -> HRESULT {
        let api = self.engine.api;
        match input.byte() % 8 {
            0..3 => self.create(input),
            3 => {
                let partition = self.partition(input);
                call!(api, WHvSetupPartition(partition))
            }
            4 if input.once_in(3) => {
                let partition = self.partition(input);
                // The handle is kept: later calls use it after its end.
                call!(api, WHvDeletePartition(partition))
            }
            5 => call!(api, WHvResetPartition(self.partition(input))),
            6 => call!(api, WHvSuspendPartitionTime(self.partition(input))),
            _ => call!(api, WHvResumePartitionTime(self.partition(input))),
        }
    }

    /// A new partition, mostly ready to run.
    fn create(&self, input: &mut Input<'_>) -> HRESULT {
        let api = self.engine.api;
        if self.lock().len() >= PARTITIONS && !input.once_in(4) {
            return S_OK;
        }
        let partition = self.engine.create();
        let mut partitions = self.lock();
        if partitions.len() >= PARTITIONS {
            let oldest = without_provenance_mut(partitions.remove(0));
            let _ = call!(api, WHvDeletePartition(oldest));
        }
        partitions.push(partition as usize);
        drop(partitions);
        if input.once_in(5) {
            return S_OK;
        }
        let count = 1 + input.below(4);
        self.set(partition, WHvPartitionPropertyCodeProcessorCount, count.as_bytes());
        self.set(partition, WHvPartitionPropertyCodeLocalApicEmulationMode, input.below(3).as_bytes());
        if !input.once_in(4) {
            let all = self.engine.capability(WHvCapabilityCodeSyntheticProcessorFeaturesBanks)[1];
            let some = if input.once_in(4) { all & input.long() } else { all };
            self.set(
                partition,
                WHvPartitionPropertyCodeSyntheticProcessorFeaturesBanks,
                [1, some].as_bytes(),
            );
        }
        let exits = input.long() & 0x7FFF;
        self.set(partition, WHvPartitionPropertyCodeExtendedVmExits, exits.as_bytes());
        let result = call!(api, WHvSetupPartition(partition));
        for index in 0..count {
            let _ = call!(api, WHvCreateVirtualProcessor(partition, index, 0));
            self.enter(partition, index, input);
        }
        let source = self.memory.address();
        let _ = call!(api, WHvMapGpaRange(partition, source, 0, GUEST / 4, WHV_MAP_GPA_RANGE_FLAGS(7)));
        result
    }

    /// Puts a processor into a mode in which it executes the random code.
    fn enter(&self, partition: WHV_PARTITION_HANDLE, vp: u32, input: &mut Input<'_>) -> HRESULT {
        let selector = |index: u64, attributes| flat_segment((index * 8) as u16, 0, u32::MAX, attributes);
        let (code, control, efer, flags) = input.pick(&[
            (flat_segment(0, 0, 0xFFFF, 0x9B), 0x6000_0010, 0, 0),
            (selector(3, 0xC09B), 0x11, 0, 0),
            (selector(3, 0xC09B), 0x8000_0011, 0xD00, 0), // compatibility mode
            (selector(1, 0xA09B), 0x8000_0033, 0xD01, 0),
            (selector(1, 0xA09B), 0x8001_0033, 0xD01, 0),
            (flat_segment(0x2B, 0, u32::MAX, 0xA0FB), 0x8000_0033, 0xD01, 0), // level 3
            (flat_segment(0, 0, 0xFFFF, 0xFB), 0x11, 0, 0x2_3000),            // virtual-8086
        ]);
        let is_long = efer & 0x400 != 0;
        let is_virtual = flags != 0;
        let level = if is_virtual { 3 } else { code.Segment().Attributes() >> 5 & 3 };
        let data = match level {
            _ if is_virtual => flat_segment(0, 0, 0xFFFF, 0xF3),
            3 => flat_segment(0x23, 0, u32::MAX, 0xC0F3),
            _ => selector(2, 0xC093),
        };
        let table = |base: u64, limit: u16| {
            let mut value = WHV_REGISTER_VALUE::default();
            value.set_Table(WHV_X64_TABLE_REGISTER { Base: base, Limit: limit, ..Default::default() });
            value
        };
        let gates = match (control & 1, is_long) {
            (0, _) => table(0, 0x3FF),
            (_, false) => table(SHORT_GATES, 0x7FF),
            _ => table(GATES, 0xFFF),
        };
        let pairs = [
            (WHvX64RegisterCr3, word(TABLES)),
            (WHvX64RegisterCr4, word(if input.once_in(2) { 0x620 } else { 0x4_0620 })),
            (WHvX64RegisterEfer, word(efer)),
            (WHvX64RegisterCr0, word(control)),
            (WHvX64RegisterCs, code),
            (WHvX64RegisterSs, data),
            (WHvX64RegisterDs, data),
            (WHvX64RegisterEs, data),
            (WHvX64RegisterTr, flat_segment(0x30, TASK, 0x67, 0x8B)),
            (WHvX64RegisterGdtr, table(DESCRIPTORS, 0x3F)),
            (WHvX64RegisterIdtr, gates),
            (WHvX64RegisterRsp, word(0x7000)),
            (WHvX64RegisterRflags, word(flags | if input.once_in(2) { 0x2 } else { 0x202 })),
            (WHvX64RegisterRip, word(u64::from(input.below(CODE as u32 - 1)))),
        ];
        let (names, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let (list, count, first) = (names.as_ptr(), names.len() as u32, values.as_ptr());
        call!(self.engine.api, WHvSetVirtualProcessorRegisters(partition, vp, list, count, first))
    }

    fn set(
        &self,
        partition: WHV_PARTITION_HANDLE,
        code: WHV_PARTITION_PROPERTY_CODE,
        value: &[u8],
    ) -> HRESULT {
        let (start, size) = (value.as_ptr().cast(), value.len() as u32);
        call!(self.engine.api, WHvSetPartitionProperty(partition, code, start, size))
    }

    fn configure(&self, input: &mut Input<'_>) -> HRESULT {
        let api = self.engine.api;
        let partition = self.partition(input);
        let mut buffer = Buffer::new(input);
        let mut written = 0;
        match input.byte() % 8 {
            0 => {
                let code = WHV_CAPABILITY_CODE(code_of(input, WHV_CAPABILITY_CODE::ENUMERATION.members));
                call!(api, WHvGetCapability(code, buffer.start(), buffer.size(), &raw mut written))
            }
            1 | 2 => {
                let members = WHV_PARTITION_PROPERTY_CODE::ENUMERATION.members;
                let code = WHV_PARTITION_PROPERTY_CODE(code_of(input, members));
                let (start, size) = (buffer.start(), buffer.size());
                call!(api, WHvGetPartitionProperty(partition, code, start, size, &raw mut written))
            }
            _ => {
                let members = WHV_PARTITION_PROPERTY_CODE::ENUMERATION.members;
                let code = WHV_PARTITION_PROPERTY_CODE(code_of(input, members));
                // Lists of some entries and scalars with edge values are likelier than noise.
                let entry = input.pick(&[4, 8, 16, 24, 32, 48]);
                buffer.shorten(entry * (1 + input.below(3)));
                if input.once_in(2) {
                    buffer.store(0, input.long());
                }
                call!(api, WHvSetPartitionProperty(partition, code, buffer.start(), buffer.size()))
            }
        }
    }

    /// A guest address: mostly inside what is usually mapped, mostly of a page.
    fn gpa(input: &mut Input<'_>) -> u64 {
        match input.byte() % 4 {
            0 => input.long(),
            1 => u64::from(input.below(0x2000)) << 12 | u64::from(input.below(0x1000)),
            _ => u64::from(input.below(0x400)) << 12,
        }
    }

    fn map(&self, input: &mut Input<'_>) -> HRESULT {
        let api = self.engine.api;
        let partition = self.partition(input);
        let gpa = Self::gpa(input);
        let offset = u64::from(input.below((GUEST >> 12) as u32)) << 12;
        let room = GUEST - offset;
        let size = if input.once_in(8) { input.long() } else { u64::from(1 + input.below(64)) << 12 };
        if input.once_in(3) {
            return call!(api, WHvUnmapGpaRange(partition, gpa, size));
        }
        let source = match input.byte() % 16 {
            0 => null_mut(),
            1 => self.memory.address().wrapping_byte_add(offset as usize + 1),
            _ => self.memory.address().wrapping_byte_add(offset as usize),
        };
        let size = size.min(room);
        let flags = WHV_MAP_GPA_RANGE_FLAGS(if input.once_in(8) { input.word() } else { input.below(16) });
        if input.once_in(4) {
            let process = without_provenance_mut(match input.byte() % 4 {
                0 => 0,
                1 => usize::MAX,
                _ => 0x4000_0000 | input.long() as usize,
            });
            return call!(api, WHvMapGpaRange2(partition, process, source, gpa, size, flags));
        }
        call!(api, WHvMapGpaRange(partition, source, gpa, size, flags))
    }

    fn access(&self, input: &mut Input<'_>) -> HRESULT {
        let api = self.engine.api;
        let partition = self.partition(input);
        let gpa = Self::gpa(input);
        let vp = index(input);
        let mut buffer = Buffer::new(input);
        let mut controls = WHV_ACCESS_GPA_CONTROLS::default();
        if input.once_in(4) {
            controls.set_AsUINT64(input.long());
        }
        match input.byte() % 5 {
            0 => {
                buffer.shorten(input.below(20));
                call!(api, WHvReadGpaRange(partition, vp, gpa, controls, buffer.start(), buffer.size()))
            }
            1 => {
                buffer.shorten(input.below(20));
                call!(api, WHvWriteGpaRange(partition, vp, gpa, controls, buffer.start(), buffer.size()))
            }
            2 => {
                let size = if input.once_in(4) { input.long() } else { u64::from(input.below(1024)) << 12 };
                let (start, bytes) = (buffer.start().cast(), buffer.size());
                call!(api, WHvQueryGpaRangeDirtyBitmap(partition, gpa, size, start, bytes))
            }
            3 => {
                let entries = input.below(4);
                for entry in 0..entries as usize {
                    buffer.store(entry * 16, Self::gpa(input));
                    buffer.store(entry * 16 + 8, if input.once_in(4) { input.long() } else { 0x3000 });
                }
                let advice = WHV_ADVISE_GPA_RANGE_CODE(input.below(4));
                let parameters = [input.below(4), input.below(4)];
                let size = if advice == WHvAdviseGpaRangeCodePopulate { 8 } else { 0 };
                let entries = if buffer.start().is_null() { 0 } else { entries };
                let (ranges, start) = (buffer.start().cast(), parameters.as_ptr().cast());
                call!(api, WHvAdviseGpaRange(partition, ranges, entries, advice, start, size))
            }
            _ => {
                let mut result = WHV_TRANSLATE_GVA_RESULT::default();
                let mut found = 0;
                let flags = WHV_TRANSLATE_GVA_FLAGS(input.word() & 0x3FF);
                let gva = input.long();
                call!(api, WHvTranslateGva(partition, vp, gva, flags, &raw mut result, &raw mut found))
            }
        }
    }

    fn processor(&self, input: &mut Input<'_>) -> HRESULT {
        let api = self.engine.api;
        let partition = self.partition(input);
        let vp = index(input);
        match input.byte() % 8 {
            0 => call!(api, WHvCreateVirtualProcessor(partition, vp, input.below(8) / 7)),
            5 | 6 => self.enter(partition, vp, input),
            1 => {
                let mut properties = [WHV_VIRTUAL_PROCESSOR_PROPERTY::default(); 2];
                input.fill(properties[0].as_mut_bytes());
                let count = input.below(3);
                call!(api, WHvCreateVirtualProcessor2(partition, vp, properties.as_ptr(), count))
            }
            2 if input.once_in(3) => call!(api, WHvDeleteVirtualProcessor(partition, vp)),
            3 => call!(api, WHvCancelRunVirtualProcessor(partition, vp, input.below(8) / 7)),
            4 => {
                let mut output = WHV_CPUID_OUTPUT::default();
                let (eax, ecx) = (input.word(), input.word());
                call!(api, WHvGetVirtualProcessorCpuidOutput(partition, vp, eax, ecx, &raw mut output))
            }
            _ => {
                let mut buffer = Buffer::new(input);
                let (mut written, set) = (0, input.below(7));
                let (start, size) = (buffer.start(), buffer.size());
                if input.once_in(2) {
                    let set = WHV_PARTITION_COUNTER_SET(set);
                    return call!(
                        api,
                        WHvGetPartitionCounters(partition, set, start, size, &raw mut written)
                    );
                }
                let set = WHV_PROCESSOR_COUNTER_SET(set);
                call!(api, WHvGetVirtualProcessorCounters(partition, vp, set, start, size, &raw mut written))
            }
        }
    }

    pub(super) fn run(&self, input: &mut Input<'_>) -> HRESULT {
        let partition = self.partition(input);
        let vp = index(input);
        let mut context = WHV_RUN_VP_EXIT_CONTEXT::default();
        let size = if input.once_in(8) { input.below(225) } else { 224 };
        let start = (&raw mut context).cast();
        let result = self.watchdog.watch(partition as usize, vp, || {
            call!(self.engine.api, WHvRunVirtualProcessor(partition, vp, start, size))
        });
        // Mostly goes on behind the instruction that came back, or anywhere in the code.
        if result == S_OK && !input.once_in(4) {
            let vp_context = context.VpContext();
            let next = match vp_context.InstructionLength() {
                0 => u64::from(input.below(CODE as u32 - 1)),
                length => vp_context.Rip().wrapping_add(u64::from(length)),
            };
            let (name, value) = (WHvX64RegisterRip, word(next));
            let (name, value) = (&raw const name, &raw const value);
            return call!(self.engine.api, WHvSetVirtualProcessorRegisters(partition, vp, name, 1, value));
        }
        result
    }

    fn registers(&self, input: &mut Input<'_>) -> HRESULT {
        let api = self.engine.api;
        let partition = self.partition(input);
        let vp = index(input);
        let members = WHV_REGISTER_NAME::ENUMERATION.members;
        let count = if input.once_in(4) { input.below(REGISTERS as u32) as usize } else { 1 };
        let mut names = [WHV_REGISTER_NAME(0); REGISTERS];
        let mut values = [WHV_REGISTER_VALUE::new_zeroed(); REGISTERS];
        for place in &mut names[..count] {
            // Control state decides most about what happens next.
            *place =
                WHV_REGISTER_NAME(if input.once_in(2) { input.below(0x2C) } else { code_of(input, members) });
        }
        let mut first = values.as_mut_ptr();
        if input.once_in(40) {
            first = null_mut();
        }
        let (list, count32) = (names.as_ptr(), count as u32);
        let get = call!(api, WHvGetVirtualProcessorRegisters(partition, vp, list, count32, first));
        if input.once_in(3) {
            return get;
        }
        for value in &mut values[..count] {
            match input.byte() % 4 {
                0 => value.set_Reg64(input.long()),
                1 => value.set_Reg64(value.Reg64() ^ 1 << input.below(64)),
                2 => input.fill(value.as_mut_bytes()),
                _ => {}
            }
        }
        call!(api, WHvSetVirtualProcessorRegisters(partition, vp, list, count32, first))
    }

    fn state(&self, input: &mut Input<'_>) -> HRESULT {
        let api = self.engine.api;
        let partition = self.partition(input);
        let vp = index(input);
        let mut buffer = Buffer::zeroed(input);
        let mut written = 0;
        let members = WHV_VIRTUAL_PROCESSOR_STATE_TYPE::ENUMERATION.members;
        let kind = WHV_VIRTUAL_PROCESSOR_STATE_TYPE(code_of(input, members));
        let which = input.byte() % 4;
        let (start, size) = (buffer.start(), buffer.size());
        let get = match which {
            0 => call!(
                api,
                WHvGetVirtualProcessorInterruptControllerState(partition, vp, start, size, &raw mut written)
            ),
            1 => call!(
                api,
                WHvGetVirtualProcessorInterruptControllerState2(partition, vp, start, size, &raw mut written)
            ),
            2 => call!(api, WHvGetVirtualProcessorXsaveState(partition, vp, start, size, &raw mut written)),
            _ => call!(api, WHvGetVirtualProcessorState(partition, vp, kind, start, size, &raw mut written)),
        };
        if input.once_in(3) {
            return get;
        }
        // Damages what was read and hands it back.
        for _ in 0..input.below(8) {
            buffer.flip(input);
        }
        let size = if input.once_in(8) { size } else { written.min(size) };
        match which {
            0 => call!(api, WHvSetVirtualProcessorInterruptControllerState(partition, vp, start, size)),
            1 => call!(api, WHvSetVirtualProcessorInterruptControllerState2(partition, vp, start, size)),
            2 => call!(api, WHvSetVirtualProcessorXsaveState(partition, vp, start, size)),
            _ => call!(api, WHvSetVirtualProcessorState(partition, vp, kind, start, size)),
        }
    }

    fn interrupt(&self, input: &mut Input<'_>) -> HRESULT {
        let api = self.engine.api;
        let partition = self.partition(input);
        if input.once_in(4) {
            let mut targets = [0; 16];
            let (count, mut found) = (input.below(17), 0);
            let (destination, mode) = (input.long(), WHV_INTERRUPT_DESTINATION_MODE(input.below(3)));
            let first = targets.as_mut_ptr();
            return call!(
                api,
                WHvGetInterruptTargetVpSet(partition, destination, mode, first, count, &raw mut found)
            );
        }
        let mut control = WHV_INTERRUPT_CONTROL::default();
        control.set_Type(input.pick(&[0, 1, 4, 5, 6, 9, 2, 255]));
        control.set_DestinationMode(u64::from(input.below(17) / 8));
        control.set_TriggerMode(u64::from(input.below(17) / 8));
        control.set_Destination(input.pick(&[0, 1, 2, 3, 0xFF, u32::MAX, 0x1_0000, 77]));
        control.set_Vector(if input.once_in(4) { input.word() } else { input.below(256) });
        let size = if input.once_in(16) { input.below(16) } else { 16 };
        call!(api, WHvRequestInterrupt(partition, &raw const control, size))
    }

    /// Changes what the guest executes and what the host lets it touch.
    fn poke(&self, input: &mut Input<'_>) -> HRESULT {
        let mut bytes = [0; 64];
        input.fill(&mut bytes);
        let offset = u64::from(input.below(0xFF)) << 12 | u64::from(input.below(0xFC0));
        self.memory.write(offset, &bytes);
        S_OK
    }

    fn device(&self, input: &mut Input<'_>) -> HRESULT {
        let api = self.engine.api;
        let partition = self.partition(input);
        let (device, number, other) = (input.long(), input.word(), input.word());
        let handle = without_provenance_mut(input.long() as usize);
        let mut buffer = Buffer::new(input);
        let (start, size) = (buffer.start(), buffer.size());
        let mut target = WHV_VPCI_INTERRUPT_TARGET::default();
        input.fill(target.as_mut_bytes());
        let mut register = WHV_VPCI_DEVICE_REGISTER::default();
        input.fill(register.as_mut_bytes());
        let (mut long, mut word, mut out) = (0, 0, null_mut());
        let mut data = [0_u8; 16];
        let data = data.as_mut_ptr().cast();
        let first = &raw const target;
        match input.byte() % 19 {
            0 => {
                let flags = WHV_ALLOCATE_VPCI_RESOURCE_FLAGS(input.below(4));
                call!(api, WHvAllocateVpciResource(null_mut(), flags, start, size, &raw mut out))
            }
            1 => {
                let flags = WHV_CREATE_VPCI_DEVICE_FLAGS(input.below(8));
                call!(api, WHvCreateVpciDevice(partition, device, handle, flags, null_mut()))
            }
            2 => call!(api, WHvDeleteVpciDevice(partition, device)),
            3 => {
                let code = WHV_VPCI_DEVICE_PROPERTY_CODE(input.below(4));
                call!(api, WHvGetVpciDeviceProperty(partition, device, code, start, size, &raw mut word))
            }
            4 => {
                let mut notification = WHV_VPCI_DEVICE_NOTIFICATION::default();
                call!(api, WHvGetVpciDeviceNotification(partition, device, &raw mut notification, 16))
            }
            5 => {
                let mut mappings = null_mut();
                call!(api, WHvMapVpciDeviceMmioRanges(partition, device, &raw mut word, &raw mut mappings))
            }
            6 => call!(api, WHvUnmapVpciDeviceMmioRanges(partition, device)),
            7 => call!(api, WHvSetVpciDevicePowerState(partition, device, DEVICE_POWER_STATE(number))),
            8 => call!(api, WHvReadVpciDeviceRegister(partition, device, &raw const register, data)),
            9 => call!(api, WHvWriteVpciDeviceRegister(partition, device, &raw const register, data)),
            10 => call!(
                api,
                WHvMapVpciDeviceInterrupt(
                    partition,
                    device,
                    number,
                    other,
                    first,
                    &raw mut long,
                    &raw mut word
                )
            ),
            11 => call!(api, WHvUnmapVpciDeviceInterrupt(partition, device, number)),
            12 => call!(api, WHvRetargetVpciDeviceInterrupt(partition, device, long, number, first)),
            13 => call!(api, WHvRequestVpciDeviceInterrupt(partition, device, long, number)),
            14 => {
                let place = &raw mut target;
                call!(
                    api,
                    WHvGetVpciDeviceInterruptTarget(
                        partition,
                        device,
                        number,
                        other,
                        place,
                        16,
                        &raw mut word
                    )
                )
            }
            15 => call!(api, WHvStartPartitionMigration(partition, &raw mut out)),
            16 => call!(api, WHvCancelPartitionMigration(partition)),
            17 => call!(api, WHvCompletePartitionMigration(partition)),
            _ => call!(api, WHvAcceptPartitionMigration(handle, &raw mut out)),
        }
    }
}

/// A processor index: mostly one that exists.
pub(super) fn index(input: &mut Input<'_>) -> u32 {
    match input.byte() % 16 {
        0 => input.word(),
        1 => WHV_ANY_VP,
        number => u32::from(number) % 4,
    }
}

/// A code: mostly one of the list.
fn code_of(input: &mut Input<'_>, members: &[(&str, u32)]) -> u32 {
    if input.once_in(20) { input.word() } else { input.pick(members).1 }
}

/// A buffer argument: null, or of any size up to [`SCRATCH`].
struct Buffer {
    bytes: Vec<u8>,
    size: usize,
    is_null: bool,
}

impl Buffer {
    fn zeroed(input: &mut Input<'_>) -> Self {
        let size = if input.once_in(4) { input.below(SCRATCH as u32) as usize } else { SCRATCH };
        Self { bytes: vec![0; SCRATCH], size, is_null: input.once_in(40) }
    }

    fn new(input: &mut Input<'_>) -> Self {
        let mut buffer = Self::zeroed(input);
        input.fill(&mut buffer.bytes[..32]);
        buffer
    }

    fn start(&mut self) -> *mut c_void {
        if self.is_null { null_mut() } else { self.bytes.as_mut_ptr().cast() }
    }

    fn size(&self) -> u32 {
        self.size as u32
    }

    fn shorten(&mut self, size: u32) {
        self.size = self.size.min(size as usize);
    }

    fn store(&mut self, offset: usize, value: u64) {
        self.bytes[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
    }

    fn flip(&mut self, input: &mut Input<'_>) {
        let limit = if input.once_in(2) { 1024 } else { 4096 };
        let place = input.below(limit) as usize;
        self.bytes[place] ^= 1 << (input.byte() % 8);
    }
}
