//! Registers that the interface has no name for: vector registers above XMM, opmasks, PKRU.
//!
//! They exist where the processor model has their state component, so that an instruction emulator can finish any
//! vector instruction through register callbacks.

use openwhp_engine::RegisterName as Name;
use openwhp_engine::RegisterValue;

use crate::vp::SoftVp;

/// XCR0: AVX.
const AVX: u64 = 1 << 2;
/// XCR0: opmasks, and with them all of AVX-512.
const OPMASK: u64 = 1 << 5;
/// XCR0: PKRU.
const PKRU: u64 = 1 << 9;

impl SoftVp {
    /// The state component that a register belongs to, if it is one of these.
    fn component_of(name: Name) -> Option<u64> {
        match name.as_vector_part() {
            Some((0..=15, 1)) => Some(AVX),
            Some(_) => Some(OPMASK),
            None if name.as_opmask().is_some() => Some(OPMASK),
            None => (name == Name::PKRU).then_some(PKRU),
        }
    }

    /// Reads one of these registers; `None` if it is another or does not exist here.
    pub(crate) fn get_extended(&self, name: Name) -> Option<RegisterValue> {
        if self.cpu.model.xcr0_mask & Self::component_of(name)? == 0 {
            return None;
        }
        let vec = &self.cpu.s.vec;
        Some(match (name.as_vector_part(), name.as_opmask()) {
            (Some((register, part)), _) => {
                let mut bytes = [0; 16];
                bytes.copy_from_slice(&vec.zmm[register as usize][part as usize * 16..][..16]);
                RegisterValue(u128::from_le_bytes(bytes))
            }
            (_, Some(index)) => vec.k[index as usize].into(),
            _ => u64::from(vec.pkru).into(),
        })
    }

    /// Writes one of these registers, checked before; true if that may change what addresses mean.
    pub(crate) fn set_extended(&mut self, name: Name, value: RegisterValue) -> bool {
        let vec = &mut self.cpu.s.vec;
        if let Some((register, part)) = name.as_vector_part() {
            vec.zmm[register as usize][part as usize * 16..][..16].copy_from_slice(&value.0.to_le_bytes());
        } else if let Some(index) = name.as_opmask() {
            vec.k[index as usize] = value.low();
        } else if name == Name::PKRU {
            vec.pkru = value.low() as u32;
            return true;
        }
        false
    }
}
