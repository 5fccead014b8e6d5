//! The place a processor lives in: held by the thread that runs it or works with it, and by nobody else.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openwhp_engine::EngineVp;
use openwhp_engine::VpIndex;
use openwhp_engine::VpRemote;
use try_lock::Locked;
use try_lock::TryLock;

use crate::VpError;
use crate::gate::Inside;
use crate::gate::RunGate;

/// What a cell holds until the processor is deleted.
type Held = Box<dyn EngineVp>;

/// The place a processor lives in.
pub(crate) struct Cell {
    index: VpIndex,
    /// Taking and giving back costs one atomic operation and one store, on every exit of the guest.
    vp: TryLock<Option<Held>>,
    /// The holder runs it, for as long as the guest likes; everybody else holds it for a moment.
    is_running: AtomicBool,
    remote: Arc<dyn VpRemote>,
}

/// Why a processor's state cannot be reached.
pub(crate) enum Away {
    Running,
    Deleted,
}

/// A cell that has been taken; empty if the processor was deleted.
pub(crate) type Place<'a> = Locked<'a, Option<Held>>;

impl Cell {
    pub(crate) fn new(index: VpIndex, vp: Held) -> Self {
        let remote = vp.remote();
        Self { index, vp: TryLock::new(Some(vp)), is_running: AtomicBool::new(false), remote }
    }

    pub(crate) fn index(&self) -> VpIndex {
        self.index
    }

    pub(crate) fn remote(&self) -> &Arc<dyn VpRemote> {
        &self.remote
    }

    pub(crate) fn is_running(&self) -> bool {
        self.is_running.load(Ordering::SeqCst)
    }

    /// Takes the place, also an empty one; waits while somebody else works with it, but not while somebody runs it.
    pub(crate) fn take(&self) -> Result<Place<'_>, Away> {
        let mut pause = Pause::default();
        loop {
            match self.vp.try_lock() {
                Some(place) => return Ok(place),
                None if self.is_running() => return Err(Away::Running),
                None => pause.wait(),
            }
        }
    }

    /// Takes the place behind a closed gate, where nobody runs it. Who has come up to the gate may hold it for a moment
    /// and seem to run.
    fn take_stopped(&self) -> Place<'_> {
        let mut pause = Pause::default();
        loop {
            match self.take() {
                Ok(place) => return place,
                Err(_) => pause.wait(),
            }
        }
    }

    /// Works with the processor.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut dyn EngineVp) -> T) -> Result<T, Away> {
        match &mut *self.take()? {
            Some(vp) => Ok(work(vp.as_mut())),
            None => Err(Away::Deleted),
        }
    }

    /// Says that the holder runs the processor from now on, unless the gate is closed.
    pub(crate) fn pass<'a>(&'a self, gate: &RunGate) -> Option<Inside<'a>> {
        gate.pass(&self.is_running)
    }

    /// Resets a processor that cannot be running.
    pub(crate) fn reset(&self) {
        if let Some(vp) = &mut *self.take_stopped() {
            vp.reset();
        }
    }

    pub(crate) fn delete(&self) -> Result<(), VpError> {
        *self.take()? = None;
        Ok(())
    }

    /// Deletes a processor that cannot be running.
    pub(crate) fn mark_deleted(&self) {
        *self.take_stopped() = None;
    }
}

/// Waits for somebody who will soon be done.
#[derive(Default)]
struct Pause {
    rounds: u32,
}

impl Pause {
    fn wait(&mut self) {
        self.rounds += 1;
        match self.rounds {
            0..64 => std::hint::spin_loop(),
            64..128 => std::thread::yield_now(),
            // Devices may be at work, for an instruction that the engine finishes.
            _ => {
                self.rounds = 128;
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }
}
