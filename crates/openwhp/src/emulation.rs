//! The instruction emulator, with processors of this platform as its hosts.
//!
//! [`Emulator`] finishes the instruction behind a memory or port exit through callbacks alone; [`ProcessorHost`]
//! answers them for a [`Processor`] and the client's bus. Other than [`crate::emulate`], which hands the instruction
//! back to the engine, it shows every access of the instruction, ordinary memory included, and completes string
//! instructions in one go.

use openwhp_engine::Exit;
use openwhp_engine::ExitReason;
use openwhp_engine::Gva;
use openwhp_engine::MmioBus;
use openwhp_engine::PortBus;
use openwhp_engine::RegisterName;
use openwhp_engine::RegisterValue;
use openwhp_engine::TranslateFlags;
use openwhp_engine::Translation;

pub use openwhp_emulation::CallbackFailed;
pub use openwhp_emulation::Emulator;
pub use openwhp_emulation::EmulatorError;
pub use openwhp_emulation::EmulatorHost;
pub use openwhp_emulation::MemoryRequest;
pub use openwhp_emulation::PortRequest;

use crate::Processor;

/// A processor with the bus that knows its memory, devices and ports.
///
/// The bus is asked for all guest physical memory that an instruction touches: it has to know ordinary memory too.
#[derive(Debug)]
pub struct ProcessorHost<'a, B> {
    vp: &'a Processor,
    bus: &'a mut B,
    pairs: Vec<(RegisterName, RegisterValue)>,
}

impl<'a, B: MmioBus + PortBus> ProcessorHost<'a, B> {
    /// A host for one processor.
    pub fn new(vp: &'a Processor, bus: &'a mut B) -> Self {
        Self { vp, bus, pairs: Vec::new() }
    }
}

impl<B: MmioBus + PortBus> EmulatorHost for ProcessorHost<'_, B> {
    fn io_port(&mut self, request: &mut PortRequest) -> Result<(), CallbackFailed> {
        let mut bytes = request.data.to_le_bytes();
        let data = &mut bytes[..usize::from(request.size.clamp(1, 4))];
        if request.is_write {
            PortBus::write(self.bus, request.port, data);
        } else {
            PortBus::read(self.bus, request.port, data);
            request.data = u32::from_le_bytes(bytes);
        }
        Ok(())
    }

    fn memory(&mut self, request: &mut MemoryRequest) -> Result<(), CallbackFailed> {
        let data = &mut request.data[..usize::from(request.size.clamp(1, 8))];
        if request.is_write {
            MmioBus::write(self.bus, request.gpa, data);
        } else {
            MmioBus::read(self.bus, request.gpa, data);
        }
        Ok(())
    }

    fn get_registers(
        &mut self,
        names: &[RegisterName],
        values: &mut [RegisterValue],
    ) -> Result<(), CallbackFailed> {
        self.vp.get_registers(names, values).map_err(|_| CallbackFailed)
    }

    fn set_registers(
        &mut self,
        names: &[RegisterName],
        values: &[RegisterValue],
    ) -> Result<(), CallbackFailed> {
        self.pairs.clear();
        self.pairs.extend(names.iter().copied().zip(values.iter().copied()));
        self.vp.set_registers(&self.pairs).map_err(|_| CallbackFailed)
    }

    fn translate(&mut self, page: Gva, flags: TranslateFlags) -> Result<Translation, CallbackFailed> {
        self.vp.translate_gva(page, flags).map_err(|_| CallbackFailed)
    }
}

/// Finishes the instruction of a memory or port exit of `vp` with the client's bus.
///
/// # Errors
/// [`EmulatorError`]; registers are unchanged then. [`EmulatorError::Internal`] also for an exit of another kind.
///
/// # Examples
///
/// ```
/// use openwhp::emulation::Emulator;
/// use openwhp::emulation::finish;
/// use openwhp::*;
///
/// /// Memory at 0, and a device above it whose every byte is 0x2A.
/// struct Bus(GuestMemory);
///
/// impl MmioBus for Bus {
///     fn read(&mut self, gpa: Gpa, data: &mut [u8]) {
///         if self.0.read(gpa.0, data).is_err() {
///             data.fill(0x2A);
///         }
///     }
///     fn write(&mut self, gpa: Gpa, data: &[u8]) {
///         let _ = self.0.write(gpa.0, data);
///     }
/// }
///
/// impl PortBus for Bus {
///     fn read(&mut self, _: u16, _: &mut [u8]) {}
///     fn write(&mut self, _: u16, _: &[u8]) {}
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let memory = GuestMemory::new(0x2000)?;
/// // mov si, 0x2000; mov di, 0x1800; mov cx, 5; rep movsb; hlt
/// memory.write(0x1000, &[0xBE, 0, 0x20, 0xBF, 0, 0x18, 0xB9, 5, 0, 0xF3, 0xA4, 0xF4])?;
/// let partition = Partition::builder().processors(1).build()?;
/// partition.map(&memory, 0, Gpa(0), 0x2000, MapFlags::READ | MapFlags::WRITE | MapFlags::EXECUTE)?;
/// let vp = partition.create_vp(VpIndex(0))?;
/// let cs = SegmentRegister { limit: 0xFFFF, attributes: 0x9B, ..SegmentRegister::default() };
/// vp.set_registers(&[(RegisterName::CS, cs.into()), (RegisterName::RIP, 0x1000.into())])?;
///
/// let (mut emulator, mut bus) = (Emulator::new(), Bus(memory.clone()));
/// loop {
///     let exit = vp.run()?;
///     match exit.reason {
///         ExitReason::MemoryAccess(_) => finish(&mut emulator, &vp, &exit, &mut bus)?,
///         ExitReason::Halt => break,
///         other => return Err(format!("unexpected exit: {other:?}").into()),
///     }
/// }
/// let mut copied = [0; 5];
/// memory.read(0x1800, &mut copied)?;
/// assert_eq!(copied, [0x2A; 5]);
/// # Ok(())
/// # }
/// ```
pub fn finish<B: MmioBus + PortBus>(
    emulator: &mut Emulator,
    vp: &Processor,
    exit: &Exit,
    bus: &mut B,
) -> Result<(), EmulatorError> {
    let mut host = ProcessorHost::new(vp, bus);
    match &exit.reason {
        ExitReason::MemoryAccess(access) => emulator.try_mmio(&mut host, &exit.vp, access),
        ExitReason::IoPort(access) => emulator.try_io(&mut host, &exit.vp, access),
        _ => Err(EmulatorError::Internal),
    }
}
