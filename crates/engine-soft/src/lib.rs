//! Runs virtual processors on the software CPU: threads, the guest memory map, timers and kicks.
//!
//! Start at [`SoftEngine`].

use std::sync::Arc;

use openwhp_engine::Capabilities;
use openwhp_engine::CreateError;
use openwhp_engine::Engine;
use openwhp_engine::EnginePartition;
use openwhp_engine::PartitionConfig;

/// The software engine.
#[derive(Debug, Default)]
pub struct SoftEngine {
    capabilities: Capabilities,
}

impl SoftEngine {
    /// Finds out what the engine can offer on this machine.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Engine for SoftEngine {
    fn name(&self) -> &'static str {
        "soft"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn create(&self, _config: &PartitionConfig) -> Result<Arc<dyn EnginePartition>, CreateError> {
        Err(CreateError::NotAvailable {
            engine: "soft",
            ability: "processors",
            advice: "wait for the next change",
        })
    }
}
