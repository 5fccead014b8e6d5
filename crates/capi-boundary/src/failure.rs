//! Why a call failed.

use std::borrow::Cow;

use openwhp_abi::hresult::E_INVALIDARG;
use openwhp_abi::hresult::HRESULT;

/// Why a call failed: the code for programs, the text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    code: HRESULT,
    text: Cow<'static, str>,
}

impl Failure {
    /// A failure with this code and text.
    pub fn new(code: HRESULT, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into() }
    }

    /// A bad argument.
    pub fn invalid(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(E_INVALIDARG, text)
    }

    /// The code.
    pub fn code(&self) -> HRESULT {
        self.code
    }

    /// The text.
    pub fn text(self) -> String {
        self.text.into_owned()
    }
}
