//! Asking a STUN server how a leg's ports are seen from outside, from those very ports.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use linecard_media::stun::{MappingOutput, Port, is_stun};

use super::{Channel, MediaEvent, Relay, TICK};

impl Relay {
    /// Takes an answer of the server, if it is one.
    pub(super) fn take_answer(
        &mut self,
        index: usize,
        channel: Channel,
        from: SocketAddr,
        bytes: &[u8],
    ) -> bool {
        let port = match channel {
            Channel::Rtp => Port::Rtp,
            Channel::Rtcp => Port::Rtcp,
        };
        match self.line_mut(index).and_then(|line| line.mapping.as_mut()) {
            Some(mapping) if is_stun(bytes) => {
                mapping.handle_input(port, from, bytes);
                true
            }
            _ => false,
        }
    }

    /// Asks what is to be asked; returns how long the loop may sleep.
    pub(super) fn map(&mut self, now: Instant) -> Duration {
        if self.mappings == 0 {
            return TICK;
        }
        let mut wait = TICK;
        let mut done = Vec::new();
        self.mappings = 0;
        for line in self.lines.iter_mut().flatten() {
            while let Some(mapping) = line.mapping.as_mut() {
                match mapping.poll_output(now) {
                    MappingOutput::Transmit { from, to, request } => {
                        let socket = if from == Port::Rtp { &line.rtp } else { &line.rtcp };
                        // Lost like any datagram: it is repeated.
                        let _ = socket.send_to(&request, to);
                    }
                    MappingOutput::Timeout { at } => {
                        wait = wait.min(at.saturating_duration_since(now));
                        self.mappings += 1;
                        break;
                    }
                    MappingOutput::Done(mapped) => {
                        line.mapping = None;
                        done.push(MediaEvent::Mapped { leg: line.id, mapped });
                    }
                }
            }
        }
        done.into_iter().for_each(|event| self.report(event));
        wait
    }
}
