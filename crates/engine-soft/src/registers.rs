//! Processor registers by the interface's names.
//!
//! Writing checks every name and value first and then applies them, so a refused write changes nothing. What only makes sense together
//! (control registers and segments) is checked when the processor is entered.

use openwhp_apic::Mode as ApicAccess;
use openwhp_apic::register::Register;
use openwhp_engine::ApicMode;
use openwhp_engine::RegisterError;
use openwhp_engine::RegisterName as Name;
use openwhp_engine::RegisterValue;
use openwhp_engine::SegmentRegister;
use openwhp_engine::TableRegister;
use openwhp_hyperv::Features;
use openwhp_x86::state::Activity;
use openwhp_x86::state::Segment;
use openwhp_x86::state::Table;
use openwhp_x86::state::X87;
use openwhp_x86::state::cr0;
use openwhp_x86::state::rflags;

use crate::events;
use crate::hv;
use crate::vp::SoftVp;

/// Numbers of single registers, for matching.
mod n {
    pub(super) const RIP: u32 = 0x10;
    pub(super) const RFLAGS: u32 = 0x11;
    pub(super) const SEGMENTS: u32 = 0x12;
    pub(super) const TR: u32 = 0x19;
    pub(super) const IDTR: u32 = 0x1A;
    pub(super) const GDTR: u32 = 0x1B;
    pub(super) const CR0: u32 = 0x1C;
    pub(super) const CR2: u32 = 0x1D;
    pub(super) const CR3: u32 = 0x1E;
    pub(super) const CR4: u32 = 0x1F;
    pub(super) const CR8: u32 = 0x20;
    pub(super) const DR0: u32 = 0x21;
    pub(super) const DR3: u32 = 0x24;
    pub(super) const DR6: u32 = 0x25;
    pub(super) const DR7: u32 = 0x26;
    pub(super) const XCR0: u32 = 0x27;
    pub(super) const VIRTUAL_CR0: u32 = 0x28;
    pub(super) const VIRTUAL_CR8: u32 = 0x2B;
    pub(super) const XMM0: u32 = 0x1000;
    pub(super) const XMM15: u32 = 0x100F;
    pub(super) const FP0: u32 = 0x1010;
    pub(super) const FP7: u32 = 0x1017;
    pub(super) const FP_CONTROL: u32 = 0x1018;
    pub(super) const XMM_CONTROL: u32 = 0x1019;
    pub(super) const TSC: u32 = 0x2000;
    pub(super) const EFER: u32 = 0x2001;
    pub(super) const KERNEL_GS_BASE: u32 = 0x2002;
    pub(super) const APIC_BASE: u32 = 0x2003;
    pub(super) const PAT: u32 = 0x2004;
    pub(super) const SYSENTER_CS: u32 = 0x2005;
    pub(super) const SYSENTER_EIP: u32 = 0x2006;
    pub(super) const SYSENTER_ESP: u32 = 0x2007;
    pub(super) const STAR: u32 = 0x2008;
    pub(super) const LSTAR: u32 = 0x2009;
    pub(super) const CSTAR: u32 = 0x200A;
    pub(super) const SFMASK: u32 = 0x200B;
    pub(super) const INITIAL_APIC_ID: u32 = 0x200C;
    pub(super) const MTRR_CAP: u32 = 0x200D;
    pub(super) const MTRR_DEF_TYPE: u32 = 0x200E;
    pub(super) const MTRR_BASE0: u32 = 0x2010;
    pub(super) const MTRR_BASE7: u32 = 0x2017;
    pub(super) const MTRR_MASK0: u32 = 0x2040;
    pub(super) const MTRR_MASK7: u32 = 0x2047;
    pub(super) const MTRR_FIX0: u32 = 0x2070;
    pub(super) const MTRR_FIX10: u32 = 0x207A;
    pub(super) const TSC_AUX: u32 = 0x207B;
    pub(super) const MCOUNT: u32 = 0x207E;
    pub(super) const ACOUNT: u32 = 0x207F;
    pub(super) const SPEC_CTRL: u32 = 0x2084;
    pub(super) const PRED_CMD: u32 = 0x2085;
    pub(super) const TSC_VIRTUAL_OFFSET: u32 = 0x2087;
    pub(super) const XSS: u32 = 0x208B;
    pub(super) const TSC_DEADLINE: u32 = 0x2095;
    pub(super) const TSC_ADJUST: u32 = 0x2096;
    pub(super) const UMWAIT_CONTROL: u32 = 0x2098;
    pub(super) const MISC_ENABLE: u32 = 0x20A0;
    pub(super) const APIC_FIRST: u32 = 0x3000;
    pub(super) const APIC_LAST: u32 = 0x303F;
    pub(super) const NESTED_STATE: u32 = 0x5050;
    pub(super) const PENDING_INTERRUPTION: u32 = 0x8000_0000;
    pub(super) const INTERRUPT_STATE: u32 = 0x8000_0001;
    pub(super) const PENDING_EVENT: u32 = 0x8000_0002;
    pub(super) const PENDING_EVENT1: u32 = 0x8000_0003;
    pub(super) const NOTIFICATIONS: u32 = 0x8000_0004;
    pub(super) const ACTIVITY: u32 = 0x8000_0005;
    pub(super) const DEBUG: u32 = 0x8000_0006;
    pub(super) const PENDING_EVENT2: u32 = 0x8000_0007;
    pub(super) const PENDING_EVENT3: u32 = 0x8000_0008;
}

/// MTRR capabilities: 8 variable ranges, fixed ranges, write combining.
const MTRR_CAP_VALUE: u64 = 0x508;
/// Sources in the register of deliverability notifications.
const SINT_NOTIFICATIONS: u64 = 0xFFFF << 48;
/// DR6 bits that read one.
const DR6_ONES: u64 = 0xFFFF_0FF0;
/// The single-step bit of DR6, and its place in the pending debug register.
const DR6_BS: u64 = 1 << 14;

/// The model-specific registers behind registers of the interface that the processor checks itself.
fn msr_behind(number: u32) -> Option<u32> {
    Some(match number {
        n::TSC_AUX => 0xC000_0103,
        n::MCOUNT => 0xE7,
        n::ACOUNT => 0xE8,
        n::SPEC_CTRL => 0x48,
        n::UMWAIT_CONTROL => 0xE1,
        n::XSS => 0xDA0,
        n::PAT => 0x277,
        _ => return None,
    })
}

/// How the platform numbers segments, as indices of the processor's own order.
const SEGMENT_ORDER: [usize; 8] = [
    openwhp_x86::state::ES,
    openwhp_x86::state::CS,
    openwhp_x86::state::SS,
    openwhp_x86::state::DS,
    openwhp_x86::state::FS,
    openwhp_x86::state::GS,
    openwhp_x86::state::LDTR,
    openwhp_x86::state::TR,
];

pub(crate) fn segment_out(segment: &Segment) -> SegmentRegister {
    SegmentRegister {
        base: segment.base,
        limit: segment.limit,
        selector: segment.selector,
        attributes: segment.attrs,
    }
}

fn segment_in(value: RegisterValue) -> Segment {
    let SegmentRegister { base, limit, selector, attributes } = value.segment();
    Segment { base, limit, selector, attrs: attributes & 0xF0FF }
}

fn table_out(table: Table) -> RegisterValue {
    TableRegister { base: table.base, limit: table.limit }.into()
}

fn table_in(value: RegisterValue) -> Table {
    let TableRegister { base, limit } = value.table();
    Table { base, limit }
}

fn bytes16(bytes: &[u8]) -> u128 {
    let mut word = [0; 16];
    let count = bytes.len().min(16);
    word[..count].copy_from_slice(&bytes[..count]);
    u128::from_le_bytes(word)
}

/// Whether a number belongs to the x64 table at all.
fn is_known(name: Name) -> bool {
    name.text().is_some()
}

fn absent(name: Name) -> RegisterError {
    if is_known(name) { RegisterError::NotAvailable(name) } else { RegisterError::UnknownName(name) }
}

/// An x87 pointer: 64 bits in long mode, else 32 with a selector, as it is read back.
fn pointer_out(offset: u64, selector: u16, is_long: bool) -> u64 {
    if is_long { offset } else { offset & 0xFFFF_FFFF | u64::from(selector) << 32 }
}

/// General registers and RIP: what answers to most exits consist of. They are the processor's own and can hold anything.
pub(crate) fn is_plain(name: Name) -> bool {
    name.0 <= n::RIP
}

impl SoftVp {
    fn top(&self) -> usize {
        self.cpu.s.vec.x87.top()
    }

    /// Reads one register.
    pub(crate) fn get_register(&mut self, name: Name) -> Result<RegisterValue, RegisterError> {
        if let Some(value) = self.get_core(name.0) {
            return Ok(value);
        }
        if let Some(value) = self.get_msr(name.0) {
            return Ok(value.into());
        }
        if let Some(value) = self.get_event(name.0) {
            return Ok(value);
        }
        match name.0 {
            n::APIC_FIRST..=n::APIC_LAST => self.get_apic(name),
            number if hv::registers::is_synthetic(number) => self.get_synthetic(name),
            n::NESTED_STATE => Ok(RegisterValue::default()),
            _ => self.get_extended(name).ok_or(absent(name)),
        }
    }

    fn get_core(&mut self, number: u32) -> Option<RegisterValue> {
        let s = &self.cpu.s;
        Some(match number {
            0..=15 => s.gpr[number as usize].into(),
            n::RIP => s.rip.into(),
            n::RFLAGS => s.rflags().into(),
            n::SEGMENTS..=n::TR => segment_out(&s.seg[SEGMENT_ORDER[(number - n::SEGMENTS) as usize]]).into(),
            n::IDTR => table_out(s.idtr),
            n::GDTR => table_out(s.gdtr),
            n::CR0 | n::VIRTUAL_CR0 => s.cr0.into(),
            n::CR2 => s.cr2.into(),
            n::CR3 | 0x29 => s.cr3.into(),
            n::CR4 | 0x2A => s.cr4.into(),
            n::CR8 | n::VIRTUAL_CR8 => u64::from(self.cpu.env.tpr() >> 4).into(),
            n::DR0..=n::DR3 => s.dr[(number - n::DR0) as usize].into(),
            n::DR6 => s.dr6.into(),
            n::DR7 => s.dr7.into(),
            n::XCR0 => s.xcr0.into(),
            n::XMM0..=n::XMM15 => RegisterValue(bytes16(&s.vec.zmm[(number - n::XMM0) as usize][..16])),
            n::FP0..=n::FP7 => {
                let physical = (self.top() + (number - n::FP0) as usize) & 7;
                RegisterValue(bytes16(&s.vec.x87.st[physical][..10]))
            }
            n::FP_CONTROL => {
                let x = &s.vec.x87;
                let low = u64::from(x.fcw)
                    | u64::from(x.fsw) << 16
                    | u64::from(x.ftw) << 32
                    | u64::from(x.fop) << 48;
                RegisterValue::from_halves(low, pointer_out(x.fip, x.fcs, s.long_mode()))
            }
            n::XMM_CONTROL => {
                let x = &s.vec.x87;
                let high = u64::from(s.vec.mxcsr) | u64::from(s.vec.mxcsr_mask) << 32;
                RegisterValue::from_halves(pointer_out(x.fdp, x.fds, s.long_mode()), high)
            }
            _ => return None,
        })
    }

    fn get_msr(&mut self, number: u32) -> Option<u64> {
        let icount = self.cpu.s.icount;
        if let Some(index) = msr_behind(number) {
            return self.cpu.own_rdmsr(index, icount)?.ok();
        }
        let m = &self.cpu.s.msr;
        Some(match number {
            n::EFER => self.cpu.s.efer,
            n::KERNEL_GS_BASE => m.kernel_gs_base,
            n::SYSENTER_CS => m.sysenter_cs,
            n::SYSENTER_EIP => m.sysenter_eip,
            n::SYSENTER_ESP => m.sysenter_esp,
            n::STAR => m.star,
            n::LSTAR => m.lstar,
            n::CSTAR => m.cstar,
            n::SFMASK => m.sfmask,
            n::MISC_ENABLE => m.misc_enable,
            n::MTRR_CAP => MTRR_CAP_VALUE,
            n::MTRR_DEF_TYPE => m.mtrr_def_type,
            n::MTRR_BASE0..=n::MTRR_BASE7 => m.mtrr_var[(number - n::MTRR_BASE0) as usize][0],
            n::MTRR_MASK0..=n::MTRR_MASK7 => m.mtrr_var[(number - n::MTRR_MASK0) as usize][1],
            n::MTRR_FIX0..=n::MTRR_FIX10 => m.mtrr_fix[(number - n::MTRR_FIX0) as usize],
            n::INITIAL_APIC_ID => u64::from(self.cpu.model.apic_id),
            n::TSC => {
                let env = self.env();
                env.tsc_at(env.ns(icount))
            }
            n::TSC_VIRTUAL_OFFSET => self.env().tsc_offset,
            n::TSC_ADJUST if self.cpu.model.has_msr(0x3B) => self.env().tsc_adjust,
            n::APIC_BASE => self.env().apic_base(),
            n::TSC_DEADLINE if self.cpu.model.has_msr(0x6E0) => {
                let now = self.env().guest_time(icount);
                self.vp.apic()?.tsc_deadline(now)
            }
            _ => return None,
        })
    }

    fn get_event(&mut self, number: u32) -> Option<RegisterValue> {
        let events = &self.cpu.s.events;
        Some(match number {
            n::PENDING_INTERRUPTION => {
                let event = events::encode_interruption(events.inject.as_ref());
                // Every delivery counts like an instruction.
                let is_nested = event != 0 && self.nested_at == Some(self.cpu.s.icount);
                (event | if is_nested { events::NESTED } else { 0 }).into()
            }
            n::INTERRUPT_STATE => (u64::from(events.shadow) | u64::from(events.nmi_masked) << 1).into(),
            n::PENDING_EVENT => {
                // An external interrupt reads back until it is delivered.
                let is_ext_int = matches!(
                    events::decode_pending_event(self.pending_event),
                    Some(events::PendingEvent::ExtInt(_))
                );
                let is_started = self.is_ext_int_started;
                if is_ext_int && is_started && self.env().ext_int.is_none() {
                    self.pending_event = 0;
                    self.is_ext_int_started = false;
                }
                RegisterValue(self.pending_event)
            }
            n::PENDING_EVENT1 | n::PENDING_EVENT2 | n::PENDING_EVENT3 => RegisterValue::default(),
            n::NOTIFICATIONS => {
                let interrupt =
                    events.want_interrupt_window.map_or(0, |priority| 2 | u64::from(priority) << 2);
                let sints = self.vp.hv.as_ref().map_or(0, |hv| u64::from(hv.wanted()) << 48);
                (u64::from(events.want_nmi_window) | interrupt | sints).into()
            }
            n::ACTIVITY => {
                let bits = match self.cpu.s.activity {
                    Activity::WaitForSipi => 1 | self.suspended & 6,
                    Activity::Halted if self.is_idle => 4 | self.suspended & 2,
                    Activity::Halted => 2,
                    Activity::Active | Activity::Shutdown => 0,
                };
                RegisterValue::from_u64(bits)
            }
            n::DEBUG => (events.debug & 0xF | if events.debug & DR6_BS != 0 { 1 << 4 } else { 0 }).into(),
            _ => return None,
        })
    }

    fn get_apic(&mut self, name: Name) -> Result<RegisterValue, RegisterError> {
        let icount = self.cpu.s.icount;
        let now = self.env().guest_time(icount);
        let number = (name.0 - n::APIC_FIRST) as u8;
        let apic = self.vp.apic().ok_or(absent(name))?;
        let is_reachable = matches!(number, 2 | 3) || apic.mode() == ApicAccess::X2Apic;
        if !is_known(name) || !is_reachable {
            return Err(absent(name));
        }
        apic.host_read(Register(number), now).map(Into::into).map_err(|_| absent(name))
    }

    /// Reads a plain register.
    pub(crate) fn get_plain(&self, name: Name) -> RegisterValue {
        let s = &self.cpu.s;
        match name.0 {
            n::RIP => s.rip.into(),
            number => s.gpr[number as usize & 15].into(),
        }
    }

    // Writing.

    /// Whether this would write the flags that are there already, as instruction emulators do.
    pub(crate) fn has_flags(&self, name: Name, value: RegisterValue) -> bool {
        name.0 == n::RFLAGS && value.low() == self.cpu.s.rflags()
    }

    /// Writes a plain register, or flags that are there already.
    pub(crate) fn set_plain(&mut self, name: Name, value: RegisterValue) {
        match name.0 {
            n::RFLAGS => {}
            n::RIP => self.cpu.set_rip(value.low()),
            number => self.cpu.s.gpr[number as usize & 15] = value.low(),
        }
    }

    /// Writes registers, all or none.
    pub(crate) fn set_all_registers(
        &mut self,
        registers: &[(Name, RegisterValue)],
    ) -> Result<(), RegisterError> {
        for &(name, value) in registers {
            self.check_register(name, value)?;
        }
        // The stack of x87 registers is numbered from its top, so the status word comes first.
        for &(_, value) in registers.iter().filter(|(name, _)| name.0 == n::FP_CONTROL) {
            self.set_fp_control(value);
        }
        // General registers and RIP cannot make a state invalid; a guest's own execution cannot either.
        self.is_unchecked |= registers.iter().any(|(name, _)| name.0 > n::RIP);
        let mut touched = Touched::default();
        for &(name, value) in registers {
            self.set_register(name, value, &mut touched);
        }
        if self.cpu.s.activity == Activity::Shutdown && !registers.is_empty() {
            self.cpu.s.activity = Activity::Active;
        }
        if touched.mode {
            self.set_privilege();
            self.cpu.sync();
        } else if touched.derived {
            self.set_privilege();
            self.cpu.refresh();
        }
        Ok(())
    }

    /// The privilege level follows from the stack segment.
    fn set_privilege(&mut self) {
        let s = &mut self.cpu.s;
        s.cpl = if s.cr0 & cr0::PE == 0 {
            0
        } else if s.sys_flags & rflags::VM != 0 {
            3
        } else {
            s.seg[openwhp_x86::state::SS].dpl()
        };
    }

    fn check_register(&mut self, name: Name, value: RegisterValue) -> Result<(), RegisterError> {
        let invalid = Err(RegisterError::InvalidValue { name, value });
        let low = value.low();
        let has_synic = self.shared.features().contains(Features::SYNIC);
        let is_same = |vp: &mut Self| vp.get_register(name).is_ok_and(|old| old.low() == low);
        match name.0 {
            n::CR8 if low > 15 => invalid,
            n::XCR0 if low & 1 == 0 || low & !(self.cpu.model.xcr0_mask | 1) != 0 => invalid,
            n::VIRTUAL_CR0..=n::VIRTUAL_CR8 | n::MTRR_CAP if !is_same(self) => invalid,
            n::XMM_CONTROL if value.high() as u32 & !self.cpu.s.vec.mxcsr_mask != 0 => invalid,
            n::PRED_CMD => self.check_predictor_command(name, value),
            number if msr_behind(number).is_some() => self.check_msr(name, value),
            n::INITIAL_APIC_ID if low >> 32 != 0 => invalid,
            n::INITIAL_APIC_ID if self.has_run && !is_same(self) => Err(RegisterError::AccessDenied(name)),
            n::APIC_BASE => match self.vp.apic() {
                Some(apic) if apic.clone().set_base(low).is_err() => invalid,
                _ => Ok(()),
            },
            n::APIC_FIRST..=n::APIC_LAST => self.check_apic(name, value),
            number if hv::registers::is_synthetic(number) => self.check_synthetic(name, value),
            n::PENDING_INTERRUPTION if events::decode_interruption(low).is_err() => invalid,
            n::INTERRUPT_STATE if low >> 2 != 0 => invalid,
            n::PENDING_EVENT if low & 1 != 0 && events::decode_pending_event(value.0).is_none() => invalid,
            n::PENDING_EVENT1 | n::PENDING_EVENT2 | n::PENDING_EVENT3 | n::NESTED_STATE if value.0 != 0 => {
                invalid
            }
            n::NOTIFICATIONS if low & SINT_NOTIFICATIONS != 0 && !has_synic => invalid,
            n::NOTIFICATIONS if (low & !SINT_NOTIFICATIONS) >> 6 != 0 => invalid,
            n::NOTIFICATIONS if low & 2 != 0 && low & 0x3C != 0 && self.vp.apic.is_some() => invalid,
            n::ACTIVITY if self.shared.config.apic_mode == ApicMode::None => {
                Err(RegisterError::AccessDenied(name))
            }
            n::ACTIVITY if low >> 3 != 0 => invalid,
            n::DEBUG if low >> 5 != 0 => invalid,
            // Registers that cannot be read cannot be written either; the write-only ones are those of the APIC.
            _ => self.get_register(name).map(|_| ()),
        }
    }

    /// Registers whose value the processor judges as it does for WRMSR.
    fn check_msr(&mut self, name: Name, value: RegisterValue) -> Result<(), RegisterError> {
        self.get_register(name)?;
        let is_fine = msr_behind(name.0).is_some_and(|index| self.cpu.accepts_msr(index, value.low()));
        if is_fine { Ok(()) } else { Err(RegisterError::InvalidValue { name, value }) }
    }

    /// Commands to the predictor have no effect; the register can only be written.
    fn check_predictor_command(&self, name: Name, value: RegisterValue) -> Result<(), RegisterError> {
        const INDEX: u32 = 0x49;
        let model = &self.cpu.model;
        if !model.has_msr(INDEX) {
            Err(absent(name))
        } else if value.low() & !(1 | model.msr_bits(INDEX)) != 0 {
            Err(RegisterError::InvalidValue { name, value })
        } else {
            Ok(())
        }
    }

    fn check_apic(&mut self, name: Name, value: RegisterValue) -> Result<(), RegisterError> {
        let icount = self.cpu.s.icount;
        let now = self.env().guest_time(icount);
        let number = (name.0 - n::APIC_FIRST) as u8;
        let apic = self.vp.apic().ok_or(absent(name))?;
        let is_reachable = matches!(number, 2 | 3) || apic.mode() == ApicAccess::X2Apic;
        if !is_known(name) || !is_reachable {
            return Err(absent(name));
        }
        let is_same = apic.host_read(Register(number), now).is_ok_and(|old| old == value.low());
        if is_same || apic.clone().host_write(Register(number), value.low(), now).is_ok() {
            Ok(())
        } else {
            Err(RegisterError::InvalidValue { name, value })
        }
    }

    fn set_fp_control(&mut self, value: RegisterValue) {
        let (low, high) = (value.low(), value.high());
        let is_long = self.cpu.s.long_mode();
        let x: &mut X87 = &mut self.cpu.s.vec.x87;
        x.fcw = low as u16;
        x.fsw = (low >> 16) as u16;
        x.ftw = (low >> 32) as u8;
        x.fop = (low >> 48) as u16 & 0x7FF;
        x.normalise();
        (x.fip, x.fcs) = if is_long { (high, 0) } else { (high & 0xFFFF_FFFF, (high >> 32) as u16) };
        self.cpu.s.vec.xinuse |= 1;
    }

    fn set_register(&mut self, name: Name, value: RegisterValue, touched: &mut Touched) {
        let number = name.0;
        self.set_core(number, value, touched);
        self.set_msr(number, value.low(), touched);
        self.set_event(number, value, touched);
        touched.mode |= self.set_extended(name, value);
        if hv::registers::is_synthetic(number) {
            self.set_synthetic(name, value.low());
        }
        if (n::APIC_FIRST..=n::APIC_LAST).contains(&number) {
            let icount = self.cpu.s.icount;
            let now = self.env().guest_time(icount);
            if let Some(mut apic) = self.vp.apic() {
                // An end of interrupt has nobody to tell here: the client itself made it.
                let _ = apic.host_write(Register((number - n::APIC_FIRST) as u8), value.low(), now);
            }
            self.env().rearm();
        }
    }

    fn set_core(&mut self, number: u32, value: RegisterValue, touched: &mut Touched) {
        let low = value.low();
        let is_long = self.cpu.s.long_mode();
        let top = self.top();
        let s = &mut self.cpu.s;
        match number {
            0..=15 => s.gpr[number as usize] = low,
            n::RIP => self.cpu.set_rip(low),
            n::RFLAGS => {
                s.set_rflags(low);
                touched.derived = true;
            }
            n::SEGMENTS..=n::TR => {
                let mut segment = segment_in(value);
                if number == n::TR {
                    // The task register holds a busy segment.
                    segment.attrs |= 2;
                }
                s.seg[SEGMENT_ORDER[(number - n::SEGMENTS) as usize]] = segment;
                touched.derived = true;
            }
            n::IDTR => s.idtr = table_in(value),
            n::GDTR => s.gdtr = table_in(value),
            n::CR0 => {
                touched.mode |= s.cr0 != low | cr0::ET;
                s.cr0 = low | cr0::ET;
            }
            n::CR2 => s.cr2 = low,
            n::CR3 => {
                s.cr3 = low;
                touched.mode = true;
            }
            n::CR4 => {
                touched.mode |= s.cr4 != low;
                s.cr4 = low;
            }
            n::CR8 => self.cpu.env.set_tpr((low as u8) << 4),
            n::DR0..=n::DR3 => {
                s.dr[(number - n::DR0) as usize] = low;
                touched.derived = true;
            }
            n::DR6 => s.dr6 = low & 0xE00F | DR6_ONES,
            n::DR7 => {
                s.dr7 = low & 0xFFFF_2BFF | 0x400;
                touched.derived = true;
            }
            n::XCR0 => {
                s.xcr0 = low;
                touched.derived = true;
            }
            n::XMM0..=n::XMM15 => {
                s.vec.zmm[(number - n::XMM0) as usize][..16].copy_from_slice(&value.0.to_le_bytes());
                s.vec.xinuse |= 2;
            }
            n::FP0..=n::FP7 => {
                let physical = (top + (number - n::FP0) as usize) & 7;
                s.vec.x87.st[physical][..10].copy_from_slice(&value.0.to_le_bytes()[..10]);
                s.vec.xinuse |= 1;
            }
            n::XMM_CONTROL => {
                let x = &mut s.vec.x87;
                (x.fdp, x.fds) = if is_long { (low, 0) } else { (low & 0xFFFF_FFFF, (low >> 32) as u16) };
                s.vec.mxcsr = value.high() as u32;
                s.vec.xinuse |= 2;
            }
            _ => {}
        }
    }

    fn set_msr(&mut self, number: u32, low: u64, touched: &mut Touched) {
        let icount = self.cpu.s.icount;
        if let Some(index) = msr_behind(number) {
            // It was checked.
            let _ = self.cpu.own_wrmsr(index, low, icount);
            return;
        }
        let m = &mut self.cpu.s.msr;
        match number {
            n::EFER => {
                touched.mode |= self.cpu.s.efer != low;
                self.cpu.s.efer = low;
            }
            n::KERNEL_GS_BASE => m.kernel_gs_base = low,
            n::SYSENTER_CS => m.sysenter_cs = low,
            n::SYSENTER_EIP => m.sysenter_eip = low,
            n::SYSENTER_ESP => m.sysenter_esp = low,
            n::STAR => m.star = low,
            n::LSTAR => m.lstar = low,
            n::CSTAR => m.cstar = low,
            n::SFMASK => m.sfmask = low,
            n::MISC_ENABLE => m.misc_enable = low,
            n::MTRR_DEF_TYPE => m.mtrr_def_type = low,
            n::MTRR_BASE0..=n::MTRR_BASE7 => m.mtrr_var[(number - n::MTRR_BASE0) as usize][0] = low,
            n::MTRR_MASK0..=n::MTRR_MASK7 => m.mtrr_var[(number - n::MTRR_MASK0) as usize][1] = low,
            n::MTRR_FIX0..=n::MTRR_FIX10 => m.mtrr_fix[(number - n::MTRR_FIX0) as usize] = low,
            n::INITIAL_APIC_ID => {
                self.cpu.model.apic_id = low as u32;
                self.remote.set_apic_id(low as u32);
                if let Some(mut apic) = self.vp.apic() {
                    apic.set_id(low as u32);
                }
            }
            n::TSC => {
                let env = self.env();
                let elapsed = env.tsc_at(env.ns(icount)).wrapping_sub(env.tsc_offset);
                env.set_tsc_offset(low.wrapping_sub(elapsed));
                env.rearm();
            }
            n::TSC_VIRTUAL_OFFSET => {
                let env = self.env();
                env.set_tsc_offset(low);
                env.rearm();
            }
            n::TSC_ADJUST => self.env().tsc_adjust = low,
            n::APIC_BASE => {
                let emulated = self.vp.apic().map(|mut apic| apic.set_base(low));
                if emulated.is_none() {
                    self.env().plain_apic_base = low;
                }
                self.env().rearm();
                // The register page may have moved.
                self.env().refresh_apic_page();
                self.cpu.flush_map();
            }
            n::TSC_DEADLINE => {
                if let Some(mut apic) = self.vp.apic() {
                    apic.preset_tsc_deadline(low);
                }
                self.env().rearm();
            }
            _ => {}
        }
    }

    fn set_event(&mut self, number: u32, value: RegisterValue, touched: &mut Touched) {
        let low = value.low();
        match number {
            n::PENDING_INTERRUPTION => {
                let event = events::decode_interruption(low).unwrap_or_default();
                self.nested_at = (low & events::NESTED != 0).then_some(self.cpu.s.icount);
                // Writing back what was read keeps an interrupted delivery what it is.
                let old = events::encode_interruption(self.cpu.s.events.inject.as_ref());
                if events::encode_interruption(event.as_ref()) != old {
                    self.cpu.s.events.inject = event;
                    self.is_injection_new = event.is_some();
                }
            }
            n::INTERRUPT_STATE => {
                let events = &mut self.cpu.s.events;
                events.shadow = low & 1 != 0;
                events.shadow_ss &= events.shadow;
                events.nmi_masked = low & 2 != 0;
                touched.derived = true;
            }
            n::PENDING_EVENT => {
                self.pending_event = if low & 1 != 0 { value.0 } else { 0 };
                self.is_ext_int_started = false;
                let env = self.env();
                env.ext_int = None;
                env.holds_ext_int = false;
            }
            n::NOTIFICATIONS => {
                let events = &mut self.cpu.s.events;
                events.want_nmi_window = low & 1 != 0;
                events.want_interrupt_window = (low & 2 != 0).then_some(((low >> 2) & 15) as u8);
                if let Some(hv) = &self.vp.hv {
                    hv.set_wanted((low >> 48) as u16);
                }
            }
            n::ACTIVITY => {
                self.is_idle = low & 4 != 0;
                self.suspended = low;
                self.cpu.s.activity = match low {
                    0 => Activity::Active,
                    bits if bits & 1 != 0 => Activity::WaitForSipi,
                    _ => Activity::Halted,
                };
            }
            n::DEBUG => {
                self.cpu.s.events.debug = low & 0xF | if low & 1 << 4 != 0 { DR6_BS } else { 0 };
                touched.derived = true;
            }
            _ => {}
        }
    }
}

/// What has to be recomputed after a batch of writes.
#[derive(Default)]
struct Touched {
    /// Segments, flags, debug registers.
    derived: bool,
    /// Paging and processor mode: cached translations are void.
    mode: bool,
}
