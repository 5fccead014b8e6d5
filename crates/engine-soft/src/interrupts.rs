//! Routing of interrupts between local APICs.

use std::sync::Arc;

use openwhp_apic::DeliveryMode;
use openwhp_apic::DestinationMode;
use openwhp_apic::GuestTime;
use openwhp_apic::IpiRequest;
use openwhp_apic::LocalApic;
use openwhp_apic::LvtEntry;
use openwhp_apic::Message;
use openwhp_apic::Mode;
use openwhp_apic::Received;
use openwhp_apic::Shorthand;
use openwhp_apic::TriggerMode;
use openwhp_engine::InterruptError;
use openwhp_engine::InterruptKind;
use openwhp_engine::InterruptRequest;
use openwhp_engine::VpIndex;

use crate::shared::Shared;
use crate::vp_shared::VpShared;

fn destination_mode(mode: openwhp_engine::DestinationMode) -> DestinationMode {
    match mode {
        openwhp_engine::DestinationMode::Physical => DestinationMode::Physical,
        openwhp_engine::DestinationMode::Logical => DestinationMode::Logical,
    }
}

impl Shared {
    fn targets(&self, is_target: impl Fn(&VpShared, &LocalApic) -> bool) -> Vec<Arc<VpShared>> {
        let mut targets = Vec::new();
        self.each_vp(|vp| {
            if vp.apic().is_some_and(|apic| is_target(vp, &apic)) {
                targets.push(vp.clone());
            }
        });
        targets
    }

    /// Processors a destination addresses, ascending.
    pub(crate) fn destination_set(
        &self,
        destination: u64,
        mode: openwhp_engine::DestinationMode,
    ) -> Vec<VpIndex> {
        let Ok(destination) = u32::try_from(destination) else { return Vec::new() };
        let mode = destination_mode(mode);
        let targets = self.targets(|_, apic| apic.matches(destination, mode));
        targets.iter().map(|vp| VpIndex(vp.index)).collect()
    }

    /// A client's request.
    pub(crate) fn request(&self, request: InterruptRequest) -> Result<(), InterruptError> {
        let vector = u8::try_from(request.vector).map_err(|_| InterruptError::BadVector(request.vector))?;
        let delivery_mode = match request.kind {
            InterruptKind::Fixed => DeliveryMode::Fixed,
            InterruptKind::LowestPriority => DeliveryMode::LowestPriority,
            InterruptKind::Nmi => DeliveryMode::Nmi,
            InterruptKind::Init => DeliveryMode::Init,
            InterruptKind::Sipi => DeliveryMode::Startup,
            InterruptKind::LocalInt1 => return self.pulse_lint1(request.destination),
        };
        let trigger = match request.trigger {
            openwhp_engine::TriggerMode::Edge => TriggerMode::Edge,
            openwhp_engine::TriggerMode::Level => TriggerMode::Level,
        };
        let mode = destination_mode(request.destination_mode);
        let targets = self.targets(|_, apic| apic.matches(request.destination, mode));
        self.deliver(&targets, Message { delivery_mode, trigger, vector });
        Ok(())
    }

    /// An edge-triggered vector for processors named by index.
    pub(crate) fn deliver_to(&self, processors: &[VpIndex], vector: u8, is_multicast: bool) {
        let targets =
            self.targets(|vp, apic| apic.mode() != Mode::Disabled && processors.contains(&VpIndex(vp.index)));
        let delivery_mode = if is_multicast { DeliveryMode::Fixed } else { DeliveryMode::LowestPriority };
        self.deliver(&targets, Message { delivery_mode, trigger: TriggerMode::Edge, vector });
    }

    fn pulse_lint1(&self, destination: u32) -> Result<(), InterruptError> {
        for vp in self.targets(|_, apic| apic.mode() != Mode::Disabled && apic.id() == destination) {
            let received = vp.apic().map(|mut apic| apic.raise(LvtEntry::Lint1));
            act(&vp, received);
        }
        Ok(())
    }

    /// A processor's own request. The caller holds no local APIC.
    pub(crate) fn send_ipi(&self, from: &VpShared, ipi: &IpiRequest, now: GuestTime) {
        let targets = self.targets(|vp, apic| match ipi.shorthand {
            Shorthand::None => apic.matches(ipi.destination, ipi.destination_mode),
            Shorthand::ToSelf => vp.index == from.index,
            Shorthand::AllIncludingSelf => apic.mode() != Mode::Disabled,
            Shorthand::AllExcludingSelf => vp.index != from.index && apic.mode() != Mode::Disabled,
        });
        if targets.iter().any(|vp| vp.index != from.index) {
            from.counters.sent_ipis.add(1);
        } else if !targets.is_empty() {
            from.counters.self_ipis.add(1);
        }
        if ipi.delivery_mode == DeliveryMode::RemoteRead {
            let answer = targets.first().and_then(|vp| vp.apic()?.remote_register(ipi.vector, now));
            if let Some(mut apic) = from.apic() {
                apic.finish_remote_read(answer);
            }
            return;
        }
        self.deliver(&targets, ipi.message());
    }

    fn deliver(&self, targets: &[Arc<VpShared>], message: Message) {
        if message.delivery_mode == DeliveryMode::LowestPriority {
            let priority = |vp: &&Arc<VpShared>| {
                let apic = vp.apic()?;
                apic.is_software_enabled().then(|| (apic.ppr(), vp.index))
            };
            let lowest =
                targets.iter().filter_map(|vp| Some((priority(&vp)?, vp))).min_by_key(|(key, _)| *key);
            if let Some((_, vp)) = lowest {
                receive(vp, message);
            }
            return;
        }
        for vp in targets {
            receive(vp, message);
        }
    }
}

/// Hands a message to a processor.
pub(crate) fn receive(vp: &VpShared, message: Message) {
    let received = vp.apic().map(|mut apic| apic.receive(message));
    act(vp, received);
}

/// Does the processor's part of what its local APIC received.
fn act(vp: &VpShared, received: Option<Received>) {
    match received {
        Some(Received::Interrupt | Received::Nmi) => vp.kick(),
        Some(Received::Init) => vp.post_init(),
        Some(Received::Startup(page)) => vp.post_startup(page),
        Some(Received::Smi | Received::ExtInt | Received::Dropped) | None => {}
    }
}
