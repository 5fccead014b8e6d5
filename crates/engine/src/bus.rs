//! Where a finished instruction's device accesses go.

use crate::Gpa;

/// Devices behind guest physical addresses.
///
/// Accesses are 1 to 8 bytes and never cross a page; wider ones come in pieces.
///
/// **Threading:** while an engine finishes an instruction ([`crate::EngineVp::emulate`]), the processor counts as running:
/// a device that changes the memory map or doorbells from here would wait for itself. It notes what it wants and does it
/// once the instruction is finished.
pub trait MmioBus {
    /// Fills `data` from the devices at `gpa`.
    fn read(&mut self, gpa: Gpa, data: &mut [u8]);

    /// Gives `data` to the devices at `gpa`.
    fn write(&mut self, gpa: Gpa, data: &[u8]);
}

/// Devices behind ports; accesses are 1, 2 or 4 bytes.
pub trait PortBus {
    /// Fills `data` from `port`.
    fn read(&mut self, port: u16, data: &mut [u8]);

    /// Gives `data` to `port`.
    fn write(&mut self, port: u16, data: &[u8]);
}

/// A bus nobody sits on: reads give all ones, writes vanish.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenBus;

impl MmioBus for OpenBus {
    fn read(&mut self, _gpa: Gpa, data: &mut [u8]) {
        data.fill(0xFF);
    }

    fn write(&mut self, _gpa: Gpa, _data: &[u8]) {}
}

impl PortBus for OpenBus {
    fn read(&mut self, _port: u16, data: &mut [u8]) {
        data.fill(0xFF);
    }

    fn write(&mut self, _port: u16, _data: &[u8]) {}
}
