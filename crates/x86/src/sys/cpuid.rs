//! CPUID as the running processor answers it.

use crate::cpu::Cpu;
use crate::model::Dynamic;

impl Cpu {
    /// EAX, EBX, ECX, EDX of CPUID now: XCR0, CR4 and APIC state included, intercepts ignored.
    pub fn cpuid(&mut self, leaf: u32, sub: u32) -> [u32; 4] {
        let apic_enabled = match self.env.rdmsr(0x1b, self.s.icount) {
            Some(crate::env::Effect::Done(v)) => v & (1 << 11) != 0,
            _ => true,
        };
        let d = Dynamic {
            cr4: self.s.cr4,
            xcr0: self.s.xcr0,
            xss: self.s.msr.xss,
            long: self.s.is64(),
            apic_enabled,
        };
        self.model.leaf(leaf, sub, &d)
    }
}
