//! The client's buses as the processor sees them while it finishes one instruction.

use openwhp_engine::Gpa;
use openwhp_engine::MmioBus;
use openwhp_engine::PortBus;
use openwhp_x86::env::BusFailed;
use openwhp_x86::env::EmulationBus;

/// Both buses of a client. Wide accesses are handed over in pieces of at most 8 bytes.
pub(crate) struct Bus<'a> {
    pub(crate) mmio: &'a mut dyn MmioBus,
    pub(crate) ports: &'a mut dyn PortBus,
}

impl EmulationBus for Bus<'_> {
    fn mmio_read(&mut self, gpa: u64, data: &mut [u8]) -> Result<(), BusFailed> {
        let mut at = gpa;
        for piece in data.chunks_mut(8) {
            self.mmio.read(Gpa(at), piece);
            at = at.wrapping_add(8);
        }
        Ok(())
    }

    fn mmio_write(&mut self, gpa: u64, data: &[u8]) -> Result<(), BusFailed> {
        let mut at = gpa;
        for piece in data.chunks(8) {
            self.mmio.write(Gpa(at), piece);
            at = at.wrapping_add(8);
        }
        Ok(())
    }

    fn io_read(&mut self, port: u16, size: u8) -> Result<u32, BusFailed> {
        let mut bytes = [0; 4];
        self.ports.read(port, &mut bytes[..usize::from(size.clamp(1, 4))]);
        Ok(u32::from_le_bytes(bytes))
    }

    fn io_write(&mut self, port: u16, size: u8, value: u32) -> Result<(), BusFailed> {
        self.ports.write(port, &value.to_le_bytes()[..usize::from(size.clamp(1, 4))]);
        Ok(())
    }
}
