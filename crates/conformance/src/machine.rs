//! Machines made through the C functions, in a few calls.

#![expect(unsafe_code, reason = "calls C functions and maps memory for guests")]

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;

use openwhp_abi::hresult::HRESULT;
use openwhp_abi::hresult::S_OK;
use openwhp_abi::x64::*;
use rustix::mm::MapFlags;
use rustix::mm::ProtFlags;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;

use crate::api::Api;
use crate::call;

/// Bytes of a page.
pub const PAGE: u64 = 0x1000;
/// Where guest code starts, with flat real-mode segments.
pub const CODE: u64 = 0x1000;
/// Memory of a machine made by [`Machine::real_mode`], from guest address 0.
pub const MEMORY: u64 = 0x10_0000;
/// All rights.
pub const RWX: WHV_MAP_GPA_RANGE_FLAGS = WHV_MAP_GPA_RANGE_FLAGS(7);

/// An engine under test: an implementation of the interface and how to choose the engine in it.
#[derive(Clone, Copy, Debug)]
pub struct Engine {
    /// Name in test lists.
    pub name: &'static str,
    /// The functions.
    pub api: Api,
    choice: Option<u32>,
}

/// The choice of an engine is one value for the process.
static CHOOSING: Mutex<()> = Mutex::new(());

impl Engine {
    /// The engines to test: those of the linked library, or the one library named by
    /// `OPENWHP_CONFORMANCE_LIBRARY`.
    ///
    /// # Errors
    /// Says why the named library cannot be used.
    pub fn all() -> Result<Vec<Self>, String> {
        match std::env::var_os("OPENWHP_CONFORMANCE_LIBRARY") {
            Some(path) => {
                let api = Api::open(std::path::Path::new(&path))?;
                Ok(vec![Self { name: "library", api, choice: None }])
            }
            None => Ok(vec![Self::soft()]),
        }
    }

    /// The software engine of the linked library.
    pub fn soft() -> Self {
        Self { name: "soft", api: Api::linked(), choice: Some(1) }
    }

    /// The same engine, its calls noted while [`coverage::record`](crate::coverage::record) runs.
    pub fn observed(self) -> Self {
        Self { api: crate::observe::observed(self.api), ..self }
    }

    /// A capability as 64-bit words; zeroes if there is none.
    pub fn capability(&self, code: WHV_CAPABILITY_CODE) -> [u64; 4] {
        let mut words = [0_u64; 4];
        let (start, size) = (words.as_mut_ptr().cast(), size_of_val(&words) as u32);
        let _ = call!(self.api, WHvGetCapability(code, start, size, null_mut()));
        words
    }

    /// Creates a partition on this engine.
    pub fn create(&self) -> WHV_PARTITION_HANDLE {
        let _turn = CHOOSING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(choice) = self.choice {
            // SAFETY: the function takes no pointers.
            assert_eq!(unsafe { WinHvPlatform::openwhp_set_engine(choice) }, S_OK);
        }
        let mut partition = null_mut();
        assert_eq!(call!(self.api, WHvCreatePartition(&raw mut partition)), S_OK);
        partition
    }
}

/// Anonymous memory for a guest.
#[derive(Debug)]
pub struct Memory {
    start: *mut c_void,
    size: usize,
}

impl Memory {
    /// `size` bytes of zeroes, a multiple of the page size.
    pub fn new(size: u64) -> Self {
        Self::protected(size, ProtFlags::READ | ProtFlags::WRITE)
    }

    /// `size` bytes that the host may access only as said.
    pub fn protected(size: u64, rights: ProtFlags) -> Self {
        let size = usize::try_from(size).expect("a size that fits");
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let start = unsafe { rustix::mm::mmap_anonymous(null_mut(), size, rights, MapFlags::PRIVATE) };
        Self { start: start.expect("memory"), size }
    }

    /// Changes what the host may access.
    pub fn protect(&self, rights: rustix::mm::MprotectFlags) {
        // SAFETY: the range is this object's own mapping.
        unsafe { rustix::mm::mprotect(self.start, self.size, rights) }.expect("new rights");
    }

    /// Changes what the host may access of the first `size` bytes.
    pub fn protect_part(&self, size: u64, rights: rustix::mm::MprotectFlags) {
        let size = self.size.min(usize::try_from(size).expect("a size that fits"));
        // SAFETY: the range lies inside this object's own mapping.
        unsafe { rustix::mm::mprotect(self.start, size, rights) }.expect("new rights");
    }

    /// First address.
    pub fn address(&self) -> *mut c_void {
        self.start
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.size as u64
    }

    /// Copies bytes in.
    pub fn write(&self, offset: u64, bytes: &[u8]) {
        let offset = usize::try_from(offset).expect("an offset that fits");
        assert!(offset + bytes.len() <= self.size);
        for (place, byte) in (offset..).zip(bytes) {
            self.cell(place).store(*byte, Ordering::Relaxed);
        }
    }

    /// Copies bytes out.
    pub fn read(&self, offset: u64, count: usize) -> Vec<u8> {
        let offset = usize::try_from(offset).expect("an offset that fits");
        assert!(offset + count <= self.size);
        (offset..offset + count).map(|place| self.cell(place).load(Ordering::Relaxed)).collect()
    }

    /// A byte, which guests and other threads may change at any time.
    fn cell(&self, offset: usize) -> &AtomicU8 {
        assert!(offset < self.size);
        // SAFETY: inside the mapping, which lives as long as this object; every access from Rust is atomic.
        unsafe { AtomicU8::from_ptr(self.start.cast::<u8>().add(offset)) }
    }

    /// Stores a 64-bit word.
    pub fn write_u64(&self, offset: u64, value: u64) {
        self.write(offset, &value.to_le_bytes());
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the range is this object's own mapping; the machine that used it was dropped before.
        let _ = unsafe { rustix::mm::munmap(self.start, self.size) };
    }
}

/// A partition with memory. Deleted when dropped.
#[derive(Debug)]
pub struct Machine {
    /// The functions it was made with.
    pub api: Api,
    /// Its handle.
    pub partition: WHV_PARTITION_HANDLE,
    /// Its memory, mapped at guest address 0 once there is some.
    pub memory: Memory,
}

// SAFETY: the handle may be used from any thread, and memory is only accessed through raw copies.
unsafe impl Send for Machine {}
// SAFETY: as above.
unsafe impl Sync for Machine {}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = call!(self.api, WHvDeletePartition(self.partition));
    }
}

impl Machine {
    /// A partition that is created but not set up.
    pub fn created(engine: &Engine) -> Self {
        Self { api: engine.api, partition: engine.create(), memory: Memory::new(MEMORY) }
    }

    /// A partition configured by `configure`, set up with `processors` processors, none of them created.
    pub fn set_up(engine: &Engine, processors: u32, configure: impl FnOnce(&Self)) -> Self {
        let machine = Self::created(engine);
        assert_eq!(machine.set_property(WHvPartitionPropertyCodeProcessorCount, &processors), S_OK);
        configure(&machine);
        assert_eq!(call!(machine.api, WHvSetupPartition(machine.partition)), S_OK);
        machine
    }

    /// One processor in flat real mode at [`CODE`], with `code` there and [`MEMORY`] bytes of memory at 0.
    pub fn real_mode(engine: &Engine, code: &[u8], configure: impl FnOnce(&Self)) -> Self {
        let machine = Self::set_up(engine, 1, configure);
        machine.map_all();
        machine.memory.write(CODE, code);
        machine.create_vp(0);
        machine.enter_real_mode(0);
        machine
    }

    /// Maps the machine's memory at guest address 0 with all rights.
    pub fn map_all(&self) {
        assert_eq!(self.map(0, 0, MEMORY, RWX), S_OK);
    }

    /// Creates a processor.
    pub fn create_vp(&self, index: u32) {
        assert_eq!(call!(self.api, WHvCreateVirtualProcessor(self.partition, index, 0)), S_OK);
    }

    /// Puts a processor into real mode at [`CODE`], with base 0 in every segment.
    pub fn enter_real_mode(&self, vp: u32) {
        self.set(vp, &[(WHvX64RegisterCs, segment(0, 0x9B))]);
        self.set64(vp, WHvX64RegisterRip, CODE);
        self.set64(vp, WHvX64RegisterRsp, 0x8000);
    }

    /// Maps part of the machine's memory.
    pub fn map(&self, gpa: u64, offset: u64, size: u64, flags: WHV_MAP_GPA_RANGE_FLAGS) -> HRESULT {
        let source = self.memory.address().wrapping_byte_add(usize::try_from(offset).expect("an offset"));
        call!(self.api, WHvMapGpaRange(self.partition, source, gpa, size, flags))
    }

    /// Sets a property from any plain value.
    pub fn set_property<T: IntoBytes + Immutable + ?Sized>(
        &self,
        code: WHV_PARTITION_PROPERTY_CODE,
        value: &T,
    ) -> HRESULT {
        let bytes = value.as_bytes();
        let (start, size) = (bytes.as_ptr().cast(), bytes.len() as u32);
        call!(self.api, WHvSetPartitionProperty(self.partition, code, start, size))
    }

    /// Sets a property that must be accepted.
    pub fn configure<T: IntoBytes + Immutable + ?Sized>(&self, code: WHV_PARTITION_PROPERTY_CODE, value: &T) {
        assert_eq!(self.set_property(code, value), S_OK);
    }

    /// Reads a property that must be readable.
    pub fn property<T: FromBytes + IntoBytes>(&self, code: WHV_PARTITION_PROPERTY_CODE) -> T {
        let mut value = T::new_zeroed();
        let mut written = 0;
        let bytes = value.as_mut_bytes();
        let (start, size) = (bytes.as_mut_ptr().cast(), bytes.len() as u32);
        let result =
            call!(self.api, WHvGetPartitionProperty(self.partition, code, start, size, &raw mut written));
        assert_eq!(result, S_OK);
        assert_eq!(written as usize, size_of::<T>());
        value
    }

    /// Switches additional exits on.
    pub fn enable_exits(&self, set: impl FnOnce(&mut WHV_EXTENDED_VM_EXITS)) {
        let mut exits = WHV_EXTENDED_VM_EXITS::default();
        set(&mut exits);
        self.configure(WHvPartitionPropertyCodeExtendedVmExits, &exits);
    }

    /// Chooses the local APIC.
    pub fn use_apic(&self, mode: WHV_X64_LOCAL_APIC_EMULATION_MODE) {
        self.configure(WHvPartitionPropertyCodeLocalApicEmulationMode, &mode);
    }

    /// Runs a processor.
    ///
    /// # Errors
    /// The result code, if the call failed.
    pub fn try_run(&self, vp: u32) -> Result<WHV_RUN_VP_EXIT_CONTEXT, HRESULT> {
        let mut context = WHV_RUN_VP_EXIT_CONTEXT::default();
        let size = size_of::<WHV_RUN_VP_EXIT_CONTEXT>() as u32;
        let result =
            call!(self.api, WHvRunVirtualProcessor(self.partition, vp, (&raw mut context).cast(), size));
        if result == S_OK { Ok(context) } else { Err(result) }
    }

    /// Runs a processor to its next exit, which must have this reason.
    pub fn run_to(&self, vp: u32, reason: WHV_RUN_VP_EXIT_REASON) -> WHV_RUN_VP_EXIT_CONTEXT {
        let context = self.try_run(vp).expect("the processor runs");
        assert_eq!(context.ExitReason(), reason, "{context:#?}");
        context
    }

    /// Cancels the current or next run.
    pub fn cancel(&self, vp: u32) {
        assert_eq!(call!(self.api, WHvCancelRunVirtualProcessor(self.partition, vp, 0)), S_OK);
    }

    /// Reads registers.
    ///
    /// # Errors
    /// The result code, if the call failed.
    pub fn try_get(&self, vp: u32, names: &[WHV_REGISTER_NAME]) -> Result<Vec<WHV_REGISTER_VALUE>, HRESULT> {
        let mut values = vec![WHV_REGISTER_VALUE::default(); names.len()];
        let (first, count) = (names.as_ptr(), names.len() as u32);
        let result = call!(
            self.api,
            WHvGetVirtualProcessorRegisters(self.partition, vp, first, count, values.as_mut_ptr())
        );
        if result == S_OK { Ok(values) } else { Err(result) }
    }

    /// Writes registers; returns the result code.
    pub fn try_set(&self, vp: u32, pairs: &[(WHV_REGISTER_NAME, WHV_REGISTER_VALUE)]) -> HRESULT {
        let (names, values): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
        let (first, count) = (names.as_ptr(), names.len() as u32);
        call!(self.api, WHvSetVirtualProcessorRegisters(self.partition, vp, first, count, values.as_ptr()))
    }

    /// Writes registers that must accept the values.
    pub fn set(&self, vp: u32, pairs: &[(WHV_REGISTER_NAME, WHV_REGISTER_VALUE)]) {
        assert_eq!(self.try_set(vp, pairs), S_OK, "{pairs:x?}");
    }

    /// Reads a register of at most 64 bits.
    pub fn get64(&self, vp: u32, name: WHV_REGISTER_NAME) -> u64 {
        self.get(vp, name).Reg64()
    }

    /// Reads a register.
    pub fn get(&self, vp: u32, name: WHV_REGISTER_NAME) -> WHV_REGISTER_VALUE {
        match self.try_get(vp, &[name]) {
            Ok(values) => values[0],
            Err(code) => panic!("{name:?}: {code:?}"),
        }
    }

    /// Writes a register of at most 64 bits.
    pub fn set64(&self, vp: u32, name: WHV_REGISTER_NAME, value: u64) {
        self.set(vp, &[(name, word(value))]);
    }

    /// Requests an interrupt; returns the result code.
    pub fn request(&self, kind: WHV_INTERRUPT_TYPE, destination: u32, vector: u32) -> HRESULT {
        let mut control = WHV_INTERRUPT_CONTROL::default();
        control.set_Type(u64::from(kind.0));
        control.set_Destination(destination);
        control.set_Vector(vector);
        self.request_control(&control)
    }

    /// Requests an interrupt; returns the result code.
    pub fn request_control(&self, control: &WHV_INTERRUPT_CONTROL) -> HRESULT {
        call!(self.api, WHvRequestInterrupt(self.partition, std::ptr::from_ref(control), 16))
    }
}

/// A 64-bit register value.
pub fn word(value: u64) -> WHV_REGISTER_VALUE {
    let mut register = WHV_REGISTER_VALUE::default();
    register.set_Reg64(value);
    register
}

/// A segment with base `16 * selector`, a 64 KiB limit and these attributes.
pub fn segment(selector: u16, attributes: u16) -> WHV_REGISTER_VALUE {
    flat_segment(selector, u64::from(selector) << 4, 0xFFFF, attributes)
}

/// A segment with any base and limit.
pub fn flat_segment(selector: u16, base: u64, limit: u32, attributes: u16) -> WHV_REGISTER_VALUE {
    let mut descriptor = WHV_X64_SEGMENT_REGISTER::default();
    descriptor.set_Base(base);
    descriptor.set_Limit(limit);
    descriptor.set_Selector(selector);
    descriptor.set_Attributes(attributes);
    let mut register = WHV_REGISTER_VALUE::default();
    register.set_Segment(descriptor);
    register
}
