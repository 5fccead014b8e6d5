//! Translations and accesses of the running instruction.

use openwhp_engine::Gpa;
use openwhp_engine::Gva;
use openwhp_engine::TranslateFlags;
use openwhp_engine::TranslateResult;
use openwhp_x86::env::BusFailed;
use openwhp_x86::env::BusPage;
use openwhp_x86::env::EmulationBus;
use openwhp_x86::env::Who;
use openwhp_x86::exit::MemAccess;

use crate::emulator::EmulatorError;
use crate::host::EmulatorHost;
use crate::host::MemoryRequest;
use crate::host::PortRequest;

/// Translations remembered while one instruction runs.
const KEPT: usize = 8;

/// The host as the bus of one instruction.
pub(crate) struct Bus<'a> {
    host: &'a mut dyn EmulatorHost,
    kept: [Option<(u64, MemAccess, Who, u64)>; KEPT],
    next: usize,
    /// Implicit accesses are to be refused user pages.
    has_smap: bool,
    /// Why the bus gave up.
    pub(crate) failure: Option<EmulatorError>,
}

impl<'a> Bus<'a> {
    pub(crate) fn new(host: &'a mut dyn EmulatorHost, has_smap: bool) -> Self {
        Self { host, kept: [None; KEPT], next: 0, has_smap, failure: None }
    }

    fn fail<T>(&mut self, why: EmulatorError) -> Result<T, BusFailed> {
        self.failure = Some(why);
        Err(BusFailed)
    }

    fn flags(&self, access: MemAccess, who: Who) -> TranslateFlags {
        // The access is made, so the guest's tables are marked as the processor would mark them.
        let mut flags = TranslateFlags::SET_PAGE_TABLE_BITS
            | match access {
                MemAccess::Read => TranslateFlags::VALIDATE_READ,
                MemAccess::Write => TranslateFlags::VALIDATE_WRITE,
                MemAccess::Execute => TranslateFlags::VALIDATE_EXECUTE,
            };
        if who == Who::System {
            flags |= TranslateFlags::PRIVILEGE_EXEMPT;
            if self.has_smap {
                flags |= TranslateFlags::ENFORCE_SMAP;
            }
        }
        flags
    }

    /// Reads code bytes inside one page of memory.
    pub(crate) fn fetch(&mut self, gpa: u64, data: &mut [u8]) -> Result<(), BusFailed> {
        self.mmio_read(gpa, data)
    }
}

impl EmulationBus for Bus<'_> {
    fn mmio_read(&mut self, gpa: u64, data: &mut [u8]) -> Result<(), BusFailed> {
        let mut at = gpa;
        for piece in data.chunks_mut(8) {
            let size = piece.len();
            let mut request = MemoryRequest { gpa: Gpa(at), is_write: false, size: size as u8, data: [0; 8] };
            if self.host.memory(&mut request).is_err() {
                return self.fail(EmulatorError::MemoryCallback);
            }
            piece.copy_from_slice(&request.data[..size]);
            at = at.wrapping_add(8);
        }
        Ok(())
    }

    fn mmio_write(&mut self, gpa: u64, data: &[u8]) -> Result<(), BusFailed> {
        let mut at = gpa;
        for piece in data.chunks(8) {
            let size = piece.len();
            let mut request = MemoryRequest { gpa: Gpa(at), is_write: true, size: size as u8, data: [0; 8] };
            request.data[..size].copy_from_slice(piece);
            if self.host.memory(&mut request).is_err() {
                return self.fail(EmulatorError::MemoryCallback);
            }
            at = at.wrapping_add(8);
        }
        Ok(())
    }

    fn io_read(&mut self, port: u16, size: u8) -> Result<u32, BusFailed> {
        let mut request = PortRequest { is_write: false, port, size, data: 0 };
        match self.host.io_port(&mut request) {
            Ok(()) => Ok(request.data),
            Err(_) => self.fail(EmulatorError::PortCallback),
        }
    }

    fn io_write(&mut self, port: u16, size: u8, value: u32) -> Result<(), BusFailed> {
        let mut request = PortRequest { is_write: true, port, size, data: value };
        match self.host.io_port(&mut request) {
            Ok(()) => Ok(()),
            Err(_) => self.fail(EmulatorError::PortCallback),
        }
    }

    fn owns_memory(&self) -> bool {
        true
    }

    fn translate(&mut self, page: u64, access: MemAccess, who: Who) -> Result<BusPage, BusFailed> {
        let known = self.kept.iter().flatten().find(|k| (k.0, k.1, k.2) == (page, access, who));
        if let Some(&(.., gpa)) = known {
            return Ok(BusPage::At(gpa));
        }
        let Ok(answer) = self.host.translate(Gva(page), self.flags(access, who)) else {
            return self.fail(EmulatorError::TranslateCallback);
        };
        match answer.result {
            TranslateResult::Success => {}
            TranslateResult::PageNotPresent => return Ok(BusPage::NotPresent),
            TranslateResult::PrivilegeViolation => return Ok(BusPage::Denied),
            TranslateResult::InvalidPageTableFlags => return Ok(BusPage::Reserved),
            // A page table out of reach is nothing that the guest could be told.
            TranslateResult::GpaUnmapped
            | TranslateResult::GpaNoReadAccess
            | TranslateResult::GpaNoWriteAccess
            | TranslateResult::GpaIllegalOverlayAccess => {
                return self.fail(EmulatorError::TranslateCallback);
            }
        }
        let gpa = answer.gpa.0;
        if gpa & 0xFFF != 0 {
            return self.fail(EmulatorError::MisalignedPage);
        }
        self.kept[self.next % KEPT] = Some((page, access, who, gpa));
        self.next += 1;
        Ok(BusPage::At(gpa))
    }
}
