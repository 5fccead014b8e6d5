//! The checks that all functions share, function by function: handles, states, processors, pointers.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::ptr::without_provenance_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::windows::PowerDeviceD0;
use openwhp_abi::x64::*;

use super::cases;
use crate::Api;
use crate::Engine;
use crate::Machine;
use crate::call;

cases! { "errors":
    no_handle_is_invented from "functions.md 0.2 step 1",
    handles_end_with_their_partition from "functions.md 1.5",
    nothing_happens_before_setup from "functions.md 0.1, Q10",
    processors_must_exist from "functions.md 0.2 step 5",
    running_processors_keep_their_state from "functions.md 0.4, Q5",
    places_for_results_must_be_there from "functions.md 0.2 step 3",
    inputs_must_be_there from "functions.md 0.2 step 3",
    small_buffers_learn_the_size from "functions.md 0.3 class B",
    state_without_an_apic_is_denied from "functions.md 3.6",
    ports_need_an_event from "functions.md 6.1, 8.1",
}

/// Room for any result.
struct Room([u64; 1024]);

impl Room {
    fn new() -> Self {
        Self([0; 1024])
    }

    fn start(&mut self) -> *mut c_void {
        self.0.as_mut_ptr().cast()
    }
}

/// A function with arguments that only need a partition, and perhaps a processor.
type Call = (&'static str, fn(Api, WHV_PARTITION_HANDLE, u32) -> HRESULT);

/// Writes a [`Call`]: `$api`, `$partition`, `$vp` and `$room` (8 KiB) may be used in the arguments.
macro_rules! calls {
    (|$api:ident, $partition:ident, $vp:ident, $room:ident| $($name:ident($($argument:expr),*),)*) => {
        &[$((stringify!($name), |$api, $partition, $vp| {
            let mut room = Room::new();
            let $room = room.start();
            let _ = ($vp, $room);
            call!($api, $name($($argument),*))
        })),*]
    };
}

const NONE: *mut u32 = null_mut();
const RAX: &WHV_REGISTER_NAME = &WHvX64RegisterRax;

/// Functions of a processor that must be stopped.
const STOPPED: &[Call] = calls! { |api, partition, vp, room|
    WHvDeleteVirtualProcessor(partition, vp),
    WHvRunVirtualProcessor(partition, vp, room, 224),
    WHvGetVirtualProcessorRegisters(partition, vp, RAX, 1, room.cast()),
    WHvSetVirtualProcessorRegisters(partition, vp, RAX, 1, room.cast()),
    WHvTranslateGva(partition, vp, 0, WHvTranslateGvaFlagNone, room.cast(), room.cast()),
    WHvGetVirtualProcessorXsaveState(partition, vp, room, 8192, NONE),
    WHvSetVirtualProcessorXsaveState(partition, vp, room, 8192),
    WHvGetVirtualProcessorState(partition, vp, WHvVirtualProcessorStateTypeXsaveState, room, 8192, NONE),
    WHvSetVirtualProcessorState(partition, vp, WHvVirtualProcessorStateTypeInterruptControllerState2, room, 4096),
    WHvGetVirtualProcessorInterruptControllerState(partition, vp, room, 4096, NONE),
    WHvSetVirtualProcessorInterruptControllerState(partition, vp, room, 4096),
    WHvGetVirtualProcessorInterruptControllerState2(partition, vp, room, 4096, NONE),
    WHvSetVirtualProcessorInterruptControllerState2(partition, vp, room, 4096),
};

/// Functions of a processor that may run.
const LIVE: &[Call] = calls! { |api, partition, vp, room|
    WHvCancelRunVirtualProcessor(partition, vp, 0),
    WHvGetVirtualProcessorCpuidOutput(partition, vp, 0, 0, room.cast()),
    WHvGetVirtualProcessorCounters(partition, vp, WHvProcessorCounterSetRuntime, room, 16, NONE),
    WHvReadGpaRange(partition, vp, 0, WHV_ACCESS_GPA_CONTROLS::default(), room, 4),
    WHvWriteGpaRange(partition, vp, 0, WHV_ACCESS_GPA_CONTROLS::default(), room, 4),
    WHvSignalVirtualProcessorSynicEvent(
        partition, WHV_SYNIC_EVENT_PARAMETERS { VpIndex: vp, ..Default::default() }, null_mut()
    ),
    WHvPostVirtualProcessorSynicMessage(partition, vp, 2, MESSAGE.as_ptr().cast(), 256),
};

/// A SynIC message of type 1.
const MESSAGE: [u32; 64] = {
    let mut words = [0; 64];
    words[0] = 1;
    words
};

/// Functions of a partition after setup, without a processor of their own.
const PARTITION: &[Call] = calls! { |api, partition, vp, room|
    WHvResetPartition(partition),
    WHvSuspendPartitionTime(partition),
    WHvResumePartitionTime(partition),
    WHvMapGpaRange(partition, without_provenance_mut(0x1000_0000), 0, 4096, WHvMapGpaRangeFlagRead),
    WHvMapGpaRange2(partition, null_mut(), without_provenance_mut(0x1000_0000), 0, 4096, WHvMapGpaRangeFlagRead),
    WHvUnmapGpaRange(partition, 0, 4096),
    WHvQueryGpaRangeDirtyBitmap(partition, 0, 4096, null_mut(), 0),
    WHvAdviseGpaRange(
        partition, &raw const RANGE, 1, WHvAdviseGpaRangeCodePin, null_mut(), 0
    ),
    WHvCreateVirtualProcessor(partition, 0, 0),
    WHvCreateVirtualProcessor2(partition, 0, null_mut(), 0),
    WHvGetPartitionCounters(partition, WHvPartitionCounterSetMemory, room, 24, NONE),
    WHvRequestInterrupt(partition, room.cast(), 16),
    WHvGetInterruptTargetVpSet(partition, 0, WHvX64InterruptDestinationModePhysical, room.cast(), 64, room.cast()),
    WHvRegisterPartitionDoorbellEvent(partition, room.cast(), null_mut()),
    WHvUnregisterPartitionDoorbellEvent(partition, room.cast()),
    WHvCreateNotificationPort(partition, room.cast(), null_mut(), room.cast()),
    WHvSetNotificationPortProperty(
        partition, null_mut(), WHvNotificationPortPropertyPreferredTargetVp, 0
    ),
    WHvDeleteNotificationPort(partition, null_mut()),
    WHvCreateTrigger(partition, room.cast(), room.cast(), room.cast()),
    WHvUpdateTriggerParameters(partition, room.cast(), null_mut()),
    WHvDeleteTrigger(partition, null_mut()),
    WHvCreateVpciDevice(partition, 1, null_mut(), WHV_CREATE_VPCI_DEVICE_FLAGS(0), null_mut()),
    WHvDeleteVpciDevice(partition, 1),
    WHvGetVpciDeviceProperty(partition, 1, WHvVpciDevicePropertyCodeProbedBARs, room, 24, NONE),
    WHvGetVpciDeviceNotification(partition, 1, room.cast(), 16),
    WHvMapVpciDeviceMmioRanges(partition, 1, room.cast(), room.cast()),
    WHvUnmapVpciDeviceMmioRanges(partition, 1),
    WHvSetVpciDevicePowerState(partition, 1, PowerDeviceD0),
    WHvReadVpciDeviceRegister(partition, 1, &raw const REGISTER, room),
    WHvWriteVpciDeviceRegister(partition, 1, &raw const REGISTER, room),
    WHvMapVpciDeviceInterrupt(partition, 1, 0, 1, &raw const TARGET, room.cast(), room.cast()),
    WHvUnmapVpciDeviceInterrupt(partition, 1, 0),
    WHvRetargetVpciDeviceInterrupt(partition, 1, 0, 0, &raw const TARGET),
    WHvRequestVpciDeviceInterrupt(partition, 1, 0, 0),
    WHvGetVpciDeviceInterruptTarget(partition, 1, 0, 0, room.cast(), 16, NONE),
    WHvStartPartitionMigration(partition, room.cast()),
    WHvCancelPartitionMigration(partition),
    WHvCompletePartitionMigration(partition),
};

static RANGE: WHV_MEMORY_RANGE_ENTRY = WHV_MEMORY_RANGE_ENTRY { GuestAddress: 0, SizeInBytes: 4096 };
static REGISTER: WHV_VPCI_DEVICE_REGISTER =
    WHV_VPCI_DEVICE_REGISTER { Location: WHvVpciConfigSpace, SizeInBytes: 4, OffsetInBytes: 0 };
static TARGET: WHV_VPCI_INTERRUPT_TARGET = WHV_VPCI_INTERRUPT_TARGET {
    Vector: 0x40,
    Flags: WHvVpciInterruptTargetFlagNone,
    ProcessorCount: 1,
    Processors: [0],
};

/// Functions of a partition before setup too.
const ANY_STATE: &[Call] = calls! { |api, partition, vp, room|
    WHvGetPartitionProperty(partition, WHvPartitionPropertyCodeProcessorCount, room, 4, NONE),
    WHvSetPartitionProperty(partition, WHvPartitionPropertyCodeSeparateSecurityDomain, room, 4),
    WHvSetupPartition(partition),
    WHvDeletePartition(partition),
};

fn expect(engine: &Engine, calls: &[Call], partition: WHV_PARTITION_HANDLE, vp: u32, expected: HRESULT) {
    for (name, call) in calls {
        assert_eq!(call(engine.api, partition, vp), expected, "{name}");
    }
}

fn no_handle_is_invented(engine: &Engine) {
    let strange = [0, 1, 0x1234_5678, usize::MAX, 0x7FFF_FFFF_F000];
    for handle in strange.map(without_provenance_mut) {
        for calls in [STOPPED, LIVE, PARTITION, ANY_STATE] {
            expect(engine, calls, handle, 0, E_INVALIDARG);
        }
    }
}

fn handles_end_with_their_partition(engine: &Engine) {
    let partition = engine.create();
    assert_eq!(call!(engine.api, WHvDeletePartition(partition)), S_OK);
    for calls in [STOPPED, LIVE, PARTITION, ANY_STATE] {
        expect(engine, calls, partition, 0, E_INVALIDARG);
    }
}

fn nothing_happens_before_setup(engine: &Engine) {
    let machine = Machine::created(engine);
    for calls in [STOPPED, LIVE, PARTITION] {
        expect(engine, calls, machine.partition, 0, HRESULT_FROM_WIN32_ERROR_INVALID_STATE);
    }
}

fn processors_must_exist(engine: &Engine) {
    let machine = Machine::set_up(engine, 2, |machine| machine.use_apic(WHvX64LocalApicEmulationModeXApic));
    machine.map_all();
    machine.create_vp(0);
    for vp in [1, 2, 0x8000_0000] {
        for calls in [STOPPED, LIVE] {
            expect(engine, calls, machine.partition, vp, WHV_E_VP_DOES_NOT_EXIST);
        }
    }
}

fn running_processors_keep_their_state(engine: &Engine) {
    // jmp $
    let machine = Machine::real_mode(engine, &[0xEB, 0xFE], |machine| {
        machine.use_apic(WHvX64LocalApicEmulationModeXApic);
    });
    std::thread::scope(|scope| {
        let runner = scope.spawn(|| machine.run_to(0, WHvRunVpExitReasonCanceled));
        machine.until_running(0);
        let results: Vec<_> =
            STOPPED.iter().map(|(name, call)| (*name, call(engine.api, machine.partition, 0))).collect();
        machine.cancel(0);
        runner.join().expect("the thread ends");
        for (name, result) in results {
            assert_eq!(result, WHV_E_INVALID_VP_STATE, "{name}");
        }
    });
}

/// A partition with an APIC and one processor.
fn with_apic(engine: &Engine) -> Machine {
    let machine = Machine::set_up(engine, 1, |machine| machine.use_apic(WHvX64LocalApicEmulationModeXApic));
    machine.map_all();
    machine.create_vp(0);
    machine
}

fn places_for_results_must_be_there(engine: &Engine) {
    let machine = with_apic(engine);
    let missing: &[Call] = calls! { |api, partition, vp, room|
        WHvGetPartitionCounters(partition, WHvPartitionCounterSetMemory, null_mut(), 24, NONE),
        WHvGetVirtualProcessorCounters(partition, vp, WHvProcessorCounterSetRuntime, null_mut(), 16, NONE),
        WHvGetPartitionProperty(partition, WHvPartitionPropertyCodeProcessorCount, null_mut(), 4, NONE),
        WHvRunVirtualProcessor(partition, vp, null_mut(), 224),
        WHvGetVirtualProcessorRegisters(partition, vp, RAX, 1, null_mut()),
        WHvGetVirtualProcessorCpuidOutput(partition, vp, 0, 0, null_mut()),
        WHvReadGpaRange(partition, vp, 0, WHV_ACCESS_GPA_CONTROLS::default(), null_mut(), 4),
        WHvTranslateGva(partition, vp, 0, WHvTranslateGvaFlagNone, null_mut(), room.cast()),
        WHvTranslateGva(partition, vp, 0, WHvTranslateGvaFlagNone, room.cast(), null_mut()),
        WHvGetInterruptTargetVpSet(partition, 0, WHvX64InterruptDestinationModePhysical, room.cast(), 64, NONE),
        WHvCreateTrigger(partition, room.cast(), null_mut(), room.cast()),
        WHvCreateTrigger(partition, room.cast(), room.cast(), null_mut()),
        WHvCreateNotificationPort(partition, room.cast(), null_mut(), null_mut()),
        WHvGetVpciDeviceNotification(partition, 1, null_mut(), 16),
        WHvMapVpciDeviceMmioRanges(partition, 1, null_mut(), room.cast()),
        WHvMapVpciDeviceMmioRanges(partition, 1, room.cast(), null_mut()),
        WHvMapVpciDeviceInterrupt(partition, 1, 0, 1, &raw const TARGET, null_mut(), room.cast()),
        WHvReadVpciDeviceRegister(partition, 1, &raw const REGISTER, null_mut()),
        WHvStartPartitionMigration(partition, null_mut()),
    };
    expect(engine, missing, machine.partition, 0, E_POINTER);
}

fn inputs_must_be_there(engine: &Engine) {
    let machine = with_apic(engine);
    let missing: &[Call] = calls! { |api, partition, vp, room|
        WHvSetVirtualProcessorRegisters(partition, vp, RAX, 1, null_mut()),
        WHvSetVirtualProcessorRegisters(partition, vp, null_mut(), 1, room.cast()),
        WHvGetVirtualProcessorRegisters(partition, vp, null_mut(), 1, room.cast()),
        WHvSetVirtualProcessorInterruptControllerState(partition, vp, null_mut(), 4096),
        WHvSetVirtualProcessorInterruptControllerState2(partition, vp, null_mut(), 4096),
        WHvSetVirtualProcessorXsaveState(partition, vp, null_mut(), 8192),
        WHvSetVirtualProcessorState(
            partition, vp, WHvVirtualProcessorStateTypeInterruptControllerState2, null_mut(), 4096
        ),
        WHvWriteGpaRange(partition, vp, 0, WHV_ACCESS_GPA_CONTROLS::default(), null_mut(), 4),
        WHvCreateVirtualProcessor2(partition, 0, null_mut(), 1),
        WHvAdviseGpaRange(partition, null_mut(), 1, WHvAdviseGpaRangeCodePin, null_mut(), 0),
        WHvRequestInterrupt(partition, null_mut(), 16),
        WHvRegisterPartitionDoorbellEvent(partition, null_mut(), null_mut()),
        WHvUnregisterPartitionDoorbellEvent(partition, null_mut()),
        WHvCreateNotificationPort(partition, null_mut(), null_mut(), room.cast()),
        WHvCreateTrigger(partition, null_mut(), room.cast(), room.cast()),
        WHvUpdateTriggerParameters(partition, null_mut(), null_mut()),
        WHvPostVirtualProcessorSynicMessage(partition, vp, 2, null_mut(), 256),
        WHvReadVpciDeviceRegister(partition, 1, null_mut(), room),
        WHvWriteVpciDeviceRegister(partition, 1, null_mut(), room),
        WHvWriteVpciDeviceRegister(partition, 1, &raw const REGISTER, null_mut()),
        WHvMapVpciDeviceInterrupt(partition, 1, 0, 1, null_mut(), room.cast(), room.cast()),
        WHvRetargetVpciDeviceInterrupt(partition, 1, 0, 0, null_mut()),
    };
    expect(engine, missing, machine.partition, 0, E_POINTER);
}

fn small_buffers_learn_the_size(engine: &Engine) {
    let machine = with_apic(engine);
    let (api, partition) = (engine.api, machine.partition);
    for size in [0, 1, 4095] {
        let mut room = Room::new();
        let start = if size == 0 { null_mut() } else { room.start() };
        let mut written = [0; 3];
        let [first, second, third] = &mut written;
        let results = [
            call!(api, WHvGetVirtualProcessorInterruptControllerState(partition, 0, start, size, first)),
            call!(api, WHvGetVirtualProcessorInterruptControllerState2(partition, 0, start, size, second)),
            call!(
                api,
                WHvGetVirtualProcessorState(
                    partition,
                    0,
                    WHvVirtualProcessorStateTypeInterruptControllerState2,
                    start,
                    size,
                    third
                )
            ),
        ];
        assert_eq!(results, [WHV_E_INSUFFICIENT_BUFFER; 3], "{size}");
        assert_eq!(written, [4096; 3], "{size}");
        assert_eq!(room.0, [0; 1024], "nothing is written");
    }
}

fn state_without_an_apic_is_denied(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |_| ());
    machine.create_vp(0);
    let denied: &[Call] = calls! { |api, partition, vp, room|
        WHvGetVirtualProcessorInterruptControllerState(partition, vp, room, 4096, NONE),
        WHvSetVirtualProcessorInterruptControllerState(partition, vp, room, 4096),
        WHvGetVirtualProcessorInterruptControllerState2(partition, vp, room, 4096, NONE),
        WHvSetVirtualProcessorInterruptControllerState2(partition, vp, room, 4096),
        WHvRequestInterrupt(partition, (&raw const FIXED).cast(), 16),
        WHvGetInterruptTargetVpSet(
            partition, 0, WHvX64InterruptDestinationModePhysical, room.cast(), 64, room.cast()
        ),
    };
    expect(engine, denied, machine.partition, 0, ERROR_HV_OPERATION_DENIED);
}

/// `WHV_INTERRUPT_CONTROL` of a fixed interrupt 0x40 for APIC 0.
static FIXED: [u32; 4] = [0, 0, 0, 0x40];

fn ports_need_an_event(engine: &Engine) {
    let machine = with_apic(engine);
    let mut doorbell = WHV_DOORBELL_MATCH_DATA::default();
    doorbell.set_GuestAddress(0x8000_0000);
    let mut port = WHV_NOTIFICATION_PORT_PARAMETERS::default();
    port.set_NotificationPortType(WHvNotificationPortTypeDoorbell);
    port.set_Doorbell(doorbell);
    let (api, partition) = (engine.api, machine.partition);
    for event in [0x7FFF_0000, usize::MAX].map(without_provenance_mut) {
        let mut handle = null_mut();
        let create =
            call!(api, WHvCreateNotificationPort(partition, &raw const port, event, &raw mut handle));
        assert_eq!(create, E_HANDLE);
        let register = call!(api, WHvRegisterPartitionDoorbellEvent(partition, &raw const doorbell, event));
        assert_eq!(register, E_HANDLE);
    }
}
