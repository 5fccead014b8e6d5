//! What processors count, since their creation.

/// Number of intercepts of one kind, and the time the processor stood still for them: from an exit to the next run, or parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct InterceptCounter {
    /// How many.
    pub count: u64,
    /// Time spent on them, in units of 100 ns.
    pub time_100ns: u64,
}

/// Totals of one processor (`WHV_PROCESSOR_*_COUNTERS`); they never go backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct VpCounters {
    /// Time inside run, less parked time, in units of 100 ns.
    pub total_runtime_100ns: u64,
    /// The part of it that run spends outside guest instructions; estimated from samples.
    pub hypervisor_runtime_100ns: u64,
    /// TLB invalidations asked for by the guest.
    pub page_invalidations: InterceptCounter,
    /// Control register accesses.
    pub control_register_accesses: InterceptCounter,
    /// Port exits.
    pub io_instructions: InterceptCounter,
    /// Halts.
    pub halt_instructions: InterceptCounter,
    /// CPUID instructions, whether they exited or not; the time is that of the exits.
    pub cpuid_instructions: InterceptCounter,
    /// RDMSR and WRMSR, whether they exited or not; the time is that of the exits.
    pub msr_accesses: InterceptCounter,
    /// All other exits.
    pub other_intercepts: InterceptCounter,
    /// Interrupt windows.
    pub pending_interrupts: InterceptCounter,
    /// Instructions finished by emulation.
    pub emulated_instructions: InterceptCounter,
    /// Debug register accesses.
    pub debug_register_accesses: InterceptCounter,
    /// Page faults that exited.
    pub page_fault_intercepts: InterceptCounter,
    /// Memory access exits.
    pub nested_page_fault_intercepts: InterceptCounter,
    /// Hypercall exits.
    pub hypercalls: InterceptCounter,
    /// RDPMC instructions.
    pub rdpmc_instructions: InterceptCounter,
    /// Page faults delivered to the guest.
    pub page_faults: u64,
    /// Exceptions delivered to the guest.
    pub exceptions: u64,
    /// Interrupts delivered to the guest.
    pub interrupts: u64,
    /// Accesses to the APIC page.
    pub apic_mmio_accesses: u64,
    /// End-of-interrupt writes.
    pub apic_eoi_accesses: u64,
    /// Task priority accesses.
    pub apic_tpr_accesses: u64,
    /// Interrupt commands to others.
    pub apic_sent_ipis: u64,
    /// Interrupt commands to oneself.
    pub apic_self_ipis: u64,
    /// Interrupts raised by synthetic sources.
    pub synthetic_interrupts: u64,
    /// Long spin waits told by hypercall and answered by the engine; so are the next four.
    pub long_spin_wait_hypercalls: u64,
    /// Hypercalls for messages and events.
    pub synthetic_interrupt_hypercalls: u64,
    /// Hypercalls for interrupts of other processors and devices.
    pub virtual_interrupt_hypercalls: u64,
    /// Hypercalls that flush translations.
    pub virtual_mmu_hypercalls: u64,
    /// All other hypercalls.
    pub other_hypercalls: u64,
}
