use super::{T0, errors, read, write, x2apic, xapic};
use crate::{
    Config, DeliveryMode, Effect, LocalApic, LvtEntry, Message, Received, TriggerMode, lowest_priority,
    register,
};

fn message(delivery_mode: DeliveryMode, vector: u8) -> Message {
    Message { delivery_mode, trigger: TriggerMode::Edge, vector }
}

#[test]
fn the_highest_vector_goes_first_and_nests() {
    let mut apic = xapic(0);
    for vector in [0x31, 0x82, 0x81, 0x40] {
        assert_eq!(apic.accept(vector, false), Received::Interrupt);
    }
    assert_eq!(apic.acknowledge(), Some(0x82));
    assert_eq!(apic.pending(), None, "0x81 is of the same class");
    assert_eq!(apic.ppr(), 0x80);
    let _ = apic.accept(0x90, false);
    assert_eq!(apic.acknowledge(), Some(0x90));
    for next in [None, Some(0x81), Some(0x40), Some(0x31)] {
        assert_eq!(write(&mut apic, register::EOI, 0), Effect::None);
        assert_eq!(apic.acknowledge(), next);
    }
}

#[test]
fn task_priority_holds_back_its_class_and_below() {
    let mut apic = xapic(0);
    let _ = apic.accept(0x5F, false);
    for (tpr, pending) in [(0x50, None), (0x4F, Some(0x5F)), (0x60, None), (0x00, Some(0x5F)), (0xFF, None)] {
        let _ = write(&mut apic, register::TPR, tpr);
        assert_eq!(apic.pending(), pending, "tpr {tpr:#x}");
        assert_eq!(apic.cr8(), (tpr >> 4) as u8);
    }
    apic.set_cr8(4);
    assert_eq!(read(&mut apic, register::TPR), 0x40);
    assert_eq!(apic.pending(), Some(0x5F));
    assert_eq!(apic.pending_for_tpr(0x50), None);
}

#[test]
fn processor_priority_is_the_higher_of_task_and_service() {
    let mut apic = xapic(0);
    for (tpr, ppr) in [(0x00, 0x70), (0x6F, 0x70), (0x73, 0x73), (0x81, 0x81)] {
        apic.set_tpr(0);
        let _ = apic.accept(0x75, false);
        assert_eq!(apic.acknowledge(), Some(0x75));
        apic.set_tpr(tpr);
        assert_eq!(apic.ppr(), ppr, "tpr {tpr:#x}");
        let _ = apic.end_of_interrupt();
    }
}

#[test]
fn arbitration_priority_counts_requests() {
    let mut apic = xapic(0);
    apic.set_tpr(0x25);
    assert_eq!(read(&mut apic, register::APR), 0x25);
    let _ = apic.accept(0x33, false);
    assert_eq!(read(&mut apic, register::APR), 0x30);
}

#[test]
fn requests_of_one_vector_merge_but_one_more_waits_behind_service() {
    let mut apic = xapic(0);
    let _ = apic.accept(0x41, false);
    let _ = apic.accept(0x41, false);
    assert_eq!(apic.acknowledge(), Some(0x41));
    let _ = apic.accept(0x41, false);
    assert_eq!(apic.pending(), None);
    let _ = apic.end_of_interrupt();
    assert_eq!(apic.acknowledge(), Some(0x41));
    let _ = apic.end_of_interrupt();
    assert_eq!(apic.pending(), None);
}

#[test]
fn end_of_interrupt_tells_only_of_level_vectors() {
    let mut apic = xapic(0);
    let _ = apic.accept(0x41, true);
    let _ = apic.accept(0x52, false);
    assert_eq!(read(&mut apic, register::Register(0x1A)), 1 << 1);
    assert_eq!(apic.acknowledge(), Some(0x52));
    assert_eq!(write(&mut apic, register::EOI, 0), Effect::None);
    assert_eq!(apic.acknowledge(), Some(0x41));
    assert_eq!(write(&mut apic, register::EOI, 0), Effect::EndOfInterrupt(0x41));
    assert_eq!(write(&mut apic, register::EOI, 0), Effect::None, "nothing in service");
    let _ = apic.accept(0x41, false);
    assert_eq!(read(&mut apic, register::Register(0x1A)), 0, "an edge request clears the trigger bit");
}

#[test]
fn x2apic_end_of_interrupt_tells_too() {
    let mut apic = x2apic(0);
    let _ = apic.accept(0x41, true);
    assert_eq!(apic.acknowledge(), Some(0x41));
    assert_eq!(apic.msr_write(0x80B, 0, T0), Ok(Effect::EndOfInterrupt(0x41)));
}

#[test]
fn vectors_below_16_are_errors() {
    let mut apic = xapic(0);
    assert_eq!(apic.accept(15, false), Received::Dropped);
    assert_eq!(errors(&mut apic), 0x40);
    assert_eq!(apic.accept(16, false), Received::Interrupt);
}

#[test]
fn software_disabled_takes_nothing_fixed_but_holds_what_it_has() {
    let mut apic = xapic(0);
    let _ = apic.accept(0x41, false);
    let _ = write(&mut apic, register::SVR, 0xFF);
    assert_eq!(apic.receive(message(DeliveryMode::Fixed, 0x99)), Received::Dropped);
    assert_eq!(apic.receive(message(DeliveryMode::Nmi, 0)), Received::Nmi);
    assert_eq!(apic.receive(message(DeliveryMode::Init, 0)), Received::Init);
    assert_eq!(apic.receive(message(DeliveryMode::Startup, 8)), Received::Startup(8));
    assert_eq!(apic.pending(), Some(0x41));
}

#[test]
fn switched_off_takes_nothing() {
    let mut apic = LocalApic::new(Config::new(0));
    apic.write_base(0xFEE0_0000).unwrap();
    for mode in [DeliveryMode::Fixed, DeliveryMode::Nmi, DeliveryMode::Init, DeliveryMode::Startup] {
        assert_eq!(apic.receive(message(mode, 0x30)), Received::Dropped);
    }
    assert_eq!(apic.raise(LvtEntry::Lint1), Received::Dropped);
}

#[test]
fn messages_without_meaning_are_dropped() {
    let mut apic = xapic(0);
    let level_init = Message { trigger: TriggerMode::Level, ..message(DeliveryMode::Init, 0) };
    assert_eq!(apic.receive(level_init), Received::Dropped);
    assert_eq!(apic.receive(message(DeliveryMode::ExtInt, 0x30)), Received::Dropped);
    assert_eq!(apic.receive(message(DeliveryMode::Smi, 0)), Received::Smi);
}

#[test]
fn one_nmi_is_taken_and_one_latched() {
    let mut apic = xapic(0);
    for _ in 0..3 {
        let _ = apic.receive(message(DeliveryMode::Nmi, 0));
    }
    assert!(apic.is_nmi_pending());
    assert!(apic.take_nmi());
    // While the first is handled.
    for _ in 0..3 {
        let _ = apic.receive(message(DeliveryMode::Nmi, 0));
    }
    apic.nmi_handled();
    assert!(apic.take_nmi());
    assert!(!apic.take_nmi());
}

#[test]
fn pins_deliver_what_their_entry_says() {
    let mut apic = xapic(0);
    let cases = [
        (0x1_0400, Received::Dropped),
        (0x400, Received::Nmi),
        (0x700, Received::ExtInt),
        (0x200, Received::Smi),
        (0x500, Received::Init),
        (0x035, Received::Interrupt),
        (0x00F, Received::Dropped),
        (0x300, Received::Dropped),
    ];
    for (value, expected) in cases {
        let _ = write(&mut apic, register::LVT_LINT1, value);
        assert_eq!(apic.raise(LvtEntry::Lint1), expected, "{value:#x}");
    }
    assert_eq!(apic.pending(), Some(0x35));
}

#[test]
fn a_level_pin_waits_for_its_end_of_interrupt() {
    let mut apic = xapic(0);
    let _ = write(&mut apic, register::LVT_LINT0, 0x8035);
    assert_eq!(apic.raise(LvtEntry::Lint0), Received::Interrupt);
    assert_eq!(read(&mut apic, register::LVT_LINT0), 0xC035);
    assert_eq!(apic.raise(LvtEntry::Lint0), Received::Dropped);
    assert_eq!(apic.acknowledge(), Some(0x35));
    assert_eq!(write(&mut apic, register::EOI, 0), Effect::EndOfInterrupt(0x35));
    assert_eq!(read(&mut apic, register::LVT_LINT0), 0x8035);
    assert_eq!(apic.raise(LvtEntry::Lint0), Received::Interrupt);
}

#[test]
fn a_performance_interrupt_masks_its_entry() {
    let mut apic = xapic(0);
    let _ = write(&mut apic, register::LVT_PERFMON, 0x400);
    assert_eq!(apic.raise(LvtEntry::Perfmon), Received::Nmi);
    assert_eq!(read(&mut apic, register::LVT_PERFMON), 0x1_0400);
    assert_eq!(apic.raise(LvtEntry::Perfmon), Received::Dropped);
}

#[test]
fn auto_eoi_leaves_service_alone() {
    let mut apic = xapic(0);
    let _ = apic.accept(0x41, false);
    apic.take_auto_eoi(0x41);
    assert_eq!((apic.isr().highest(), apic.irr().highest()), (None, None));
}

#[test]
fn a_higher_vector_that_comes_while_one_is_taken_is_not_lost() {
    let mut apic = xapic(0);
    let _ = apic.accept(0x41, false);
    assert_eq!(apic.pending(), Some(0x41));
    let _ = apic.accept(0x82, false);
    apic.take(0x41);
    assert_eq!((apic.isr().highest(), apic.irr().highest()), (Some(0x41), Some(0x82)));
    assert_eq!(apic.pending(), Some(0x82));
}

#[test]
fn lowest_priority_takes_the_first_of_the_idlest_enabled() {
    let mut busy = xapic(0);
    busy.set_tpr(0x20);
    let disabled = LocalApic::new(Config::new(1));
    let (first, second) = (xapic(2), xapic(3));
    assert_eq!(lowest_priority([&busy, &disabled, &first, &second]), Some(2));
    assert_eq!(lowest_priority([&busy, &disabled]), Some(0));
    assert_eq!(lowest_priority([&disabled]), None);
}
