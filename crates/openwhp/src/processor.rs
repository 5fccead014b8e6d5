//! Virtual processors: running them, cancelling them, and their state while they stand still.

use std::fmt;
use std::sync::Arc;

use openwhp_engine::CpuidOutput;
use openwhp_engine::EmulateError;
use openwhp_engine::Exit;
use openwhp_engine::GuestNs;
use openwhp_engine::Gva;
use openwhp_engine::MmioBus;
use openwhp_engine::PortBus;
use openwhp_engine::RegisterError;
use openwhp_engine::RegisterName;
use openwhp_engine::RegisterValue;
use openwhp_engine::StateError;
use openwhp_engine::TranslateFlags;
use openwhp_engine::Translation;
use openwhp_engine::VpCounters;
use openwhp_engine::VpIndex;
use openwhp_engine::VpRemote;

use crate::Partition;
use crate::RunError;
use crate::VpError;
use crate::cell::Away;
use crate::cell::Cell;
use crate::gate::RunGate;

/// A virtual processor. The value is a handle; clones mean the same processor.
///
/// One thread at a time runs it, any thread may be that thread. Its state can be read and written while nobody runs
/// it; otherwise the calls fail with a `Running` error. [`Processor::canceller`] gets it out of
/// [`Processor::run`] from any other thread.
#[derive(Clone)]
pub struct Processor {
    partition: Partition,
    cell: Arc<Cell>,
}

impl Processor {
    pub(crate) fn new(partition: Partition, cell: Arc<Cell>) -> Self {
        Self { partition, cell }
    }

    /// Its index.
    pub fn index(&self) -> VpIndex {
        self.cell.index()
    }

    /// Its partition.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// Runs the guest until an exit. Blocks.
    ///
    /// With an emulated local APIC a halted processor waits inside. A cancel made earlier ends this run at once.
    ///
    /// # Errors
    /// [`RunError`]; the guest did not run then.
    #[doc(alias = "WHvRunVirtualProcessor")]
    pub fn run(&self) -> Result<Exit, RunError> {
        let mut exit = Exit::default();
        self.run_into(&mut exit)?;
        Ok(exit)
    }

    /// As [`Processor::run`], for loops that keep one place for their exits: nothing is copied.
    ///
    /// # Errors
    /// [`RunError`]; the guest did not run then, and `exit` says nothing.
    pub fn run_into(&self, exit: &mut Exit) -> Result<(), RunError> {
        let gate = &self.partition.0.gate;
        let _left = Left(gate);
        loop {
            let mut place = self.cell.take()?;
            let Some(vp) = &mut *place else { return Err(RunError::Deleted) };
            let Some(_inside) = self.cell.pass(gate) else {
                drop(place);
                drop(gate.wait_open());
                continue;
            };
            return vp.run(exit).map_err(|_| RunError::UndeliverableInterruption);
        }
    }

    /// A handle that cancels runs of this processor, for other threads.
    pub fn canceller(&self) -> VpCanceller {
        VpCanceller(self.cell.remote().clone())
    }

    /// Makes the current run, or if there is none the next one, return with [`crate::ExitReason::Canceled`].
    #[doc(alias = "WHvCancelRunVirtualProcessor")]
    pub fn cancel(&self) {
        self.cell.remote().cancel();
    }

    /// Reads registers into a new vector.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn registers(&self, names: &[RegisterName]) -> Result<Vec<RegisterValue>, RegisterError> {
        let mut values = vec![RegisterValue::default(); names.len()];
        self.get_registers(names, &mut values)?;
        Ok(values)
    }

    /// Reads one register.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn register(&self, name: RegisterName) -> Result<RegisterValue, RegisterError> {
        let mut value = [RegisterValue::default()];
        self.get_registers(&[name], &mut value)?;
        Ok(value[0])
    }

    /// Reads registers; `values` has the length of `names`.
    ///
    /// # Errors
    /// [`RegisterError`]; `values` may be partly written then.
    #[doc(alias = "WHvGetVirtualProcessorRegisters")]
    pub fn get_registers(
        &self,
        names: &[RegisterName],
        values: &mut [RegisterValue],
    ) -> Result<(), RegisterError> {
        if names.len() != values.len() {
            return Err(RegisterError::CountMismatch { names: names.len(), values: values.len() });
        }
        self.cell.with(|vp| vp.get_registers(names, values))?
    }

    /// Writes registers: all are checked first, then all are applied in order.
    ///
    /// # Errors
    /// [`RegisterError`]; nothing is changed then.
    #[doc(alias = "WHvSetVirtualProcessorRegisters")]
    pub fn set_registers(&self, registers: &[(RegisterName, RegisterValue)]) -> Result<(), RegisterError> {
        self.cell.with(|vp| vp.set_registers(registers))?
    }

    /// Translates a linear address in the processor's current mode and privilege.
    ///
    /// # Errors
    /// [`VpError::Running`] or [`VpError::Deleted`]; a failed translation is a result, not an error.
    #[doc(alias = "WHvTranslateGva")]
    pub fn translate_gva(&self, gva: Gva, flags: TranslateFlags) -> Result<Translation, VpError> {
        Ok(self.cell.with(|vp| vp.translate(gva, flags))?)
    }

    /// Size of the XSAVE image in bytes; constant over the processor's life.
    ///
    /// # Errors
    /// [`StateError::Running`] or [`StateError::Deleted`].
    pub fn xsave_size(&self) -> Result<usize, StateError> {
        Ok(self.cell.with(|vp| vp.xsave_size())?)
    }

    /// The compacted XSAVE image.
    ///
    /// # Errors
    /// [`StateError::Running`] or [`StateError::Deleted`].
    #[doc(alias = "WHvGetVirtualProcessorXsaveState")]
    pub fn xsave_state(&self) -> Result<Vec<u8>, StateError> {
        Ok(self.cell.with(|vp| vp.xsave())?)
    }

    /// Loads a compacted XSAVE image; components that it does not carry go to their initial state.
    ///
    /// # Errors
    /// [`StateError`].
    #[doc(alias = "WHvSetVirtualProcessorXsaveState")]
    pub fn set_xsave_state(&self, image: &[u8]) -> Result<(), StateError> {
        self.cell.with(|vp| vp.set_xsave(image))?
    }

    /// The local APIC's registers as a page: a 32-bit value in each 16-byte slot.
    ///
    /// # Errors
    /// [`StateError`].
    #[doc(alias = "WHvGetVirtualProcessorInterruptControllerState2")]
    pub fn apic_page(&self) -> Result<Box<[u8; 4096]>, StateError> {
        self.cell.with(|vp| Ok(vp.apic().ok_or(StateError::NoApic)?.page()))?
    }

    /// Loads the local APIC's registers from a page.
    ///
    /// # Errors
    /// [`StateError`].
    #[doc(alias = "WHvSetVirtualProcessorInterruptControllerState2")]
    pub fn set_apic_page(&self, page: &[u8; 4096]) -> Result<(), StateError> {
        self.cell.with(|vp| vp.apic().ok_or(StateError::NoApic)?.set_page(page))?
    }

    /// The local APIC's registers in the packed form of 44 words, which has no task priority.
    ///
    /// # Errors
    /// [`StateError`].
    #[doc(alias = "WHvGetVirtualProcessorState")]
    pub fn apic_packed(&self) -> Result<[u32; 44], StateError> {
        self.cell.with(|vp| Ok(vp.apic().ok_or(StateError::NoApic)?.packed()))?
    }

    /// Loads the packed form.
    ///
    /// # Errors
    /// [`StateError`].
    #[doc(alias = "WHvSetVirtualProcessorState")]
    pub fn set_apic_packed(&self, words: &[u32; 44]) -> Result<(), StateError> {
        self.cell.with(|vp| vp.apic().ok_or(StateError::NoApic)?.set_packed(words))?
    }

    /// The SynIC's message page: 16 slots of 256 bytes.
    ///
    /// # Errors
    /// [`StateError`].
    #[doc(alias = "WHvGetVirtualProcessorState")]
    pub fn synic_messages(&self) -> Result<Box<[u8; 4096]>, StateError> {
        self.cell.with(|vp| Ok(vp.synic().ok_or(StateError::NoSynic)?.messages()))?
    }

    /// Loads the SynIC's message page, whether or not the guest has it on.
    ///
    /// # Errors
    /// [`StateError`].
    #[doc(alias = "WHvSetVirtualProcessorState")]
    pub fn set_synic_messages(&self, page: &[u8; 4096]) -> Result<(), StateError> {
        self.cell.with(|vp| {
            vp.synic().ok_or(StateError::NoSynic)?.set_messages(page);
            Ok(())
        })?
    }

    /// The SynIC's event flag page: 16 blocks of 2048 bits.
    ///
    /// # Errors
    /// [`StateError`].
    #[doc(alias = "WHvGetVirtualProcessorState")]
    pub fn synic_events(&self) -> Result<Box<[u8; 4096]>, StateError> {
        self.cell.with(|vp| Ok(vp.synic().ok_or(StateError::NoSynic)?.events()))?
    }

    /// Loads the SynIC's event flag page, whether or not the guest has it on.
    ///
    /// # Errors
    /// [`StateError`].
    #[doc(alias = "WHvSetVirtualProcessorState")]
    pub fn set_synic_events(&self, page: &[u8; 4096]) -> Result<(), StateError> {
        self.cell.with(|vp| {
            vp.synic().ok_or(StateError::NoSynic)?.set_events(page);
            Ok(())
        })?
    }

    /// The four synthetic timers.
    ///
    /// # Errors
    /// [`StateError`].
    #[doc(alias = "WHvGetVirtualProcessorState")]
    pub fn synic_timers(&self) -> Result<[u8; 200], StateError> {
        self.cell.with(|vp| Ok(vp.synic().ok_or(StateError::NoSynic)?.timers()))?
    }

    /// Loads the four synthetic timers.
    ///
    /// # Errors
    /// [`StateError`].
    #[doc(alias = "WHvSetVirtualProcessorState")]
    pub fn set_synic_timers(&self, timers: &[u8; 200]) -> Result<(), StateError> {
        self.cell.with(|vp| vp.synic().ok_or(StateError::NoSynic)?.set_timers(timers))?
    }

    /// What CPUID gives on this processor now, exits aside. May be called while it runs.
    #[doc(alias = "WHvGetVirtualProcessorCpuidOutput")]
    pub fn cpuid(&self, function: u32, index: u32) -> CpuidOutput {
        self.cell.remote().cpuid(function, index)
    }

    /// Totals since creation. May be called while it runs.
    #[doc(alias = "WHvGetVirtualProcessorCounters")]
    pub fn counters(&self) -> VpCounters {
        self.cell.remote().counters()
    }

    /// Sets or removes the alarm: run returns [`crate::ExitReason::Alarm`] when guest time reaches `at`, once.
    ///
    /// Exact to the instruction with a deterministic clock; a processor that waits in HLT then skips time forward
    /// to it. An extension of the platform.
    ///
    /// # Errors
    /// [`VpError::Running`] or [`VpError::Deleted`].
    pub fn set_alarm(&self, at: Option<GuestNs>) -> Result<(), VpError> {
        Ok(self.cell.with(|vp| vp.set_alarm(at))?)
    }

    pub(crate) fn emulate(
        &self,
        mmio: &mut dyn MmioBus,
        ports: &mut dyn PortBus,
    ) -> Result<(), EmulateError> {
        self.cell.with(|vp| vp.emulate(mmio, ports))?
    }
}

/// Says at the gate that a run is over, also when the engine panics.
struct Left<'a>(&'a RunGate);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.0.left();
    }
}

/// Cancels runs of one processor from any thread.
#[derive(Clone)]
pub struct VpCanceller(Arc<dyn VpRemote>);

impl VpCanceller {
    /// Makes the current run, or if there is none the next one, return with [`crate::ExitReason::Canceled`].
    /// Any number of cancels before that make one such exit.
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

impl From<Away> for RunError {
    fn from(away: Away) -> Self {
        match away {
            Away::Running => Self::Running,
            Away::Deleted => Self::Deleted,
        }
    }
}

impl From<Away> for RegisterError {
    fn from(away: Away) -> Self {
        match away {
            Away::Running => Self::Running,
            Away::Deleted => Self::Deleted,
        }
    }
}

impl From<Away> for StateError {
    fn from(away: Away) -> Self {
        match away {
            Away::Running => Self::Running,
            Away::Deleted => Self::Deleted,
        }
    }
}

impl From<Away> for VpError {
    fn from(away: Away) -> Self {
        match away {
            Away::Running => Self::Running,
            Away::Deleted => Self::Deleted,
        }
    }
}

impl From<Away> for EmulateError {
    fn from(away: Away) -> Self {
        match away {
            Away::Running => Self::Running,
            Away::Deleted => Self::Deleted,
        }
    }
}

impl fmt::Debug for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processor").field("index", &self.cell.index()).finish_non_exhaustive()
    }
}

impl fmt::Debug for VpCanceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VpCanceller").finish_non_exhaustive()
    }
}
