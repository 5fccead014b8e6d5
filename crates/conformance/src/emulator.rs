//! Hosts of the instruction emulator: one made of tables, and one that passes everything on to a machine.

#![expect(unsafe_code, reason = "defines C callbacks and calls C functions")]

use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr::from_mut;
use std::ptr::null_mut;

use openwhp_abi::hresult::E_FAIL;
use openwhp_abi::hresult::HRESULT;
use openwhp_abi::hresult::S_OK;
use openwhp_abi::x64::*;

use crate::Machine;
use crate::api::EmulatorApi;
use crate::call;

/// What the emulator asked, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// Registers to read.
    Get(Vec<WHV_REGISTER_NAME>),
    /// Registers to write.
    Set(Vec<(WHV_REGISTER_NAME, u128)>),
    /// A read of memory: address and size.
    Read(u64, usize),
    /// A write of memory: address and bytes.
    Write(u64, Vec<u8>),
    /// A read of a port: number and size.
    In(u16, u16),
    /// A write of a port: number, size and value.
    Out(u16, u16, u32),
    /// A translation: page and flags.
    Translate(u64, u32),
}

/// A callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Callback {
    /// Ports.
    Port,
    /// Memory.
    Memory,
    /// Reading registers.
    Get,
    /// Writing registers.
    Set,
    /// Translation.
    Translate,
}

/// Answers of an emulator's owner.
pub trait Host {
    /// Reads registers.
    fn get(&mut self, names: &[WHV_REGISTER_NAME], values: &mut [WHV_REGISTER_VALUE]) -> HRESULT;
    /// Writes registers.
    fn set(&mut self, names: &[WHV_REGISTER_NAME], values: &[WHV_REGISTER_VALUE]) -> HRESULT;
    /// Accesses memory.
    fn memory(&mut self, access: &mut WHV_EMULATOR_MEMORY_ACCESS_INFO) -> HRESULT;
    /// Accesses a port.
    fn port(&mut self, access: &mut WHV_EMULATOR_IO_ACCESS_INFO) -> HRESULT;
    /// Translates a page.
    ///
    /// # Errors
    /// The code with which the callback fails.
    fn translate(
        &mut self,
        page: u64,
        flags: WHV_TRANSLATE_GVA_FLAGS,
    ) -> Result<(WHV_TRANSLATE_GVA_RESULT_CODE, u64), HRESULT>;
}

unsafe extern "C" fn get<H: Host>(
    context: *mut c_void,
    names: *const WHV_REGISTER_NAME,
    count: u32,
    values: *mut WHV_REGISTER_VALUE,
) -> HRESULT {
    let count = count as usize;
    // SAFETY: the context is the host that `Emulator::run` borrows; both arrays have `count` elements.
    let (host, names, values) = unsafe {
        (
            &mut *context.cast::<H>(),
            std::slice::from_raw_parts(names, count),
            std::slice::from_raw_parts_mut(values, count),
        )
    };
    host.get(names, values)
}

unsafe extern "C" fn set<H: Host>(
    context: *mut c_void,
    names: *const WHV_REGISTER_NAME,
    count: u32,
    values: *const WHV_REGISTER_VALUE,
) -> HRESULT {
    let count = count as usize;
    // SAFETY: as in `get`.
    let (host, names, values) = unsafe {
        (
            &mut *context.cast::<H>(),
            std::slice::from_raw_parts(names, count),
            std::slice::from_raw_parts(values, count),
        )
    };
    host.set(names, values)
}

unsafe extern "C" fn memory<H: Host>(
    context: *mut c_void,
    access: *mut WHV_EMULATOR_MEMORY_ACCESS_INFO,
) -> HRESULT {
    // SAFETY: the context is the host that `Emulator::run` borrows; the structure is the emulator's.
    let (host, access) = unsafe { (&mut *context.cast::<H>(), &mut *access) };
    host.memory(access)
}

unsafe extern "C" fn port<H: Host>(
    context: *mut c_void,
    access: *mut WHV_EMULATOR_IO_ACCESS_INFO,
) -> HRESULT {
    // SAFETY: as in `memory`.
    let (host, access) = unsafe { (&mut *context.cast::<H>(), &mut *access) };
    host.port(access)
}

unsafe extern "C" fn translate<H: Host>(
    context: *mut c_void,
    page: WHV_GUEST_VIRTUAL_ADDRESS,
    flags: WHV_TRANSLATE_GVA_FLAGS,
    result: *mut WHV_TRANSLATE_GVA_RESULT_CODE,
    gpa: *mut WHV_GUEST_PHYSICAL_ADDRESS,
) -> HRESULT {
    // SAFETY: as in `memory`.
    let host = unsafe { &mut *context.cast::<H>() };
    match host.translate(page, flags) {
        Ok((code, address)) => {
            // SAFETY: both are the emulator's places for the answer.
            unsafe { result.write(code) };
            // SAFETY: as above.
            unsafe { gpa.write(address) };
            S_OK
        }
        Err(code) => code,
    }
}

/// The callbacks for hosts of one type.
pub fn callbacks<H: Host>() -> WHV_EMULATOR_CALLBACKS {
    WHV_EMULATOR_CALLBACKS {
        Size: size_of::<WHV_EMULATOR_CALLBACKS>() as u32,
        Reserved: 0,
        WHvEmulatorIoPortCallback: Some(port::<H>),
        WHvEmulatorMemoryCallback: Some(memory::<H>),
        WHvEmulatorGetVirtualProcessorRegisters: Some(get::<H>),
        WHvEmulatorSetVirtualProcessorRegisters: Some(set::<H>),
        WHvEmulatorTranslateGvaPage: Some(translate::<H>),
    }
}

/// An emulator for hosts of one type. Destroyed when dropped.
#[derive(Debug)]
pub struct Emulator<H: Host> {
    api: EmulatorApi,
    /// The handle.
    pub handle: WHV_EMULATOR_HANDLE,
    host: std::marker::PhantomData<fn(&mut H)>,
}

impl<H: Host> Default for Emulator<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: Host> Emulator<H> {
    /// An emulator.
    pub fn new() -> Self {
        let api = EmulatorApi::chosen();
        let (table, mut handle) = (callbacks::<H>(), null_mut());
        assert_eq!(call!(api, WHvEmulatorCreateEmulator(&raw const table, &raw mut handle)), S_OK);
        Self { api, handle, host: std::marker::PhantomData }
    }

    /// Finishes the instruction of a memory exit; gives the status.
    pub fn mmio(
        &self,
        host: &mut H,
        vp: &WHV_VP_EXIT_CONTEXT,
        access: &WHV_MEMORY_ACCESS_CONTEXT,
    ) -> WHV_EMULATOR_STATUS {
        let mut status = WHV_EMULATOR_STATUS::default();
        let (vp, access) = (std::ptr::from_ref(vp), std::ptr::from_ref(access));
        let context = from_mut(host).cast();
        let result =
            call!(self.api, WHvEmulatorTryMmioEmulation(self.handle, context, vp, access, &raw mut status));
        assert_eq!(result, S_OK);
        status
    }

    /// Finishes the instruction of a port exit; gives the status.
    pub fn io(
        &self,
        host: &mut H,
        vp: &WHV_VP_EXIT_CONTEXT,
        access: &WHV_X64_IO_PORT_ACCESS_CONTEXT,
    ) -> WHV_EMULATOR_STATUS {
        let mut status = WHV_EMULATOR_STATUS::default();
        let (vp, access) = (std::ptr::from_ref(vp), std::ptr::from_ref(access));
        let context = from_mut(host).cast();
        let result =
            call!(self.api, WHvEmulatorTryIoEmulation(self.handle, context, vp, access, &raw mut status));
        assert_eq!(result, S_OK);
        status
    }
}

impl<H: Host> Drop for Emulator<H> {
    fn drop(&mut self) {
        let _ = call!(self.api, WHvEmulatorDestroyEmulator(self.handle));
    }
}

/// A host made of tables. Linear pages are at [`Tables::AHEAD`] more in physical memory.
#[derive(Debug, Default)]
pub struct Tables {
    /// Registers; one that is not here is not known.
    pub registers: HashMap<WHV_REGISTER_NAME, u128>,
    /// Memory by physical address; reads elsewhere give the low byte of the address.
    pub memory: HashMap<u64, u8>,
    /// What ports give.
    pub port_value: u32,
    /// Results of translations other than success, by page.
    pub results: HashMap<u64, WHV_TRANSLATE_GVA_RESULT_CODE>,
    /// Added to every translated address.
    pub offset: u64,
    /// The callback that fails.
    pub fails: Option<Callback>,
    /// What was asked.
    pub asked: Vec<Asked>,
}

impl Tables {
    /// What physical addresses are ahead of linear ones.
    pub const AHEAD: u64 = 0x1_0000_0000;

    /// The written registers of the one set of registers that took place.
    pub fn written(&self) -> HashMap<WHV_REGISTER_NAME, u128> {
        let sets: Vec<_> = self
            .asked
            .iter()
            .filter_map(|a| if let Asked::Set(list) = a { Some(list) } else { None })
            .collect();
        assert_eq!(sets.len(), 1, "{:x?}", self.asked);
        sets[0].iter().copied().collect()
    }

    /// Whether registers were written.
    pub fn has_set(&self) -> bool {
        self.asked.iter().any(|asked| matches!(asked, Asked::Set(_)))
    }

    /// What was asked except for registers.
    pub fn accesses(&self) -> Vec<Asked> {
        let is_access = |a: &&Asked| !matches!(a, Asked::Get(_) | Asked::Set(_) | Asked::Translate(..));
        self.asked.iter().filter(is_access).cloned().collect()
    }

    fn answer(&self, callback: Callback) -> HRESULT {
        if self.fails == Some(callback) { E_FAIL } else { S_OK }
    }
}

impl Host for Tables {
    fn get(&mut self, names: &[WHV_REGISTER_NAME], values: &mut [WHV_REGISTER_VALUE]) -> HRESULT {
        self.asked.push(Asked::Get(names.to_vec()));
        for (name, value) in names.iter().zip(values) {
            let Some(known) = self.registers.get(name) else { return E_FAIL };
            *value = value_of(*known);
        }
        self.answer(Callback::Get)
    }

    fn set(&mut self, names: &[WHV_REGISTER_NAME], values: &[WHV_REGISTER_VALUE]) -> HRESULT {
        let list = names.iter().zip(values).map(|(name, value)| (*name, bits_of(value))).collect();
        self.asked.push(Asked::Set(list));
        self.answer(Callback::Set)
    }

    fn memory(&mut self, access: &mut WHV_EMULATOR_MEMORY_ACCESS_INFO) -> HRESULT {
        let (gpa, size) = (access.GpaAddress(), usize::from(access.AccessSize()));
        assert!((1..=8).contains(&size), "{size} bytes");
        assert_eq!(gpa >> 12, (gpa + size as u64 - 1) >> 12, "an access crosses a page");
        let mut data = access.Data();
        if access.Direction() == 1 {
            self.asked.push(Asked::Write(gpa, data[..size].to_vec()));
            self.memory.extend((gpa..).zip(data[..size].iter().copied()));
        } else {
            self.asked.push(Asked::Read(gpa, size));
            for (at, byte) in (gpa..).zip(&mut data[..size]) {
                *byte = self.memory.get(&at).copied().unwrap_or(at as u8);
            }
            access.set_Data(data);
        }
        self.answer(Callback::Memory)
    }

    fn port(&mut self, access: &mut WHV_EMULATOR_IO_ACCESS_INFO) -> HRESULT {
        let (port, size) = (access.Port(), access.AccessSize());
        if access.Direction() == 1 {
            self.asked.push(Asked::Out(port, size, access.Data()));
        } else {
            self.asked.push(Asked::In(port, size));
            access.set_Data(self.port_value);
        }
        self.answer(Callback::Port)
    }

    fn translate(
        &mut self,
        page: u64,
        flags: WHV_TRANSLATE_GVA_FLAGS,
    ) -> Result<(WHV_TRANSLATE_GVA_RESULT_CODE, u64), HRESULT> {
        self.asked.push(Asked::Translate(page, flags.0));
        if self.fails == Some(Callback::Translate) {
            return Err(E_FAIL);
        }
        let code = self.results.get(&page).copied().unwrap_or(WHvTranslateGvaResultSuccess);
        Ok((code, page + Self::AHEAD + self.offset))
    }
}

/// A register value from its bits.
pub fn value_of(bits: u128) -> WHV_REGISTER_VALUE {
    let mut words = WHV_UINT128::default();
    words.set_Low64(bits as u64);
    words.set_High64((bits >> 64) as u64);
    let mut value = WHV_REGISTER_VALUE::default();
    value.set_Reg128(words);
    value
}

/// The bits of a register value.
pub fn bits_of(value: &WHV_REGISTER_VALUE) -> u128 {
    let words = value.Reg128();
    u128::from(words.High64()) << 64 | u128::from(words.Low64())
}

/// A host that passes everything on to processor 0 of a machine, with a device where nothing is mapped.
#[derive(Debug)]
pub struct Client<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// Guest address of the device.
    pub start: u64,
    /// The device: what was written last is read.
    pub device: Vec<u8>,
    /// Accesses to the device: address, size, whether it was a write.
    pub accesses: Vec<(u64, usize, bool)>,
    /// Port accesses: number, size, value written.
    pub ports: Vec<(u16, u16, Option<u32>)>,
    /// Bytes that ports give, repeated.
    pub port_value: u32,
}

impl<'a> Client<'a> {
    /// A device of `size` zero bytes at `start`.
    pub fn new(machine: &'a Machine, start: u64, size: usize) -> Self {
        Self {
            machine,
            start,
            device: vec![0; size],
            accesses: Vec::new(),
            ports: Vec::new(),
            port_value: 0x5A5A_5A5A,
        }
    }

    /// Runs the machine, finishing instructions, until another exit; gives its reason.
    pub fn run(&mut self) -> WHV_RUN_VP_EXIT_REASON {
        let emulator = Emulator::<Self>::new();
        loop {
            let exit = self.machine.try_run(0).expect("the processor runs");
            let reason = exit.ExitReason();
            let status = if reason == WHvRunVpExitReasonMemoryAccess {
                emulator.mmio(self, &exit.VpContext(), &exit.MemoryAccess())
            } else if reason == WHvRunVpExitReasonX64IoPortAccess {
                emulator.io(self, &exit.VpContext(), &exit.IoPortAccess())
            } else {
                return reason;
            };
            assert_eq!(status.AsUINT32(), 1, "{:#x?}", exit.VpContext());
        }
    }
}

impl Host for Client<'_> {
    fn get(&mut self, names: &[WHV_REGISTER_NAME], values: &mut [WHV_REGISTER_VALUE]) -> HRESULT {
        let (api, partition) = (self.machine.api, self.machine.partition);
        let (first, count) = (names.as_ptr(), names.len() as u32);
        call!(api, WHvGetVirtualProcessorRegisters(partition, 0, first, count, values.as_mut_ptr()))
    }

    fn set(&mut self, names: &[WHV_REGISTER_NAME], values: &[WHV_REGISTER_VALUE]) -> HRESULT {
        let (api, partition) = (self.machine.api, self.machine.partition);
        let (first, count) = (names.as_ptr(), names.len() as u32);
        call!(api, WHvSetVirtualProcessorRegisters(partition, 0, first, count, values.as_ptr()))
    }

    fn memory(&mut self, access: &mut WHV_EMULATOR_MEMORY_ACCESS_INFO) -> HRESULT {
        let (gpa, size) = (access.GpaAddress(), usize::from(access.AccessSize()));
        let is_write = access.Direction() == 1;
        let mut data = access.Data();
        let at = usize::try_from(gpa.wrapping_sub(self.start)).unwrap_or(usize::MAX);
        if let Some(cells) = at.checked_add(size).and_then(|end| self.device.get_mut(at..end)) {
            self.accesses.push((gpa, size, is_write));
            if is_write {
                cells.copy_from_slice(&data[..size]);
            } else {
                data[..size].copy_from_slice(cells);
            }
        } else if gpa + size as u64 > self.machine.memory.size() {
            return E_FAIL;
        } else if is_write {
            self.machine.memory.write(gpa, &data[..size]);
        } else {
            data[..size].copy_from_slice(&self.machine.memory.read(gpa, size));
        }
        access.set_Data(data);
        S_OK
    }

    fn port(&mut self, access: &mut WHV_EMULATOR_IO_ACCESS_INFO) -> HRESULT {
        if access.Direction() == 1 {
            self.ports.push((access.Port(), access.AccessSize(), Some(access.Data())));
        } else {
            self.ports.push((access.Port(), access.AccessSize(), None));
            access.set_Data(self.port_value);
        }
        S_OK
    }

    fn translate(
        &mut self,
        page: u64,
        flags: WHV_TRANSLATE_GVA_FLAGS,
    ) -> Result<(WHV_TRANSLATE_GVA_RESULT_CODE, u64), HRESULT> {
        let (mut result, mut gpa) = (WHV_TRANSLATE_GVA_RESULT::default(), 0);
        let (api, partition) = (self.machine.api, self.machine.partition);
        let code = call!(api, WHvTranslateGva(partition, 0, page, flags, &raw mut result, &raw mut gpa));
        if code == S_OK { Ok((result.ResultCode, gpa)) } else { Err(code) }
    }
}
