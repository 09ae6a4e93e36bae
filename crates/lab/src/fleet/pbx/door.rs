//! By what a PBX is reached and reaches the server: datagrams, or streams that it splits into messages itself
//! (RFC 3261 section 18.3).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use linecard_sip::frame::{Frame, StreamFramer};
use linecard_sip::message::{Message, parse_datagram};
use linecard_sip::transport::{Flow, Transport};
use linecard_sip::uri::Uri;

use super::{Pbx, PbxOutput};
use crate::fleet::mishap::Mishap;

/// By what a PBX speaks, and its open streams.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) transport: Transport,
    streams: BTreeMap<SocketAddr, StreamFramer>,
    /// The stream that was opened last, as long as it is.
    newest: Option<SocketAddr>,
}

impl Door {
    pub(super) fn new(transport: Transport) -> Self {
        Self { transport, streams: BTreeMap::new(), newest: None }
    }

    /// Names the way from the PBX to the server: the stream that was known, else one that is open, else a new one.
    pub(super) fn flow(&self, address: SocketAddr, to: SocketAddr) -> Flow {
        let known = !self.transport.reliable() || self.streams.contains_key(&to);
        let remote = if known { to } else { self.newest.unwrap_or(to) };
        Flow::new(self.transport, address, remote)
    }

    /// Writes the Contact of a PBX at this address.
    pub(super) fn contact(&self, address: SocketAddr) -> String {
        match self.transport {
            Transport::Udp => format!("<sip:fleet@{address}>"),
            streams => format!("<sip:fleet@{address};transport={streams}>"),
        }
    }

    fn open(&mut self, peer: SocketAddr) {
        self.streams.insert(peer, StreamFramer::new());
        self.newest = Some(peer);
    }

    fn close(&mut self, peer: SocketAddr) {
        self.streams.remove(&peer);
        if self.newest == Some(peer) {
            self.newest = self.streams.keys().next_back().copied();
        }
    }

    pub(super) fn peers(&self) -> Vec<SocketAddr> {
        self.streams.keys().copied().collect()
    }
}

impl Pbx {
    /// Takes a datagram, or some bytes of a stream.
    pub fn receive(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        if self.is_silent() {
            return;
        }
        self.heard(now);
        if self.door.transport.reliable() {
            self.receive_piece(from, bytes, now);
        } else {
            match parse_datagram(bytes) {
                Ok(message) => self.layer.handle_message(message, self.door.flow(self.address, from), now),
                Err(rejected) => self.unreadable(&rejected.error),
            }
        }
        self.pump(now);
        self.look_after(now);
    }

    fn receive_piece(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        let Some(framer) = self.door.streams.get_mut(&from) else { return };
        framer.push(bytes);
        while let Some(frame) = self.door.streams.get_mut(&from).and_then(StreamFramer::next) {
            match frame {
                Ok(Frame::Message(message)) => {
                    self.layer.handle_message(message, self.door.flow(self.address, from), now);
                    self.pump(now);
                }
                Ok(Frame::KeepAlivePing) => {
                    self.outputs.push_back(PbxOutput::Transmit { to: from, bytes: b"\r\n".to_vec() });
                }
                Ok(Frame::KeepAlivePong) => {}
                Ok(Frame::Rejected(rejected)) => self.unreadable(&rejected.error),
                Err(lost) => self.unreadable(&lost.error),
            }
        }
    }

    fn unreadable(&mut self, error: &linecard_sip::message::ParseError) {
        self.strangers.push(format!("a message that cannot be read: {error:?}"));
    }

    /// Takes note that the server, or the PBX itself, has opened a stream.
    pub fn opened(&mut self, peer: SocketAddr) {
        if self.is_silent() {
            // Nobody is there to take it.
            return self.outputs.push_back(PbxOutput::Cut);
        }
        self.door.open(peer);
    }

    /// Takes note that a stream is over, or could not be opened.
    pub fn closed(&mut self, peer: SocketAddr, now: Instant) {
        self.stream_over(peer, Mishap::Cut, now);
        self.pump(now);
    }

    /// A stream is over, and with it what was bound and is watched along it; dialogs go on by another one.
    pub(super) fn stream_over(&mut self, peer: SocketAddr, mishap: Mishap, now: Instant) {
        let flow = Flow::new(self.door.transport, self.address, peer);
        self.door.close(peer);
        for leg in self.legs.values_mut().filter(|leg| leg.server == peer) {
            leg.server = address_of(&leg.target).unwrap_or(peer);
        }
        for seat in self.seats.values_mut() {
            let binding = seat.binding.take_if(|binding| binding.from == peer);
            let watcher = seat.watcher.take_if(|watcher| watcher.server == peer);
            if binding.is_some() || watcher.is_some() {
                seat.is_away(mishap, now);
            }
        }
        self.layer.transport_failed(flow, now);
    }

    /// Notes that a message of ours was not lost on its way.
    pub fn delivered(&mut self, bytes: &[u8], now: Instant) {
        if !bytes.starts_with(b"INVITE ") {
            return;
        }
        let Ok(Message::Request(request)) = parse_datagram(bytes) else { return };
        let call_id = request.headers.call_id().unwrap_or_default();
        let leg = self.by_call_id.get(call_id).and_then(|id| self.legs.get(id));
        if let Some(call) = leg.map(|leg| leg.call) {
            self.note(call, |deeds| {
                deeds.invited.get_or_insert(now);
            });
        }
    }
}

/// The address that a contact of the server's names.
fn address_of(contact: &Uri) -> Option<SocketAddr> {
    let uri = contact.as_sip()?;
    Some(SocketAddr::new(uri.host.ip()?, uri.port?))
}

/// Takes `rport` out of the Via of a request.
pub(super) fn without_rport(bytes: Vec<u8>) -> Vec<u8> {
    match parse_datagram(&bytes) {
        Ok(Message::Request(mut request)) => {
            if let Ok(mut via) = request.headers.top_via() {
                via.params.remove("rport");
                request.headers.set_top_via(&via);
            }
            request.to_bytes()
        }
        _ => bytes,
    }
}
