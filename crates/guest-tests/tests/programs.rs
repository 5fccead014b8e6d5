//! Every guest test program, with the number of its checks.

use std::path::Path;

use openwhp::ApicMode;
use openwhp::ClockMode;
use openwhp_guest_tests::End;
use openwhp_guest_tests::Machine;
use openwhp_guest_tests::Program;
use openwhp_guest_tests::Report;
use openwhp_guest_tests::build;

fn run(path: &str, machine: &Machine) -> Report {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{path}-{:?}", std::thread::current().id()));
    let image = Program::named(path)
        .and_then(|program| build(program, &folder))
        .unwrap_or_else(|error| panic!("{error:#}"));
    machine.run(&image).unwrap_or_else(|error| panic!("{error:#}"))
}

fn check(path: &str, machine: &Machine, checks: usize) {
    let report = run(path, machine);
    for name in report.skipped() {
        println!("{path}: this machine cannot run: {name}");
    }
    if let Err(text) = report.expect_all_good(checks) {
        panic!("{path}: {text}");
    }
}

/// Names a test for a program, its number of processors and checks.
macro_rules! programs {
    ($($test:ident: $path:literal, $processors:literal, $checks:literal;)*) => {
        $(#[test]
        fn $test() {
            check($path, &Machine { processors: $processors, ..Machine::default() }, $checks);
        })*
    };
}

programs! {
    segments_types_and_limits: "legacy/segments", 1, 66;
    gates_and_rings: "legacy/gates", 1, 52;
    hardware_task_switches: "legacy/tasks", 1, 44;
    two_level_and_pae_paging: "legacy/paging32", 1, 56;
    virtual_8086_mode: "legacy/v86", 1, 51;
    real_mode_and_16_bit_code: "legacy/realmode", 1, 23;
    exceptions_and_their_priorities: "legacy/faults", 1, 69;
    debug_registers_and_single_step: "legacy/debug", 1, 43;
    string_instructions_restart: "legacy/strings", 1, 30;
    code_fetch_and_wrapping: "legacy/fetch", 1, 34;
    flags_and_decimal_arithmetic: "legacy/flags", 1, 30;
    sysenter_and_umip: "legacy/sysenter", 1, 26;
    io_permission_bitmap: "legacy/ports", 1, 20;
    long_and_compatibility_mode: "long/modes", 1, 73;
    instructions_that_fault_change_nothing: "long/precision", 1, 52;
    faults_during_delivery: "long/events", 1, 34;
    interrupts_in_the_middle_of_work: "long/interrupts", 1, 18;
    instructions_and_their_feature_bits: "long/instructions", 1, 81;
    four_and_five_level_paging: "long/paging", 1, 89;
    syscall_and_sysret: "long/syscall", 1, 21;
    xsave_family: "long/xsave", 1, 61;
    self_modifying_code: "long/smc", 1, 27;
    local_apic: "long/apic", 1, 62;
    hypervisor_interface: "long/hyperv", 1, 43;
    several_processors: "long/smp", 4, 35;
    time_stands_while_it_is_suspended: "long/suspend", 2, 50;
    doorbells_ring_and_interrupt: "long/doorbells", 2, 55;
    messages_wait_for_a_free_slot: "long/messages", 1, 17;
}

#[test]
fn injected_interrupts_arrive_at_the_first_boundary_that_allows_them() {
    for apic in [ApicMode::None, ApicMode::XApic, ApicMode::X2Apic] {
        check("long/windows", &Machine { apic, ..Machine::default() }, 67);
    }
}

#[test]
fn a_fault_that_cannot_be_delivered_ends_the_machine() {
    let report = run("legacy/triple", &Machine::default());
    assert_eq!(report.text, "ok before\n");
    assert!(matches!(report.end, End::TripleFault { .. }), "{:?}", report.end);
}

#[test]
fn time_from_the_instruction_count_serves_all_timers_too() {
    let clock = ClockMode::Deterministic { instructions_per_us: 100 };
    check("long/apic", &Machine { clock, ..Machine::default() }, 62);
    check("long/hyperv", &Machine { clock, ..Machine::default() }, 43);
}

#[test]
fn two_runs_on_the_instruction_count_say_the_same() {
    let machine =
        Machine { clock: ClockMode::Deterministic { instructions_per_us: 1000 }, ..Machine::default() };
    assert_eq!(run("long/paging", &machine), run("long/paging", &machine));
}
