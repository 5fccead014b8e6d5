//! Which engines there are, and what they offer.

use std::sync::Arc;
use std::sync::LazyLock;

use openwhp_engine::Capabilities;
use openwhp_engine::Engine;
use openwhp_engine_soft::SoftEngine;

use crate::CreateError;

/// The one software engine of the process.
static SOFT: LazyLock<Arc<SoftEngine>> = LazyLock::new(|| Arc::new(SoftEngine::new()));

/// Which engine a partition runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum EngineChoice {
    /// The best one this machine has.
    #[default]
    Auto,
    /// The software processor; works everywhere.
    Soft,
}

impl EngineChoice {
    pub(crate) fn open(self) -> Result<Arc<dyn Engine>, CreateError> {
        match self {
            EngineChoice::Auto | EngineChoice::Soft => Ok(SOFT.clone()),
        }
    }
}

/// What the given engine offers on this machine; the same for the life of the process.
///
/// # Errors
/// [`CreateError::EngineNotAvailable`].
#[doc(alias = "WHvGetCapability")]
pub fn capabilities(engine: EngineChoice) -> Result<&'static Capabilities, CreateError> {
    match engine {
        EngineChoice::Auto | EngineChoice::Soft => Ok(SOFT.capabilities()),
    }
}
