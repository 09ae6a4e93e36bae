//! Server transactions in the table: what the layer knows beside the machine, and the ways of peers' requests.

use std::time::Instant;

use rand_chacha::rand_core::RngCore;

use super::effect::Effect;
use super::key::{ServerKey, tag_of_to};
use super::layer::TransactionLayer;
use super::output::{RespondRefused, ServerTransactionId, TransactionOutput};
use super::server_invite::{self, ServerInput, ServerInvite};
use super::server_non_invite::{self, ServerNonInvite};
use super::timer::Timers;
use super::{WhenFull, via};
use crate::message::{HeaderName, Method, Request, Response, StatusCode};
use crate::transport::Flow;

#[derive(Debug)]
pub(super) struct ServerEntry {
    pub(super) machine: ServerMachine,
    pub(super) key: ServerKey,
    /// The key of the ACK for our failure, when an RFC 2543 peer will send it with another identity.
    pub(super) ack_key: Option<ServerKey>,
    /// Where responses go.
    pub(super) flow: Flow,
    /// Where they go when the connection is gone.
    pub(super) reconnect: Option<Flow>,
}

#[derive(Debug)]
pub(super) enum ServerMachine {
    Invite(ServerInvite),
    NonInvite(ServerNonInvite),
}

impl ServerEntry {
    pub(super) fn start(
        request: &Request,
        key: ServerKey,
        flow: Flow,
        reconnect: Option<Flow>,
        timers: Timers,
        effects: &mut Vec<Effect>,
    ) -> Self {
        let machine = if request.method == Method::Invite {
            let trying = trying(request).to_bytes();
            ServerMachine::Invite(ServerInvite::start(trying, flow.transport, timers, effects))
        } else {
            ServerMachine::NonInvite(ServerNonInvite::start(flow.transport, timers, effects))
        };
        Self { machine, key, ack_key: None, flow, reconnect }
    }

    pub(super) fn invite_ack_key(&self, response_to_tag: Option<String>) -> Option<ServerKey> {
        match &self.machine {
            ServerMachine::Invite(_) => self.key.of_ack(response_to_tag),
            ServerMachine::NonInvite(_) => None,
        }
    }
}

impl ServerMachine {
    pub(super) fn handle(&mut self, input: ServerInput, effects: &mut Vec<Effect>) {
        match self {
            ServerMachine::Invite(machine) => machine.handle(input, effects),
            ServerMachine::NonInvite(machine) => machine.handle(input, effects),
        }
    }

    /// Gives the response to send again on another connection when this one broke (RFC 3261 section 18.2.2).
    pub(super) fn last_response(&self) -> Option<&[u8]> {
        match self {
            ServerMachine::Invite(machine) => machine.state.response(),
            ServerMachine::NonInvite(machine) => machine.state.response(),
        }
    }

    pub(super) fn is_terminated(&self) -> bool {
        match self {
            ServerMachine::Invite(machine) => machine.state == server_invite::State::Terminated,
            ServerMachine::NonInvite(machine) => machine.state == server_non_invite::State::Terminated,
        }
    }
}

impl TransactionLayer {
    pub(super) fn handle_request(&mut self, mut request: Request, flow: Flow, now: Instant) {
        let Ok(mut top) = request.headers.top_via() else {
            return;
        };
        let Some(key) = ServerKey::of(&request, &top) else {
            return;
        };
        let known = self.server_keys.get(&key).copied();
        via::stamp(&mut top, flow);
        request.headers.set_top_via(&top);
        match (known, &request.method) {
            (Some(id), Method::Ack) => {
                let delivery = TransactionOutput::Ack { invite: Some(id), request, flow };
                let _ = self.step_server(id, ServerInput::Ack, Some(delivery), now);
            }
            (None, Method::Ack) => {
                self.outputs.push_back(TransactionOutput::Ack { invite: None, request, flow });
            }
            (Some(id), _) => {
                let _ = self.step_server(id, ServerInput::Repetition, None, now);
            }
            (None, _) if self.has_room_for(&request) => {
                let entry_flow = via::way_back(&top, flow);
                let reconnect = via::new_connection(&top, flow);
                self.begin_server(request, key, flow, entry_flow, reconnect, now);
            }
            (None, _) => self.turn_away(&request, flow),
        }
    }

    pub(super) fn has_room_for(&self, request: &Request) -> bool {
        let limit = self.config.max_server_transactions;
        let ends_something = request.method == Method::Cancel || tag_of_to(&request.headers).is_some();
        let reserve = if ends_something { limit / 8 } else { 0 };
        self.servers.len() < limit.saturating_add(reserve)
    }

    pub(super) fn turn_away(&mut self, request: &Request, flow: Flow) {
        let WhenFull::Answer503 { retry_after_s } = self.config.when_full else {
            return;
        };
        let mut response = Response::reply_to(request, StatusCode::SERVICE_UNAVAILABLE);
        response.headers.set(HeaderName::RetryAfter, retry_after_s.to_string());
        if tag_of_to(&response.headers).is_none() {
            let tag = format!("{:016x}", self.rng.next_u64());
            response.headers.set_to_tag(&tag);
        }
        self.send_stateless(&response, flow);
    }

    pub(super) fn begin_server(
        &mut self,
        request: Request,
        key: ServerKey,
        came_by: Flow,
        flow: Flow,
        reconnect: Option<Flow>,
        now: Instant,
    ) {
        let id = ServerTransactionId(self.fresh_id());
        let mut effects = Vec::new();
        let entry =
            ServerEntry::start(&request, key.clone(), flow, reconnect, self.config.timers, &mut effects);
        let delivery = if request.method == Method::Cancel {
            let invite = self.server_keys.get(&key.of_cancelled()).copied();
            TransactionOutput::Cancel { id, invite, request, flow: came_by }
        } else {
            TransactionOutput::Request { id, request, flow: came_by }
        };
        self.server_keys.insert(key, id);
        self.by_flow.insert((flow, id.into()));
        self.servers.insert(id, entry);
        let _ = self.apply_server(id, effects, Some(delivery), now);
    }

    pub(super) fn step_server(
        &mut self,
        id: ServerTransactionId,
        input: ServerInput,
        delivery: Option<TransactionOutput>,
        now: Instant,
    ) -> Result<(), RespondRefused> {
        let entry = self.servers.get_mut(&id).ok_or(RespondRefused::UnknownTransaction)?;
        let mut effects = Vec::new();
        entry.machine.handle(input, &mut effects);
        self.apply_server(id, effects, delivery, now)
    }

    pub(super) fn apply_server(
        &mut self,
        id: ServerTransactionId,
        effects: Vec<Effect>,
        delivery: Option<TransactionOutput>,
        now: Instant,
    ) -> Result<(), RespondRefused> {
        if effects.contains(&Effect::Refuse) {
            return Err(RespondRefused::AlreadyAnswered);
        }
        let Some(flow) = self.server_flow(id) else {
            return Ok(());
        };
        let fired = self.apply(id.into(), flow, effects, delivery, now);
        for name in fired {
            self.step_server(id, ServerInput::Timer(name), None, now)?;
        }
        if self.servers.get(&id).is_some_and(|entry| entry.machine.is_terminated()) {
            self.remove_server(id);
            self.outputs.push_back(TransactionOutput::Terminated { id: id.into() });
        }
        Ok(())
    }

    pub(super) fn server_path_failed(&mut self, id: ServerTransactionId, now: Instant) {
        let Some(entry) = self.servers.get_mut(&id) else {
            return;
        };
        let Some(flow) = entry.reconnect.take() else {
            let _ = self.step_server(id, ServerInput::TransportFailed, None, now);
            return;
        };
        self.by_flow.remove(&(entry.flow, id.into()));
        self.by_flow.insert((flow, id.into()));
        entry.flow = flow;
        if let Some(bytes) = entry.machine.last_response() {
            self.outputs.push_back(TransactionOutput::Transmit { flow, bytes: bytes.to_vec() });
        }
    }

    pub(super) fn remove_server(&mut self, id: ServerTransactionId) {
        let Some(entry) = self.servers.remove(&id) else {
            return;
        };
        self.server_keys.remove(&entry.key);
        if let Some(key) = &entry.ack_key {
            self.server_keys.remove(key);
        }
        self.by_flow.remove(&(entry.flow, id.into()));
        self.timers.stop_all(id.into());
    }
}

/// Makes the 100 for an INVITE; a Timestamp is copied (RFC 3261 section 8.2.6.1).
fn trying(request: &Request) -> Response {
    let mut response = Response::reply_to(request, StatusCode::TRYING);
    let timestamp = HeaderName::Other("Timestamp".to_owned());
    if let Some(value) = request.headers.get(&timestamp) {
        response.headers.push(timestamp, value.to_vec());
    }
    response
}
