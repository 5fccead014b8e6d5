use super::{at, xapic};
use crate::register::{self, Register};
use crate::{Config, Deadline, Frequency, GuestTime, LocalApic, PAGE_SIZE};
use proptest::prelude::*;

/// One step of a random life.
#[derive(Clone, Debug)]
enum Step {
    Mmio(u16, u32),
    Msr(u32, u64),
    Base(u64),
    Accept(u8, bool),
    Acknowledge,
    Wait(u64),
    Deadline(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u16..0x40, any::<u32>()).prop_map(|(number, value)| Step::Mmio(number << 4, value)),
        (0u16..0x40, 0u32..0x400).prop_map(|(number, value)| Step::Mmio(number << 4, value)),
        (0x800u32..0x840, any::<u64>(), 0u32..64).prop_map(|(msr, value, by)| Step::Msr(msr, value >> by)),
        prop_oneof![Just(0xFEE0_0800), Just(0xFEE0_0C00), Just(0xFEE0_0000)].prop_map(Step::Base),
        (any::<u8>(), any::<bool>()).prop_map(|(vector, level)| Step::Accept(vector, level)),
        Just(Step::Acknowledge),
        (0u64..10_000).prop_map(Step::Wait),
        any::<u32>().prop_map(|deadline| Step::Deadline(deadline.into())),
    ]
}

fn apply(apic: &mut LocalApic, step: &Step, now: &mut GuestTime) {
    match *step {
        Step::Mmio(offset, value) => drop(apic.mmio_write(offset, value, *now)),
        Step::Msr(msr, value) => drop(apic.msr_write(msr, value, *now)),
        Step::Base(bits) => drop(apic.write_base(bits)),
        Step::Accept(vector, level) => drop(apic.accept(vector, level)),
        Step::Acknowledge => drop(apic.acknowledge()),
        Step::Wait(ticks) => {
            now.ticks += ticks;
            now.tsc += ticks * 13;
            let _ = apic.advance(*now);
        }
        Step::Deadline(deadline) => apic.set_tsc_deadline(deadline, *now),
    }
}

proptest! {
    #[test]
    fn a_random_life_keeps_the_invariants(steps in prop::collection::vec(step(), 1..200)) {
        let mut apic = xapic(1);
        let mut now = at(0);
        for step in &steps {
            apply(&mut apic, step, &mut now);
            if let Some(vector) = apic.pending() {
                prop_assert!(vector >= 16 && vector & 0xF0 > apic.ppr() & 0xF0);
            }
            prop_assert!(apic.ppr() >= apic.tpr());
            if !apic.is_software_enabled() {
                prop_assert!(apic.save().lvt.iter().all(|entry| entry & 0x1_0000 != 0));
            }
            match apic.next_deadline() {
                Some(Deadline::Ticks(ticks)) => {
                    let fired = apic.clone().advance(GuestTime { ticks, ..now });
                    prop_assert!(fired.expiries >= 1);
                }
                Some(Deadline::Tsc(tsc)) => {
                    prop_assert_eq!(apic.clone().advance(GuestTime { tsc, ..now }).expiries, 1);
                }
                None => {}
            }
            let mut copy = LocalApic::new(*apic.config());
            copy.restore(&apic.save());
            prop_assert_eq!(copy.save(), apic.save());
            prop_assert_eq!(copy.page(now), apic.page(now));
        }
    }

    #[test]
    fn any_page_can_be_taken_and_comes_back_the_same(
        words in prop::collection::vec(any::<u32>(), 0x40),
        x2apic in any::<bool>(),
    ) {
        let mut page = [0; PAGE_SIZE];
        for (slot, word) in page.chunks_exact_mut(16).zip(&words) {
            slot[..4].copy_from_slice(&word.to_le_bytes());
        }
        let mut apic = LocalApic::new(Config::new(0));
        if x2apic {
            apic.set_base(0xFEE0_0C00).unwrap();
        }
        apic.set_page(&page, at(7));
        let once = apic.page(at(7));
        let packed = apic.packed(at(7));
        apic.set_page(&once, at(9));
        prop_assert_eq!(apic.page(at(9)), once);
        apic.set_packed(&packed, at(11));
        prop_assert_eq!(apic.packed(at(11)), packed);
    }

    #[test]
    fn the_count_never_exceeds_the_initial_count(
        initial in 1u32.., divide in 0u32..16, lvt in 0u32..4, wait in any::<u64>(),
    ) {
        let mut apic = xapic(0);
        let _ = apic.mmio_write(register::LVT_TIMER.offset(), lvt << 17 | 0x40, at(0));
        let _ = apic.mmio_write(register::DIVIDE.offset(), divide, at(0));
        let _ = apic.mmio_write(register::INITIAL_COUNT.offset(), initial, at(0));
        prop_assert!(apic.host_read(Register(0x39), at(wait)).unwrap() <= u64::from(initial));
    }

    #[test]
    fn sleeping_until_a_tick_reaches_it(hz in 1u64..10_000_000_000, ticks in 0u64..1 << 60) {
        let clock = Frequency::from_hz(hz);
        let ns = clock.ns_when(ticks);
        prop_assert!(ns == u64::MAX || clock.ticks_at(ns) >= ticks);
        prop_assert!(ns == 0 || ns == u64::MAX || clock.ticks_at(ns - 1) < ticks);
    }
}
