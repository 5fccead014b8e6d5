//! Hypercalls: who answers VMCALL and VMMCALL.

use std::sync::Arc;

use openwhp_apic::DeliveryMode;
use openwhp_apic::Message;
use openwhp_apic::TriggerMode;
use openwhp_engine::DeviceRetarget;
use openwhp_engine::DeviceRetargeted;
use openwhp_engine::ExtendedVmExits;
use openwhp_engine::MapFlags;
use openwhp_engine::PAGE_SIZE;
use openwhp_engine::PartitionConfig;
use openwhp_engine::VpIndex;
use openwhp_hyperv::Features;
use openwhp_hyperv::Msr;
use openwhp_hyperv::hypercall::ClientCall;
use openwhp_hyperv::hypercall::Control;
use openwhp_hyperv::hypercall::Flush;
use openwhp_hyperv::hypercall::Host;
use openwhp_hyperv::hypercall::Outcome;
use openwhp_hyperv::hypercall::Registers;
use openwhp_hyperv::hypercall::RestoredTime;
use openwhp_hyperv::hypercall::Retarget;
use openwhp_hyperv::hypercall::Retargeted;
use openwhp_hyperv::hypercall::Signal;
use openwhp_hyperv::hypercall::VpSet;
use openwhp_hyperv::hypercall::dispatch;
use openwhp_hyperv::hypercall::result;
use openwhp_x86::CpuExit;
use openwhp_x86::cpu::vector;
use openwhp_x86::env::Effect;
use openwhp_x86::state::RAX;
use openwhp_x86::state::RBX;
use openwhp_x86::state::RCX;
use openwhp_x86::state::RDI;
use openwhp_x86::state::RDX;
use openwhp_x86::state::RSI;

use crate::connections::Signalled;
use crate::cpuid;
use crate::env::VpEnv;
use crate::guest;
use crate::interrupts;
use crate::vp::SoftVp;
use crate::vp_shared::Place;
use crate::vp_shared::VpShared;
use crate::vp_shared::lock;
use crate::vp_shared::request;

/// Index of R8.
const R8: usize = 8;
/// Distance of a proximity domain from itself, as ACPI counts.
const LOCAL_DISTANCE: u64 = 10;

/// True if a partition has a hypercall interface of the engine's own.
pub(crate) fn has_interface(config: &PartitionConfig) -> bool {
    let features = Features::from_bits_retain(config.synthetic_features);
    features.contains(Features::HV1 | Features::HYPERCALL)
}

impl SoftVp {
    /// The guest made a hypercall with an instruction of this length: answers it, or gives the exit it ends in.
    pub(crate) fn take_hypercall(&mut self, length: u8) -> Option<CpuExit> {
        let is_identified = self.shared.hv.as_ref().is_some_and(|hv| hv.state().registers.is_identified());
        if !has_interface(&self.shared.config) || !is_identified {
            // Nobody has set the interface up: it is the client's call, or nobody's.
            return if self.exits_on(ExtendedVmExits::HYPERCALL) {
                Some(CpuExit::Hypercall { length })
            } else {
                self.cpu.raise_fault(vector::UD, None)
            };
        }
        // The interface is for kernels; that VMCALL itself exits at every level is the processor's rule.
        if self.cpu.s.cpl != 0 || !self.cpu.s.protected() {
            return self.cpu.raise_fault(vector::UD, None);
        }
        let mut registers = self.call_registers();
        let code = Control::decode(registers.control()).code;
        match dispatch(self.shared.features(), &mut registers, self) {
            Outcome::Done => {}
            Outcome::Client(call, status) => {
                let switch = match call {
                    ClientCall::Unhandled => ExtendedVmExits::HYPERCALL,
                    ClientCall::UnknownConnection => ExtendedVmExits::UNKNOWN_SYNIC_CONNECTION,
                    ClientCall::UnknownDevice => ExtendedVmExits::RETARGET_UNKNOWN_VPCI_DEVICE,
                };
                if self.exits_on(switch) {
                    return Some(CpuExit::Hypercall { length });
                }
                registers.set_result(result(status, 0));
            }
            Outcome::Undefined => return self.cpu.raise_fault(vector::UD, None),
        }
        self.set_call_registers(&registers);
        self.vp.counters.hypercall(code);
        self.cpu.retire(length);
        None
    }

    fn exits_on(&mut self, switch: ExtendedVmExits) -> bool {
        self.env().exits.extended.contains(switch)
    }

    /// The registers that a hypercall reads.
    pub(crate) fn call_registers(&self) -> Registers {
        let s = &self.cpu.s;
        let mut xmm = [0; 6];
        for (value, register) in xmm.iter_mut().zip(&s.vec.zmm) {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&register[..16]);
            *value = u128::from_le_bytes(bytes);
        }
        Registers {
            is_64bit: s.is64(),
            rax: s.gpr[RAX],
            rbx: s.gpr[RBX],
            rcx: s.gpr[RCX],
            rdx: s.gpr[RDX],
            rsi: s.gpr[RSI],
            rdi: s.gpr[RDI],
            r8: s.gpr[R8],
            xmm,
        }
    }

    fn set_call_registers(&mut self, registers: &Registers) {
        let before = self.call_registers();
        let s = &mut self.cpu.s;
        s.gpr[RAX] = registers.rax;
        s.gpr[RDX] = registers.rdx;
        s.gpr[R8] = registers.r8;
        if before.xmm != registers.xmm {
            for (value, register) in registers.xmm.iter().zip(&mut s.vec.zmm) {
                register[..16].copy_from_slice(&value.to_le_bytes());
            }
            s.vec.xinuse |= 2;
        }
    }

    /// Processors of a set other than this one.
    fn others_of(&self, targets: &VpSet) -> Vec<Arc<VpShared>> {
        let mut others = Vec::new();
        self.shared.each_vp(|vp| {
            if vp.index != self.vp.index && targets.contains(vp.index) {
                others.push(vp.clone());
            }
        });
        others
    }

    /// Asks others for something and waits until they have done it. Meanwhile this processor counts as stopped, so that
    /// others may wait for it.
    fn ask(&mut self, others: &[Arc<VpShared>], requests: u32) {
        if others.is_empty() {
            return;
        }
        self.shared.leave_to(&self.vp, Place::Parked);
        self.shared.ask(others, requests);
        self.shared.enter_running(&self.vp, Place::Parked);
        self.take_requests();
    }
}

impl VpEnv {
    /// Reads guest memory as this processor sees it; within a page.
    fn read_guest(&self, gpa: u64, data: &mut [u8]) -> bool {
        let page = gpa / PAGE_SIZE;
        let slot = self.map().find(page).filter(|slot| slot.flags.contains(MapFlags::READ));
        slot.is_some_and(|slot| guest::read(slot.host_of(page) + (gpa % PAGE_SIZE) as usize, data))
    }

    /// Writes guest memory as this processor sees it; within a page.
    fn write_guest(&self, gpa: u64, data: &[u8]) -> bool {
        let page = gpa / PAGE_SIZE;
        let Some(slot) = self.map().find(page) else { return false };
        if !slot.flags.contains(MapFlags::WRITE) {
            return false;
        }
        let is_written = guest::write(slot.host_of(page) + (gpa % PAGE_SIZE) as usize, data);
        if is_written {
            slot.mark_dirty(page);
            slot.note_write(page);
        }
        is_written
    }
}

impl Host for SoftVp {
    fn read(&mut self, gpa: u64, data: &mut [u8]) -> bool {
        self.env().read_guest(gpa, data)
    }

    fn write(&mut self, gpa: u64, data: &[u8]) -> bool {
        self.env().write_guest(gpa, data)
    }

    fn vp_index(&self) -> u32 {
        self.vp.index
    }

    fn has_vp(&self, index: u32) -> bool {
        self.shared.vp(index).is_some()
    }

    fn flush(&mut self, targets: &VpSet, flush: Flush<'_>) {
        if targets.contains(self.vp.index) {
            self.flush_own(&flush);
        }
        let others = self.others_of(targets);
        for vp in &others {
            lock(&vp.flush).merge(&flush);
        }
        self.ask(&others, request::FLUSH_TLB);
    }

    fn send_ipi(&mut self, targets: &VpSet, vector: u8) {
        let message = Message { delivery_mode: DeliveryMode::Fixed, trigger: TriggerMode::Edge, vector };
        let others = self.others_of(targets);
        for vp in &others {
            interrupts::receive(vp, message);
        }
        if targets.contains(self.vp.index) {
            interrupts::receive(&self.vp, message);
        }
    }

    fn long_spin_wait(&mut self) {
        if self.shared.config.processor_count > 1 {
            std::thread::yield_now();
        }
    }

    fn signal_event(&mut self, connection: u32, flag: u16) -> Signal {
        match self.shared.connections.signal(connection, flag) {
            Signalled::Done => Signal::Done,
            Signalled::BadFlag => Signal::BadFlag,
            Signalled::Unknown => Signal::Unknown,
        }
    }

    fn leaf(&mut self, function: u32) -> [u32; 4] {
        cpuid::hypervisor_leaf(&self.shared.config, function)
    }

    fn read_msr(&mut self, index: u32) -> Option<u64> {
        let icount = self.cpu.s.icount;
        match Msr::find(self.shared.features(), index)? {
            Msr::Partition(_) | Msr::Vp(_) | Msr::Fact(_) => {
                match self.env().read_synthetic(index, icount)? {
                    Effect::Done(value) => Some(value),
                    _ => None,
                }
            }
            Msr::Apic(_) | Msr::GuestIdle => None,
        }
    }

    fn write_msr(&mut self, index: u32, value: u64) -> bool {
        let icount = self.cpu.s.icount;
        match Msr::find(self.shared.features(), index) {
            Some(Msr::Partition(_) | Msr::Vp(_)) => {
                self.env().write_synthetic(index, value, icount) == Some(Effect::Done(()))
            }
            _ => false,
        }
    }

    fn numa_distance(&mut self, from: u32, to: u32) -> Option<u64> {
        // One domain, number 0.
        (from == 0 && to == 0).then_some(LOCAL_DISTANCE)
    }

    fn retarget(&mut self, retarget: &Retarget) -> Retargeted {
        let Some(devices) = self.shared.devices.get() else { return Retargeted::UnknownDevice };
        let indices = 0..self.shared.config.processor_count;
        let is_target = |index: &u32| retarget.targets.is_all() || retarget.targets.contains(*index);
        let wanted = DeviceRetarget {
            device: retarget.device,
            address: u64::from(retarget.address),
            data: retarget.data,
            vector: retarget.vector,
            is_multicast: retarget.is_multicast,
            processors: indices.filter(is_target).map(VpIndex).collect(),
        };
        match devices.retarget(wanted) {
            DeviceRetargeted::Done => Retargeted::Done,
            DeviceRetargeted::Refused => Retargeted::Refused,
            DeviceRetargeted::UnknownDevice => Retargeted::UnknownDevice,
        }
    }

    fn restore_time(&mut self, time: RestoredTime) {
        let icount = self.cpu.s.icount;
        let ns = self.env().ns(icount);
        let offset = time.tsc.wrapping_sub(self.shared.tsc_rate.ticks_at(ns));
        self.shared.clock.set_reference_at(ns, time.reference_100ns.saturating_mul(100));
        let others = self.others_of(&VpSet::all());
        for vp in &others {
            *lock(&vp.ordered_tsc) = Some(offset);
        }
        self.env().order_tsc(offset);
        self.ask(&others, request::SET_TSC);
        self.shared.restore_reference(time);
    }
}
