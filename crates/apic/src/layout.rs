//! The two byte layouts in which a whole controller is exchanged: the register page and the packed words.

use crate::apic::LocalApic;
use crate::base::Mode;
use crate::lvt::{self, LvtEntry};
use crate::register::{self, Register};
use crate::timer::GuestTime;
use crate::vectors::VectorSet;

/// Size of the register page in bytes.
pub const PAGE_SIZE: usize = 4096;
/// Number of 32-bit words in the packed form.
pub const PACKED_WORDS: usize = 44;

/// In both forms bit 2 of the first IRR word says that an NMI waits.
const NMI_IN_IRR0: u32 = 1 << 2;

/// LVT entries in page and packed order.
const PACKED_LVT: [LvtEntry; 7] = [
    LvtEntry::Timer,
    LvtEntry::Thermal,
    LvtEntry::Perfmon,
    LvtEntry::Lint0,
    LvtEntry::Lint1,
    LvtEntry::Error,
    LvtEntry::Cmci,
];

/// The timer part of an image: counts, not moments.
struct Counts {
    initial: u32,
    current: u32,
    divide: u32,
}

impl LocalApic {
    /// The register page: each register's 32 bits at its number times 16, all other bytes 0. Bit 2 of IRR0 is
    /// the NMI latch.
    pub fn page(&self, now: GuestTime) -> [u8; PAGE_SIZE] {
        let mut page = [0; PAGE_SIZE];
        for number in 0..0x40 {
            let mut word = self.peek(number, now).unwrap_or(0);
            if Register(number) == register::IRR0 && self.is_nmi_pending() {
                word |= NMI_IN_IRR0;
            }
            let at = usize::from(Register(number).offset());
            page[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        page
    }

    /// Takes a register page over. Version, priorities and bytes outside registers are ignored; set the mode
    /// first with [`LocalApic::set_base`], because ID and logical ID depend on it.
    ///
    /// The count-down continues at the current count; a current count of 0 with an initial count starts anew.
    /// The LVT masks are forced while the spurious vector register's enable bit is clear.
    pub fn set_page(&mut self, page: &[u8; PAGE_SIZE], now: GuestTime) {
        let word = |register: Register| {
            let at = usize::from(register.offset());
            u32::from_le_bytes([page[at], page[at + 1], page[at + 2], page[at + 3]])
        };
        let words = |first: Register| core::array::from_fn(|index| word(Register(first.0 + index as u8)));
        self.tpr = word(register::TPR) as u8;
        self.set_identity(word(register::ID), word(register::LDR), word(register::DFR));
        self.set_vectors(words(register::ISR0), words(register::TMR0), words(register::IRR0));
        self.esr = word(register::ESR) & 0xFF;
        self.esr_pending = 0;
        self.store_icr(u64::from(word(register::ICR_HIGH)) << 32 | u64::from(word(register::ICR)));
        self.remote_read = word(register::REMOTE_READ);
        let entries = core::array::from_fn(|index| match PACKED_LVT[index] {
            LvtEntry::Cmci => word(register::LVT_CMCI),
            _ => word(Register(register::LVT_TIMER.0 + index as u8)),
        });
        let counts = Counts {
            initial: word(register::INITIAL_COUNT),
            current: word(register::CURRENT_COUNT),
            divide: word(register::DIVIDE),
        };
        self.set_local_sources(word(register::SVR), entries, counts, now);
    }

    /// The packed form: ID, version, LDR, DFR, SVR, 8 ISR, 8 TMR, 8 IRR (bit 2 of the first: NMI latch), ESR,
    /// ICR high, ICR low, the LVT (timer, thermal, performance, LINT0, LINT1, error, CMCI), errors not yet
    /// latched, initial count, current count, divide, remote read. Neither TPR nor the base address.
    pub fn packed(&self, now: GuestTime) -> [u32; PACKED_WORDS] {
        let mut words = [0; PACKED_WORDS];
        words[0] = self.id_register();
        words[1] = self.version();
        words[2] = self.ldr_register();
        words[3] = self.dfr;
        words[4] = self.svr;
        words[5..13].copy_from_slice(&self.isr.words());
        words[13..21].copy_from_slice(&self.tmr.words());
        words[21..29].copy_from_slice(&self.irr.words());
        words[21] |= if self.is_nmi_pending() { NMI_IN_IRR0 } else { 0 };
        words[29] = self.esr;
        words[30] = self.icr_high();
        words[31] = self.icr as u32;
        for (word, entry) in words[32..39].iter_mut().zip(PACKED_LVT) {
            *word = if entry == LvtEntry::Cmci && !self.config.cmci { 0 } else { self.lvt[entry as usize] };
        }
        words[39] = self.esr_pending;
        words[40] = self.timer.initial;
        words[41] = self.timer.current(self.timer_mode(), now);
        words[42] = self.timer.divide;
        words[43] = self.remote_read;
        words
    }

    /// Takes the packed form over, by the rules of [`Self::set_page`]. The task priority stays.
    pub fn set_packed(&mut self, words: &[u32; PACKED_WORDS], now: GuestTime) {
        let eight = |first: usize| core::array::from_fn(|index| words[first + index]);
        self.set_identity(words[0], words[2], words[3]);
        self.set_vectors(eight(5), eight(13), eight(21));
        self.esr = words[29] & 0xFF;
        self.esr_pending = words[39] & 0xFF;
        self.store_icr(u64::from(words[30]) << 32 | u64::from(words[31]));
        self.remote_read = words[43];
        let entries = core::array::from_fn(|index| words[32 + index]);
        let counts = Counts { initial: words[40], current: words[41], divide: words[42] };
        self.set_local_sources(words[4], entries, counts, now);
    }

    fn set_identity(&mut self, id: u32, ldr: u32, dfr: u32) {
        if self.mode() == Mode::X2Apic {
            self.id = id;
        } else {
            self.set_xapic_id(id);
            self.ldr = ldr & 0xFF00_0000;
        }
        self.dfr = dfr | 0x0FFF_FFFF;
    }

    fn set_vectors(&mut self, isr: [u32; 8], tmr: [u32; 8], irr: [u32; 8]) {
        self.set_nmi_pending(irr[0] & NMI_IN_IRR0 != 0);
        self.isr = VectorSet::from_words(isr).without_reserved();
        self.tmr = VectorSet::from_words(tmr).without_reserved();
        self.irr = VectorSet::from_words(irr).without_reserved();
    }

    fn set_local_sources(&mut self, svr: u32, entries: [u32; 7], counts: Counts, now: GuestTime) {
        self.svr = svr & 0x3FF;
        for (entry, value) in PACKED_LVT.into_iter().zip(entries) {
            let kept = entry.writable(self.config.tsc_deadline) | entry.read_only() & lvt::REMOTE_IRR;
            self.lvt[entry as usize] = value & kept;
        }
        if !self.config.cmci {
            self.lvt[LvtEntry::Cmci as usize] = lvt::MASKED;
        }
        self.force_masks();
        self.timer.initial = counts.initial;
        self.timer.divide = counts.divide & 0xB;
        let current = if counts.current == 0 { counts.initial } else { counts.current };
        self.timer.resume(current.min(counts.initial), now);
    }
}
