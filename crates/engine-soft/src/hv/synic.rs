//! Events and messages of clients, and the state they save.

use openwhp_engine::EngineSynic;
use openwhp_engine::StateError;
use openwhp_engine::SynicError;
use openwhp_engine::SynicState;
use openwhp_engine::VpIndex;
use openwhp_hyperv::MESSAGE_SIZE;
use openwhp_hyperv::PostError;
use openwhp_hyperv::SINT_COUNT;

use crate::partition::SoftPartition;
use crate::vp::SoftVp;

/// Event flags of a source.
const FLAGS: u32 = 2048;

fn sint(number: u32) -> Result<u8, SynicError> {
    let number_8 = u8::try_from(number).ok().filter(|number| usize::from(*number) < SINT_COUNT);
    number_8.ok_or(SynicError::BadSint(number))
}

impl EngineSynic for SoftPartition {
    fn signal_event(&self, index: VpIndex, source: u32, flag: u32) -> Result<bool, SynicError> {
        let source = sint(source)?;
        let flag = u16::try_from(flag).ok().filter(|_| flag < FLAGS).ok_or(SynicError::BadFlag(flag))?;
        let vp = self.shared.vp(index.0).ok_or(SynicError::NoProcessor(index))?;
        let hv = vp.hv.as_ref().ok_or(SynicError::NotReceiving(index))?;
        let signaled = hv.state().synic.signal(source, flag, &*hv.events);
        let signaled = signaled.map_err(|_| SynicError::NotReceiving(index))?;
        if let Some(interrupt) = signaled.interrupt {
            vp.raise(interrupt);
        }
        Ok(signaled.is_new)
    }

    fn post_message(&self, index: VpIndex, source: u32, message: &[u8]) -> Result<(), SynicError> {
        let number = sint(source)?;
        if !(1..=MESSAGE_SIZE).contains(&message.len()) {
            return Err(SynicError::BadMessage("its size is not 1 to 256 bytes"));
        }
        if message.iter().take(4).all(|byte| *byte == 0) {
            return Err(SynicError::BadMessage("its type is 0, which means an empty slot"));
        }
        let vp = self.shared.vp(index.0).ok_or(SynicError::NoProcessor(index))?;
        let hv = vp.hv.as_ref().ok_or(SynicError::NotReceiving(index))?;
        let posted = hv.state().post(number, message, &*hv.messages);
        match posted {
            Ok(interrupt) => {
                if let Some(interrupt) = interrupt {
                    vp.raise(interrupt);
                }
                Ok(())
            }
            Err(PostError::NotReady) => Err(SynicError::NotReceiving(index)),
            Err(PostError::Occupied) => Err(SynicError::Occupied(source)),
        }
    }
}

impl SynicState for SoftVp {
    fn messages(&mut self) -> Box<[u8; 4096]> {
        let mut page = Box::new([0; 4096]);
        if let Some(hv) = &self.vp.hv {
            hv.messages.read(0, &mut page[..]);
        }
        page
    }

    fn set_messages(&mut self, page: &[u8; 4096]) {
        if let Some(hv) = &self.vp.hv {
            hv.messages.write(0, page);
        }
    }

    fn events(&mut self) -> Box<[u8; 4096]> {
        let mut page = Box::new([0; 4096]);
        if let Some(hv) = &self.vp.hv {
            hv.events.read(0, &mut page[..]);
        }
        page
    }

    fn set_events(&mut self, page: &[u8; 4096]) {
        if let Some(hv) = &self.vp.hv {
            hv.events.write(0, page);
        }
    }

    fn timers(&mut self) -> [u8; 200] {
        self.vp.hv.as_ref().map_or([0; 200], |hv| hv.state().timers.save())
    }

    fn set_timers(&mut self, bytes: &[u8; 200]) -> Result<(), StateError> {
        self.attend(|vp| {
            let features = vp.shared.features();
            let icount = vp.cpu.s.icount;
            let now = vp.env().reference_100ns(icount);
            if let Some(hv) = &vp.vp.hv {
                let mut state = hv.state();
                let loaded = state.timers.load(bytes, features, now);
                loaded.map_err(|_| StateError::Malformed("direct timers are not offered"))?;
                hv.note(&state);
            }
            vp.env().rearm();
            Ok(())
        })
    }
}
