//! What a processor counts; readable while it runs.
//!
//! The processor's thread alone writes; what the software CPU counts is published when it comes by. The time of an
//! intercept is the time from its exit to the next run, by the coarse clock that run reads anyway: right on average, free
//! on every exit. A halt without an exit takes the time it parks.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use openwhp_engine::ExitReason;
use openwhp_engine::InterceptCounter;
use openwhp_engine::VpCounters;
use openwhp_hyperv::hypercall;
use openwhp_x86::Cpu;

/// One counter that only its processor's thread adds to.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, amount: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Intercepts of one kind.
#[derive(Debug, Default)]
struct Intercept {
    /// Exits, and halts that parked.
    exits: Counter,
    /// Handled inside, as the software CPU counts them.
    inside: Counter,
    ns: Counter,
}

impl Intercept {
    fn snapshot(&self) -> InterceptCounter {
        let count = self.exits.get().wrapping_add(self.inside.get());
        InterceptCounter { count, time_100ns: self.ns.get() / 100 }
    }
}

/// Kinds of intercepts, as places in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Invalidations,
    ControlRegisters,
    Io,
    Halt,
    Cpuid,
    Msr,
    Other,
    Windows,
    Emulated,
    DebugRegisters,
    PageFaults,
    Memory,
    Hypercalls,
    Rdpmc,
}

const KINDS: usize = Kind::Rdpmc as usize + 1;

impl Kind {
    /// What an exit counts as; `None` for what no guest did.
    fn of(reason: &ExitReason) -> Option<Self> {
        Some(match reason {
            ExitReason::IoPort(_) => Self::Io,
            ExitReason::Halt => Self::Halt,
            ExitReason::Cpuid(_) => Self::Cpuid,
            ExitReason::Msr(_) => Self::Msr,
            ExitReason::InterruptWindow(_) => Self::Windows,
            ExitReason::MemoryAccess(_) => Self::Memory,
            ExitReason::Hypercall(_) => Self::Hypercalls,
            ExitReason::Exception(exception) if exception.vector == 14 => Self::PageFaults,
            ExitReason::Canceled | ExitReason::Alarm | ExitReason::None => return None,
            _ => Self::Other,
        })
    }
}

/// All counters of a processor.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) run_ns: Counter,
    pub(crate) overhead_ns: Counter,
    pub(crate) halt_ns: Counter,
    intercepts: [Intercept; KINDS],
    exceptions: Counter,
    page_faults: Counter,
    interrupts: Counter,
    pub(crate) apic_mmio: Counter,
    pub(crate) apic_eoi: Counter,
    pub(crate) apic_tpr: Counter,
    pub(crate) sent_ipis: Counter,
    pub(crate) self_ipis: Counter,
    spin_wait_calls: Counter,
    synthetic_interrupt_calls: Counter,
    virtual_interrupt_calls: Counter,
    virtual_mmu_calls: Counter,
    other_calls: Counter,
}

impl Counters {
    fn kind(&self, kind: Kind) -> &Intercept {
        &self.intercepts[kind as usize]
    }

    /// Counts an exit; the result is what the time until the next run belongs to.
    pub(crate) fn exit(&self, reason: &ExitReason) -> Option<Kind> {
        let kind = Kind::of(reason)?;
        self.kind(kind).exits.add(1);
        Some(kind)
    }

    /// Adds the time that an exit took.
    pub(crate) fn took(&self, kind: Kind, ns: u64) {
        self.kind(kind).ns.add(ns);
    }

    /// Counts a hypercall that the engine answered.
    pub(crate) fn hypercall(&self, code: u16) {
        let counter = match hypercall::class(code) {
            hypercall::Class::LongSpinWait => &self.spin_wait_calls,
            hypercall::Class::SyntheticInterrupt => &self.synthetic_interrupt_calls,
            hypercall::Class::VirtualInterrupt => &self.virtual_interrupt_calls,
            hypercall::Class::VirtualMmu => &self.virtual_mmu_calls,
            hypercall::Class::Other => &self.other_calls,
        };
        counter.add(1);
    }

    /// Counts a halt that did not exit.
    pub(crate) fn parked_halt(&self) {
        self.kind(Kind::Halt).exits.add(1);
    }

    /// Counts an instruction that was finished for the client.
    pub(crate) fn emulated(&self) {
        self.kind(Kind::Emulated).exits.add(1);
    }

    /// Takes over what the software CPU has counted.
    pub(crate) fn publish(&self, cpu: &Cpu) {
        self.exceptions.set(cpu.delivered.exceptions);
        self.page_faults.set(cpu.delivered.page_faults);
        self.interrupts.set(cpu.delivered.interrupts);
        let handled = &cpu.handled;
        for (kind, count) in [
            (Kind::Invalidations, handled.invalidations),
            (Kind::ControlRegisters, handled.control_registers),
            (Kind::Cpuid, handled.cpuid),
            (Kind::Msr, handled.msr),
            (Kind::DebugRegisters, handled.debug_registers),
            (Kind::Rdpmc, handled.rdpmc),
        ] {
            self.kind(kind).inside.set(count);
        }
    }

    pub(crate) fn snapshot(&self) -> VpCounters {
        let of = |kind| self.kind(kind).snapshot();
        let run_ns = self.run_ns.get();
        let mut halt = of(Kind::Halt);
        halt.time_100ns += self.halt_ns.get() / 100;
        VpCounters {
            total_runtime_100ns: run_ns / 100,
            // Both are estimates; a part is never more than the whole.
            hypervisor_runtime_100ns: self.overhead_ns.get().min(run_ns) / 100,
            page_invalidations: of(Kind::Invalidations),
            control_register_accesses: of(Kind::ControlRegisters),
            io_instructions: of(Kind::Io),
            halt_instructions: halt,
            cpuid_instructions: of(Kind::Cpuid),
            msr_accesses: of(Kind::Msr),
            other_intercepts: of(Kind::Other),
            pending_interrupts: of(Kind::Windows),
            emulated_instructions: of(Kind::Emulated),
            debug_register_accesses: of(Kind::DebugRegisters),
            page_fault_intercepts: of(Kind::PageFaults),
            nested_page_fault_intercepts: of(Kind::Memory),
            hypercalls: of(Kind::Hypercalls),
            rdpmc_instructions: of(Kind::Rdpmc),
            exceptions: self.exceptions.get(),
            page_faults: self.page_faults.get(),
            interrupts: self.interrupts.get(),
            apic_mmio_accesses: self.apic_mmio.get(),
            apic_eoi_accesses: self.apic_eoi.get(),
            apic_tpr_accesses: self.apic_tpr.get(),
            apic_sent_ipis: self.sent_ipis.get(),
            apic_self_ipis: self.self_ipis.get(),
            long_spin_wait_hypercalls: self.spin_wait_calls.get(),
            synthetic_interrupt_hypercalls: self.synthetic_interrupt_calls.get(),
            virtual_interrupt_hypercalls: self.virtual_interrupt_calls.get(),
            virtual_mmu_hypercalls: self.virtual_mmu_calls.get(),
            other_hypercalls: self.other_calls.get(),
            ..VpCounters::default()
        }
    }
}
