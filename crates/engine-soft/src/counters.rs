//! What a processor counts; readable while it runs.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use openwhp_engine::ExitReason;
use openwhp_engine::InterceptCounter;
use openwhp_engine::VpCounters;
use openwhp_hyperv::hypercall;

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

/// All counters of a processor.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) run_ns: Counter,
    io: Counter,
    halt: Counter,
    pub(crate) halt_ns: Counter,
    cpuid: Counter,
    msr: Counter,
    other: Counter,
    windows: Counter,
    pub(crate) emulated: Counter,
    page_fault_exits: Counter,
    memory: Counter,
    hypercalls: Counter,
    pub(crate) exceptions: Counter,
    pub(crate) page_faults: Counter,
    pub(crate) interrupts: Counter,
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
    /// Counts an exit.
    pub(crate) fn exit(&self, reason: &ExitReason) {
        let counter = match reason {
            ExitReason::IoPort(_) => &self.io,
            ExitReason::Halt => &self.halt,
            ExitReason::Cpuid(_) => &self.cpuid,
            ExitReason::Msr(_) => &self.msr,
            ExitReason::InterruptWindow(_) => &self.windows,
            ExitReason::MemoryAccess(_) => &self.memory,
            ExitReason::Hypercall(_) => &self.hypercalls,
            ExitReason::Exception(exception) if exception.vector == 14 => &self.page_fault_exits,
            ExitReason::Canceled | ExitReason::Alarm | ExitReason::None => return,
            _ => &self.other,
        };
        counter.add(1);
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
        self.halt.add(1);
    }

    pub(crate) fn snapshot(&self) -> VpCounters {
        let plain = |counter: &Counter| InterceptCounter { count: counter.get(), time_100ns: 0 };
        VpCounters {
            total_runtime_100ns: self.run_ns.get() / 100,
            io_instructions: plain(&self.io),
            halt_instructions: InterceptCounter {
                count: self.halt.get(),
                time_100ns: self.halt_ns.get() / 100,
            },
            cpuid_instructions: plain(&self.cpuid),
            msr_accesses: plain(&self.msr),
            other_intercepts: plain(&self.other),
            pending_interrupts: plain(&self.windows),
            emulated_instructions: plain(&self.emulated),
            page_fault_intercepts: plain(&self.page_fault_exits),
            nested_page_fault_intercepts: plain(&self.memory),
            hypercalls: plain(&self.hypercalls),
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
