//! Open streams and what keeps them, and a NAT's bindings, alive (RFC 5626 sections 3.5.1, 4.4 and 5.4).

use std::time::{Duration, Instant};

use super::event::LineId;
use super::{Clock, LineState, Output, UserAgent};
use crate::frame::StreamFramer;
use crate::registration::{self, between};
use crate::transport::{Flow, Transport, TransportFault};

/// Between two pings on a stream (RFC 5626 section 4.4.1).
const STREAM_PINGS: [Duration; 2] = [Duration::from_secs(95), Duration::from_secs(120)];

/// Between two blank lines that hold a NAT's binding for datagrams: the shortest that are met last 30 s
/// (RFC 5626 section 4.4.2).
const DATAGRAM_PINGS: [Duration; 2] = [Duration::from_secs(20), Duration::from_secs(25)];

/// How long the answer to a ping may take (RFC 5626 section 4.4.1).
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// Two line ends: a message of no message.
const PING: &[u8] = b"\r\n\r\n";

/// An open stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) framer: StreamFramer,
    pulse: Pulse,
}

/// Whether the other end answers pings.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Pulse {
    /// Not known yet.
    #[default]
    Unknown,
    /// The first ping is on its way.
    FirstPing,
    /// It has answered the last one.
    Beating,
    /// It has answered before, and one is on its way.
    Pinged,
    /// It lives and answers none: not every server knows of pings.
    Deaf,
}

impl UserAgent {
    pub(super) fn stream_opened(&mut self, flow: Flow) {
        self.streams.insert(flow.connection(), Stream::default());
    }

    /// Takes note that a path does not work: its transactions fail, and lines that registered along it begin again.
    pub(super) fn path_failed(&mut self, flow: Flow, fault: TransportFault, now: Instant) {
        self.streams.remove(&flow.connection());
        self.clocks.stop(&Clock::KeepAlive(flow));
        self.fault = Some(fault.clone());
        self.transactions.transport_failed(flow, now);
        self.settle(now);
        if flow.transport.reliable() {
            self.connection_over(flow.connection());
            for line in self.lines_along(flow) {
                if let Some(state) = self.lines.get_mut(&line) {
                    state.flow = None;
                }
                let input = registration::Input::TransportFailed(Some(fault.clone()));
                self.drive_registration(&line, input, now);
                self.lose_subscriptions(&line, now);
            }
        }
        self.fault = None;
    }

    /// Closes a stream at which nobody seems to be.
    pub(super) fn give_up_stream(&mut self, flow: Flow, now: Instant) {
        if flow.transport.reliable() {
            self.outputs.push_back(Output::CloseStream { flow });
            self.path_failed(flow, TransportFault::Closed, now);
        }
    }

    fn lines_along(&self, flow: Flow) -> Vec<LineId> {
        let along = |known: Option<Flow>| known.is_some_and(|known| known.connection() == flow.connection());
        self.lines.iter().filter(|(_, state)| along(state.flow)).map(|(id, _)| id.clone()).collect()
    }

    /// Begins to keep the path of a line's registration alive, unless that is done already.
    pub(super) fn hold(&mut self, line: &LineId, now: Instant) {
        let Some(flow) = self.lines.get(line).and_then(|state| state.flow) else { return };
        let clock = Clock::KeepAlive(flow);
        // Not whether any line along it does: each of thousands asks when it has registered.
        let needs_it =
            flow.transport.reliable() || self.lines.get(line).is_some_and(LineState::is_seen_elsewhere);
        if !needs_it || self.clocks.is_running(&clock) {
            return;
        }
        let wait = self.until_ping(flow.transport);
        self.clocks.start(clock, now + wait);
    }

    /// Datagrams need it behind a NAT alone: a public address was learned.
    fn needs_holding(&self, flow: Flow) -> bool {
        let along = |state: &&LineState| state.flow == Some(flow);
        flow.transport.reliable() || self.lines.values().filter(along).any(LineState::is_seen_elsewhere)
    }

    fn until_ping(&mut self, transport: Transport) -> Duration {
        let [least, most] = if transport.reliable() { STREAM_PINGS } else { DATAGRAM_PINGS };
        between(&mut self.rng, least, most)
    }

    /// Sends the next ping, or judges that the last one was not answered.
    pub(super) fn keep_alive(&mut self, flow: Flow, now: Instant) {
        let mut wait = self.until_ping(flow.transport);
        if flow.transport.reliable() {
            let Some(stream) = self.streams.get_mut(&flow.connection()) else { return };
            match stream.pulse {
                Pulse::Unknown => stream.pulse = Pulse::FirstPing,
                Pulse::Beating => stream.pulse = Pulse::Pinged,
                Pulse::Pinged => return self.give_up_stream(flow, now),
                // A question that has to be answered tells whether the stream lives.
                Pulse::FirstPing | Pulse::Deaf => {
                    stream.pulse = Pulse::Deaf;
                    if let Some(line) = self.lines_along(flow).first() {
                        self.drive_registration(
                            line,
                            registration::Input::Verify { within: PONG_WITHIN },
                            now,
                        );
                    }
                }
            }
            let pulse = self.streams.get(&flow.connection()).map(|stream| stream.pulse);
            if matches!(pulse, Some(Pulse::FirstPing | Pulse::Pinged)) {
                wait = PONG_WITHIN;
            }
        } else if !self.needs_holding(flow) {
            return;
        }
        self.outputs.push_back(Output::Transmit { flow, payload: PING.to_vec() });
        self.clocks.start(Clock::KeepAlive(flow), now + wait);
    }

    /// The other end has answered a ping.
    pub(super) fn ponged(&mut self, flow: Flow, now: Instant) {
        let wait = self.until_ping(flow.transport);
        if let Some(stream) = self.streams.get_mut(&flow.connection())
            && stream.pulse != Pulse::Unknown
        {
            stream.pulse = Pulse::Beating;
            self.clocks.start(Clock::KeepAlive(flow), now + wait);
        }
    }
}
