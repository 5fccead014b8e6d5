//! A queue of SynIC messages per source, posted as slots become free.

use std::collections::VecDeque;

use anyhow::Result;
use openwhp::Processor;
use openwhp::SynicError;

const SINTS: usize = 16;
/// Type of the messages: one that hypervisors leave to software.
const MESSAGE_TYPE: u32 = 1;
const PAYLOAD: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Messages {
    pub(super) is_used: bool,
    queues: [VecDeque<u64>; SINTS],
    posted: u64,
    refused: u64,
    exits: u64,
    /// Sources that were reported although no message waited for them.
    wrong: u64,
}

impl Messages {
    /// `[source, first number, count]`: messages with these numbers wait.
    pub(super) fn queue(&mut self, input: &[u64; 7]) {
        let [sint, first, count, ..] = *input;
        self.is_used = true;
        self.queues[sint as usize % SINTS].extend(first..first + count);
    }

    /// The answer is `[posted, refused, exits, wrong sources, waiting]`.
    pub(super) fn describe(&self, output: &mut [u64; 8]) {
        let waiting = self.queues.iter().map(VecDeque::len).sum::<usize>() as u64;
        *output = [self.posted, self.refused, self.exits, self.wrong, waiting, 0, 0, 0];
    }

    pub(super) fn deliverable(&mut self, sints: u16) {
        self.exits += 1;
        let wrong = (0..SINTS).filter(|&sint| sints >> sint & 1 != 0 && self.queues[sint].is_empty());
        self.wrong += wrong.count() as u64;
    }

    /// Posts what fits; returns the sources to be told about.
    pub(super) fn post(&mut self, vp: &Processor) -> Result<u16> {
        let mut waiting = 0;
        for (sint, queue) in self.queues.iter_mut().enumerate() {
            while let Some(number) = queue.front() {
                let mut message = [0; PAYLOAD + 8];
                message[..4].copy_from_slice(&MESSAGE_TYPE.to_le_bytes());
                message[4] = 8;
                message[PAYLOAD..].copy_from_slice(&number.to_le_bytes());
                match vp.partition().post_synic_message(vp.index(), sint as u32, &message) {
                    Ok(()) => {
                        queue.pop_front();
                        self.posted += 1;
                    }
                    Err(SynicError::Occupied(_)) => {
                        self.refused += 1;
                        waiting |= 1 << sint;
                        break;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(waiting)
    }
}
