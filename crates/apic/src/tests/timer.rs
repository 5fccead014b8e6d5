use super::{at, xapic};
use crate::register::{CURRENT_COUNT, DIVIDE, INITIAL_COUNT, LVT_TIMER, SVR};
use crate::{Advance, Deadline, Frequency, GuestTime, LocalApic};

const ONE_SHOT: u32 = 0x0_0040;
const PERIODIC: u32 = 0x2_0040;
const DEADLINE: u32 = 0x4_0040;
const MASKED: u32 = 0x1_0000;
const BY_1: u32 = 0b1011;

const NOTHING: Advance = Advance { fired: false, expiries: 0 };
const ONCE: Advance = Advance { fired: true, expiries: 1 };

fn timer(lvt: u32, divide: u32, initial: u32, now: GuestTime) -> LocalApic {
    let mut apic = xapic(0);
    let _ = apic.mmio_write(LVT_TIMER.offset(), lvt, now);
    let _ = apic.mmio_write(DIVIDE.offset(), divide, now);
    let _ = apic.mmio_write(INITIAL_COUNT.offset(), initial, now);
    apic
}

fn count(apic: &mut LocalApic, ticks: u64) -> u32 {
    apic.mmio_read(CURRENT_COUNT.offset(), at(ticks))
}

const fn tsc(tsc: u64) -> GuestTime {
    GuestTime { ticks: 0, tsc }
}

#[test]
fn one_shot_counts_down_and_fires_once() {
    let mut apic = timer(ONE_SHOT, BY_1, 100, at(1000));
    assert_eq!(apic.next_deadline(), Some(Deadline::Ticks(1100)));
    assert_eq!((count(&mut apic, 1000), count(&mut apic, 1001), count(&mut apic, 1099)), (100, 99, 1));
    assert_eq!(apic.advance(at(1099)), NOTHING);
    assert_eq!(count(&mut apic, 1500), 0, "time may be ahead of advance");
    assert_eq!(apic.advance(at(1100)), ONCE);
    assert_eq!(apic.advance(at(5000)), NOTHING);
    assert_eq!((count(&mut apic, 5000), apic.next_deadline()), (0, None));
    assert_eq!(apic.pending(), Some(0x40));
}

#[test]
fn each_divisor_is_a_power_of_two() {
    for (divide, divisor) in
        [(0, 2), (1, 4), (2, 8), (3, 16), (8, 32), (9, 64), (10, 128), (11, 1), (0b1111, 1), (4, 2)]
    {
        let apic = timer(ONE_SHOT, divide, 10, at(0));
        assert_eq!(apic.next_deadline(), Some(Deadline::Ticks(10 * divisor)), "divide {divide:#b}");
    }
}

#[test]
fn periodic_keeps_its_phase_and_counts_merged_periods() {
    let mut apic = timer(PERIODIC, BY_1, 100, at(0));
    assert_eq!(apic.advance(at(130)), ONCE);
    assert_eq!(count(&mut apic, 130), 70);
    assert_eq!(apic.next_deadline(), Some(Deadline::Ticks(200)));
    assert_eq!(apic.advance(at(550)), Advance { fired: true, expiries: 4 });
    assert_eq!(apic.next_deadline(), Some(Deadline::Ticks(600)));
    assert_eq!(count(&mut apic, 600), 100, "reloaded");
}

#[test]
fn zero_stops_the_timer() {
    let mut apic = timer(PERIODIC, BY_1, 100, at(0));
    let _ = apic.mmio_write(INITIAL_COUNT.offset(), 0, at(50));
    assert_eq!((apic.next_deadline(), count(&mut apic, 60)), (None, 0));
    assert_eq!(apic.advance(at(1000)), NOTHING);
}

#[test]
fn a_masked_timer_runs_without_interrupts() {
    let mut apic = timer(PERIODIC | MASKED, BY_1, 100, at(0));
    assert_eq!(apic.next_deadline(), None);
    assert_eq!(count(&mut apic, 230), 70);
    assert_eq!(apic.advance(at(230)), Advance { fired: false, expiries: 2 });
    let _ = apic.mmio_write(LVT_TIMER.offset(), PERIODIC, at(250));
    assert_eq!(apic.next_deadline(), Some(Deadline::Ticks(300)));
    assert_eq!(apic.pending(), None);
}

#[test]
fn unmasking_late_does_not_deliver_an_expiry_from_before() {
    let mut apic = timer(ONE_SHOT | MASKED, BY_1, 100, at(0));
    let _ = apic.mmio_write(LVT_TIMER.offset(), ONE_SHOT, at(500));
    assert_eq!((apic.advance(at(600)), apic.pending()), (NOTHING, None));
}

#[test]
fn a_new_divisor_keeps_the_count() {
    let mut apic = timer(ONE_SHOT, BY_1, 100, at(0));
    let _ = apic.mmio_write(DIVIDE.offset(), 0, at(60));
    assert_eq!(count(&mut apic, 60), 40);
    assert_eq!(apic.next_deadline(), Some(Deadline::Ticks(140)));
}

#[test]
fn a_new_divisor_early_in_guest_time_keeps_the_count() {
    let mut apic = timer(ONE_SHOT, BY_1, 100, at(0));
    let _ = apic.mmio_write(DIVIDE.offset(), 0b1010, at(60));
    assert_eq!(count(&mut apic, 60), 40);
    assert_eq!(apic.next_deadline(), Some(Deadline::Ticks(60 + 40 * 128)));
}

#[test]
fn periodic_and_one_shot_may_be_exchanged_while_running() {
    let mut apic = timer(PERIODIC, BY_1, 100, at(0));
    let _ = apic.mmio_write(LVT_TIMER.offset(), ONE_SHOT, at(150));
    assert!(apic.pending().is_some(), "the period that ended before the write counts");
    assert_eq!(apic.advance(at(1000)), ONCE);
    assert_eq!(apic.next_deadline(), None);
}

#[test]
fn deadline_mode_fires_when_the_tsc_gets_there() {
    let mut apic = timer(DEADLINE, BY_1, 0, at(0));
    apic.set_tsc_deadline(500, tsc(100));
    assert_eq!((apic.next_deadline(), apic.tsc_deadline(tsc(499))), (Some(Deadline::Tsc(500)), 500));
    assert_eq!(apic.advance(tsc(499)), NOTHING);
    assert_eq!(apic.advance(tsc(500)), ONCE);
    assert_eq!((apic.next_deadline(), apic.tsc_deadline(tsc(500))), (None, 0));
}

#[test]
fn a_deadline_in_the_past_fires_at_once_and_zero_disarms() {
    let mut apic = timer(DEADLINE, BY_1, 0, at(0));
    apic.set_tsc_deadline(500, tsc(900));
    assert_eq!(apic.acknowledge(), Some(0x40));
    apic.set_tsc_deadline(2000, tsc(900));
    apic.set_tsc_deadline(0, tsc(1000));
    assert_eq!((apic.next_deadline(), apic.advance(tsc(9999))), (None, NOTHING));
}

#[test]
fn deadline_and_count_exclude_each_other() {
    let mut apic = timer(ONE_SHOT, BY_1, 100, at(0));
    apic.set_tsc_deadline(500, tsc(1));
    assert_eq!(apic.tsc_deadline(tsc(1)), 0, "ignored in the counting modes");
    let _ = apic.mmio_write(LVT_TIMER.offset(), DEADLINE, at(0));
    assert_eq!(apic.next_deadline(), None, "the change of mode disarmed the counter");
    let _ = apic.mmio_write(INITIAL_COUNT.offset(), 77, at(0));
    assert_eq!(apic.mmio_read(INITIAL_COUNT.offset(), at(0)), 0);
    apic.set_tsc_deadline(500, tsc(1));
    let _ = apic.mmio_write(LVT_TIMER.offset(), ONE_SHOT, tsc(2));
    let _ = apic.mmio_write(LVT_TIMER.offset(), DEADLINE, tsc(3));
    assert_eq!(apic.next_deadline(), None, "the change of mode disarmed the deadline");
}

#[test]
fn the_reserved_mode_stands_still() {
    let mut apic = timer(0x6_0040, BY_1, 100, at(0));
    assert_eq!((apic.next_deadline(), apic.advance(at(1000)), count(&mut apic, 10)), (None, NOTHING, 0));
}

#[test]
fn software_disable_silences_the_timer() {
    let mut apic = timer(PERIODIC, BY_1, 100, at(0));
    let _ = apic.mmio_write(SVR.offset(), 0xFF, at(10));
    assert_eq!(apic.next_deadline(), None);
    assert!(!apic.advance(at(500)).fired);
}

#[test]
fn time_that_goes_back_counts_as_no_time() {
    let mut apic = timer(ONE_SHOT, BY_1, 100, at(1000));
    assert_eq!((count(&mut apic, 10), apic.advance(at(10))), (100, NOTHING));
}

#[test]
fn a_preset_deadline_waits_for_its_mode() {
    let mut apic = xapic(0);
    apic.preset_tsc_deadline(700);
    assert_eq!(apic.tsc_deadline(tsc(1)), 0);
    let state = {
        let mut armed = timer(DEADLINE, BY_1, 0, at(0));
        armed.preset_tsc_deadline(700);
        armed.save()
    };
    apic.restore(&state);
    assert_eq!(apic.next_deadline(), Some(Deadline::Tsc(700)));
}

#[test]
fn extreme_counts_do_not_overflow() {
    let mut apic = timer(PERIODIC, 0b1010, u32::MAX, at(u64::MAX - 5));
    assert_eq!(apic.next_deadline(), Some(Deadline::Ticks(u64::MAX)));
    assert_eq!(count(&mut apic, u64::MAX), u32::MAX);
    assert_eq!(apic.advance(at(u64::MAX)), NOTHING);
}

#[test]
fn frequency_conversions_fit_together() {
    let clock = Frequency::from_hz(200_000_000);
    assert_eq!((clock.ticks_at(1_000_000_000), clock.ns_when(1)), (200_000_000, 5));
    assert_eq!((clock.ticks_at(4), clock.ticks_at(5)), (0, 1));
    assert_eq!(Frequency::from_hz(0).hz(), 1);
    assert_eq!(Frequency::from_hz(1).ns_when(u64::MAX), u64::MAX);
}
