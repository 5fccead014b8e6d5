//! A partition in one expression.

use openwhp_engine::ApicMode;
use openwhp_engine::ClockMode;
use openwhp_engine::ExtendedVmExits;

use crate::CreateError;
use crate::EngineChoice;
use crate::Partition;
use crate::Property;
use crate::PropertyError;
use crate::SetupError;

/// Collects what a partition shall be; [`PartitionBuilder::build`] creates it, ready for memory and processors.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing exists before `build`"]
pub struct PartitionBuilder {
    engine: EngineChoice,
    clock: ClockMode,
    properties: Vec<Property>,
}

impl PartitionBuilder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Chooses the engine.
    pub fn engine(mut self, engine: EngineChoice) -> Self {
        self.engine = engine;
        self
    }

    /// Chooses the source of guest time.
    pub fn clock(mut self, clock: ClockMode) -> Self {
        self.clock = clock;
        self
    }

    /// Adds any property; later ones win.
    pub fn property(mut self, property: Property) -> Self {
        self.properties.push(property);
        self
    }

    /// Sets the number of processors. Needed.
    pub fn processors(self, count: u32) -> Self {
        self.property(Property::ProcessorCount(count))
    }

    /// Chooses the local APIC emulation; the default is none.
    pub fn apic(self, mode: ApicMode) -> Self {
        self.property(Property::LocalApicEmulationMode(mode))
    }

    /// Switches additional exits on.
    pub fn exits(self, exits: ExtendedVmExits) -> Self {
        self.property(Property::ExtendedVmExits(exits))
    }

    /// Creates the partition, sets its properties and sets it up.
    ///
    /// # Errors
    /// [`BuildError`] of the step that failed.
    pub fn build(self) -> Result<Partition, BuildError> {
        let partition = Partition::on(self.engine)?;
        partition.set_clock(self.clock)?;
        for property in self.properties {
            partition.set_property(property)?;
        }
        partition.set_up()?;
        Ok(partition)
    }
}

/// A partition could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// It could not be created.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// A property was refused.
    #[error(transparent)]
    Property(#[from] PropertyError),
    /// It could not be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
}
