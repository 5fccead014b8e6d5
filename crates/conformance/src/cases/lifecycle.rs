//! Reset, time and deletion while processors run.

use std::time::Duration;
use std::time::Instant;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use super::long;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::running::assert_no_faster;

cases! { "lifecycle":
    reset_forces_running_processors_out from "functions.md 1.4, interrupts-and-notifications.md 9.2, Q9",
    time_cannot_stop_while_a_processor_runs from "interrupts-and-notifications.md 9.1, Q11",
    running_resumes_time from "interrupts-and-notifications.md 9.1, Q11",
    a_tsc_written_while_time_stands_is_kept from "interrupts-and-notifications.md 9.1",
    a_running_processor_cannot_be_deleted from "functions.md 3",
    many_cancels_make_one_exit from "exits.md 2.2, Q39",
}

/// Code that never ends.
const SPIN: &[u8] = &[0xEB, 0xFE];
/// How long time stands still.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs processors on threads of their own while `work` runs; gives how each of them ended.
fn while_running(machine: &Machine, processors: u32, work: impl FnOnce()) -> Vec<WHV_RUN_VP_EXIT_REASON> {
    let outcomes = machine.while_all_run(processors, work);
    outcomes.into_iter().map(|outcome| outcome.expect("a run").ExitReason()).collect()
}

fn suspend(machine: &Machine) -> HRESULT {
    call!(machine.api, WHvSuspendPartitionTime(machine.partition))
}

fn resume(machine: &Machine) -> HRESULT {
    call!(machine.api, WHvResumePartitionTime(machine.partition))
}

fn reset_forces_running_processors_out(engine: &Engine) {
    let machine = long::machine_with(engine, 2, SPIN, |_| ());
    let reasons = while_running(&machine, 2, || {
        assert_eq!(call!(machine.api, WHvResetPartition(machine.partition)), S_OK);
    });
    assert_eq!(reasons, [WHvRunVpExitReasonCanceled; 2]);
    for vp in 0..2 {
        assert_eq!(machine.get64(vp, WHvX64RegisterRip), 0xFFF0);
        assert_eq!(machine.get64(vp, WHvX64RegisterCr0), 0x6000_0010);
    }
    let time: u64 = machine.property(WHvPartitionPropertyCodeReferenceTime);
    assert_eq!(time, 0, "time stands at zero");
    // Memory is still mapped, and no cancel is left.
    long::load(&machine, &[0x90]);
    long::enter(&machine, 0);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn time_cannot_stop_while_a_processor_runs(engine: &Engine) {
    let machine = long::machine(engine, SPIN);
    let reasons = while_running(&machine, 1, || {
        assert_eq!(suspend(&machine), ERROR_HV_INVALID_VP_STATE);
        machine.cancel(0);
    });
    assert_eq!(reasons, [WHvRunVpExitReasonCanceled]);
    assert_eq!((suspend(&machine), suspend(&machine)), (S_OK, S_OK));
    assert_eq!((resume(&machine), resume(&machine)), (S_OK, ERROR_HV_INVALID_PARTITION_STATE));
}

fn running_resumes_time(engine: &Engine) {
    let machine = long::machine(engine, &[0xF4]);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(suspend(&machine), S_OK);
    let read = || machine.property::<u64>(WHvPartitionPropertyCodeReferenceTime);
    let stands = read();
    std::thread::sleep(PAUSE);
    assert_eq!(read(), stands);
    let start = Instant::now();
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(resume(&machine), ERROR_HV_INVALID_PARTITION_STATE, "the run has resumed it");
    assert_no_faster(read() - stands, start, PAUSE / 2);
}

fn a_tsc_written_while_time_stands_is_kept(engine: &Engine) {
    let machine = long::machine(engine, &[0xF4]);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(suspend(&machine), S_OK);
    machine.set64(0, WHvX64RegisterTsc, 1 << 50);
    std::thread::sleep(std::time::Duration::from_millis(5));
    assert_eq!(machine.get64(0, WHvX64RegisterTsc), 1 << 50);
    assert_eq!(resume(&machine), S_OK);
    let now = machine.get64(0, WHvX64RegisterTsc);
    assert!(((1 << 50)..(1 << 50) + (1 << 36)).contains(&now), "{now:#x}");
}

fn a_running_processor_cannot_be_deleted(engine: &Engine) {
    let machine = long::machine(engine, SPIN);
    let delete = || call!(machine.api, WHvDeleteVirtualProcessor(machine.partition, 0));
    while_running(&machine, 1, || {
        assert_ne!(delete(), S_OK);
        machine.cancel(0);
    });
    assert_eq!(delete(), S_OK);
    assert_eq!(machine.try_run(0).err(), Some(WHV_E_VP_DOES_NOT_EXIST));
    machine.create_vp(0);
    assert_eq!(machine.get64(0, WHvX64RegisterRip), 0xFFF0);
}

fn many_cancels_make_one_exit(engine: &Engine) {
    let machine = long::machine(engine, &[0x90]);
    for _ in 0..3 {
        machine.cancel(0);
    }
    let rip = machine.get64(0, WHvX64RegisterRip);
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonCanceled).VpContext().Rip(), rip);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}
