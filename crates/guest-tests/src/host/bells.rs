//! Doorbells and ports whose events are those of triggers.

use anyhow::Context;
use anyhow::Result;
use openwhp::DoorbellMatch;
use openwhp::Event;
use openwhp::Gpa;
use openwhp::InterruptRequest;
use openwhp::MmioBus;
use openwhp::NotificationError;
use openwhp::Partition;
use openwhp::PortId;
use openwhp::PortSource;
use openwhp::TriggerAction;
use openwhp::TriggerId;

/// How a bell is registered.
#[derive(Clone, Copy, Debug)]
enum Registered {
    Doorbell(DoorbellMatch),
    Port(PortId),
}

#[derive(Debug)]
struct Bell {
    registered: Registered,
    event: Event,
    trigger: Option<TriggerId>,
}

/// The accesses that came out to the host.
#[derive(Debug, Default)]
pub(super) struct Accesses {
    count: u64,
    gpa: u64,
    size: u64,
    data: u64,
    is_write: bool,
}

impl Accesses {
    fn note(&mut self, gpa: Gpa, data: &[u8], is_write: bool) {
        self.count += 1;
        (self.gpa, self.size, self.is_write) = (gpa.0, data.len() as u64, is_write);
        self.data = data.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    }

    pub(super) fn describe(&self, output: &mut [u64; 8]) {
        *output = [self.count, self.gpa, self.size, self.data, self.is_write.into(), 0, 0, 0];
    }
}

/// Reads see what no program writes.
impl MmioBus for Accesses {
    fn read(&mut self, gpa: Gpa, data: &mut [u8]) {
        data.fill(0xA5);
        self.note(gpa, data, false);
    }

    fn write(&mut self, gpa: Gpa, data: &[u8]) {
        self.note(gpa, data, true);
    }
}

/// All bells of a program, by number; removed ones keep theirs.
#[derive(Debug, Default)]
pub(super) struct Bells {
    all: Vec<Bell>,
    pub(super) accesses: Accesses,
}

impl Bells {
    pub(super) fn is_used(&self) -> bool {
        !self.all.is_empty()
    }

    /// `[address or connection, length or 0, 1 if the value counts, value, vector or 0, APIC ID, kind]`, where the
    /// kind is 0 for a doorbell, 1 for a doorbell port, 2 for a connection. The answer is `[status, number]`. With a
    /// vector the event is a trigger's, without one it is only counted.
    pub(super) fn add(
        &mut self,
        partition: &Partition,
        input: &[u64; 7],
        output: &mut [u64; 8],
    ) -> Result<()> {
        let [address, length, has_value, value, vector, destination, kind] = *input;
        let request = InterruptRequest {
            vector: vector as u32,
            destination: destination as u32,
            ..InterruptRequest::default()
        };
        let (trigger, event) = if vector == 0 {
            (None, openwhp::create_event()?)
        } else {
            let (trigger, event) = partition.create_trigger(TriggerAction::Interrupt(request))?;
            (Some(trigger), event)
        };
        let on = DoorbellMatch {
            gpa: Gpa(address),
            length: (length != 0).then_some(length as u8),
            value: (has_value != 0).then_some(value),
        };
        let registered = match kind {
            0 => partition.register_doorbell(on, &event).map(|()| Registered::Doorbell(on)),
            1 => partition.create_port(PortSource::Doorbell(on), &event).map(Registered::Port),
            _ => partition.create_port(PortSource::Connection(address as u32), &event).map(Registered::Port),
        };
        match registered {
            Ok(registered) => {
                output[1] = self.all.len() as u64;
                self.all.push(Bell { registered, event, trigger });
            }
            Err(error) => {
                output[0] = status(&error);
                if let Some(trigger) = trigger {
                    partition.delete_trigger(trigger)?;
                }
            }
        }
        Ok(())
    }

    fn bell(&self, input: &[u64; 7]) -> Result<&Bell> {
        self.all.get(input[0] as usize).context("a bell's number")
    }

    /// `[number]`; the answer is `[status]`.
    pub(super) fn remove(
        &self,
        partition: &Partition,
        input: &[u64; 7],
        output: &mut [u64; 8],
    ) -> Result<()> {
        let bell = self.bell(input)?;
        let removed = match &bell.registered {
            Registered::Doorbell(on) => partition.unregister_doorbell(on),
            Registered::Port(port) => partition.delete_port(*port),
        };
        match removed {
            Ok(()) => bell.trigger.map_or(Ok(()), |trigger| partition.delete_trigger(trigger))?,
            Err(error) => output[0] = status(&error),
        }
        Ok(())
    }

    /// `[number]`; the answer is how often the bell without a trigger has rung since the last time.
    pub(super) fn count_rings(&self, input: &[u64; 7], output: &mut [u64; 8]) -> Result<()> {
        output[0] = self.bell(input)?.event.take().unwrap_or(0);
        Ok(())
    }
}

/// What went wrong, for the program.
fn status(error: &NotificationError) -> u64 {
    match error {
        NotificationError::Conflict(_) => 1,
        NotificationError::BadMatch(_) => 2,
        NotificationError::NoDoorbell(_) | NotificationError::NoPort => 3,
        NotificationError::ConnectionInUse(_) => 4,
        _ => 99,
    }
}
