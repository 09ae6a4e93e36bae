//! Client transactions in the table: what the layer knows beside the machine, and the ways of our requests.

use std::time::Instant;

use rand_chacha::rand_core::RngCore;

use super::client_invite::{self, ClientInput, ClientInvite, follow_up};
use super::client_non_invite::{self, ClientNonInvite};
use super::effect::Effect;
use super::key::{ClientKey, MAGIC_COOKIE};
use super::layer::TransactionLayer;
use super::output::{ClientTransactionId, TransactionOutput};
use super::timer::Timers;
use super::via;
use crate::message::{Header, HeaderName, Method, Request, Response};
use crate::transport::{Flow, Transport};

#[derive(Debug)]
pub(super) struct ClientEntry {
    pub(super) machine: ClientMachine,
    pub(super) key: ClientKey,
    /// Where the request, its ACK and its CANCEL go.
    pub(super) flow: Flow,
    /// The UDP path to return to when the TCP one, taken for the request's size, fails.
    pub(super) fallback: Option<Flow>,
    pub(super) cancellation: Cancellation,
}

/// How far the cancelling of an INVITE is.
#[derive(Debug)]
pub(super) enum Cancellation {
    None,
    /// Waits for the first provisional response.
    Held {
        id: ClientTransactionId,
        reasons: Vec<Header>,
    },
    /// Sent, or never to be.
    Settled,
}

#[derive(Debug)]
pub(super) enum ClientMachine {
    Invite(ClientInvite),
    NonInvite(ClientNonInvite),
}

impl ClientEntry {
    pub(super) fn request(&self) -> &Request {
        match &self.machine {
            ClientMachine::Invite(machine) => &machine.request,
            ClientMachine::NonInvite(machine) => &machine.request,
        }
    }
}

impl ClientMachine {
    pub(super) fn start(request: Request, on: Transport, timers: Timers, effects: &mut Vec<Effect>) -> Self {
        if request.method == Method::Invite {
            ClientMachine::Invite(ClientInvite::start(request, on, timers, effects))
        } else {
            ClientMachine::NonInvite(ClientNonInvite::start(request, on, timers, effects))
        }
    }

    pub(super) fn handle(&mut self, input: ClientInput<'_>, effects: &mut Vec<Effect>) {
        match self {
            ClientMachine::Invite(machine) => machine.handle(input, effects),
            ClientMachine::NonInvite(machine) => machine.handle(input, effects),
        }
    }

    /// Tells whether nothing has been heard from the peer yet.
    pub(super) fn awaits_provisional(&self) -> bool {
        match self {
            ClientMachine::Invite(machine) => {
                matches!(machine.state, client_invite::State::Calling { .. })
            }
            ClientMachine::NonInvite(machine) => {
                matches!(machine.state, client_non_invite::State::Trying { .. })
            }
        }
    }

    /// Tells whether the final response is still to come.
    pub(super) fn awaits_final(&self) -> bool {
        self.awaits_provisional()
            || match self {
                ClientMachine::Invite(machine) => machine.state == client_invite::State::Proceeding,
                ClientMachine::NonInvite(machine) => machine.state == client_non_invite::State::Proceeding,
            }
    }

    pub(super) fn is_terminated(&self) -> bool {
        match self {
            ClientMachine::Invite(machine) => machine.state == client_invite::State::Terminated,
            ClientMachine::NonInvite(machine) => machine.state == client_non_invite::State::Terminated,
        }
    }
}

impl TransactionLayer {
    pub(super) fn begin_client(
        &mut self,
        id: ClientTransactionId,
        request: Request,
        branch: String,
        flow: Flow,
        fallback: Option<Flow>,
        now: Instant,
    ) {
        let mut effects = Vec::new();
        let key = ClientKey { branch, method: request.method.clone() };
        let machine = ClientMachine::start(request, flow.transport, self.config.timers, &mut effects);
        self.client_keys.insert(key.clone(), id);
        self.by_flow.insert((flow, id.into()));
        let entry = ClientEntry { machine, key, flow, fallback, cancellation: Cancellation::None };
        self.clients.insert(id, entry);
        self.apply_client(id, effects, None, now);
    }

    pub(super) fn handle_response(&mut self, response: Response, flow: Flow, now: Instant) {
        // RFC 3261 section 8.1.3.3: a second Via means that the response is not for us.
        let (Ok(vias), Ok(cseq)) = (response.headers.vias(), response.headers.cseq()) else {
            return;
        };
        let [top] = vias.as_slice() else { return };
        let Some(branch) = top.branch() else { return };
        let key = ClientKey { branch: branch.to_owned(), method: cseq.method };
        match self.client_keys.get(&key) {
            Some(&id) => {
                let delivery = TransactionOutput::Response { id, response: response.clone(), flow };
                self.step_client(id, ClientInput::Response(&response), Some(delivery), now);
            }
            None if key.method == Method::Invite && response.status.is_success() => {
                self.outputs.push_back(TransactionOutput::StrayResponse { response, flow });
            }
            None => {}
        }
    }

    pub(super) fn step_client(
        &mut self,
        id: ClientTransactionId,
        input: ClientInput<'_>,
        delivery: Option<TransactionOutput>,
        now: Instant,
    ) {
        let Some(entry) = self.clients.get_mut(&id) else {
            return;
        };
        let mut effects = Vec::new();
        entry.machine.handle(input, &mut effects);
        self.apply_client(id, effects, delivery, now);
    }

    pub(super) fn apply_client(
        &mut self,
        id: ClientTransactionId,
        effects: Vec<Effect>,
        delivery: Option<TransactionOutput>,
        now: Instant,
    ) {
        let Some(flow) = self.client_flow(id) else { return };
        let fired = self.apply(id.into(), flow, effects, delivery, now);
        for name in fired {
            self.step_client(id, ClientInput::Timer(name), None, now);
        }
        let Some(entry) = self.clients.get(&id) else {
            return;
        };
        if entry.machine.is_terminated() {
            self.remove_client(id);
            self.outputs.push_back(TransactionOutput::Terminated { id: id.into() });
        } else {
            self.release_cancel(id, now);
        }
    }

    /// Sends a held CANCEL once the INVITE has its provisional response, or drops it after a final one.
    pub(super) fn release_cancel(&mut self, invite: ClientTransactionId, now: Instant) {
        let Some(entry) = self.clients.get_mut(&invite) else {
            return;
        };
        if !matches!(entry.cancellation, Cancellation::Held { .. }) || entry.machine.awaits_provisional() {
            return;
        }
        let Cancellation::Held { id, reasons } =
            std::mem::replace(&mut entry.cancellation, Cancellation::Settled)
        else {
            return;
        };
        if !entry.machine.awaits_final() {
            self.outputs.push_back(TransactionOutput::Terminated { id: id.into() });
            return;
        }
        let mut request = follow_up(entry.request(), Method::Cancel);
        for reason in reasons {
            request.headers.push(reason.name, reason.value);
        }
        let (branch, flow) = (entry.key.branch.clone(), entry.flow);
        self.begin_client(id, request, branch, flow, None, now);
        self.step_client(invite, ClientInput::CancelSent, None, now);
    }

    pub(super) fn client_path_failed(&mut self, id: ClientTransactionId, now: Instant) {
        let Some(entry) = self.clients.get_mut(&id) else {
            return;
        };
        match entry.fallback.take() {
            // RFC 3261 section 18.1.1: after all by UDP, in the same transaction.
            Some(datagram) if entry.machine.awaits_provisional() => {
                let mut request = entry.request().clone();
                let branch = entry.key.branch.clone();
                self.timers.stop_all(id.into());
                self.write_via(&mut request, datagram, &branch);
                let mut effects = Vec::new();
                let timers = self.config.timers;
                self.move_client(id, datagram, |entry| {
                    entry.machine = ClientMachine::start(request, datagram.transport, timers, &mut effects);
                });
                self.apply_client(id, effects, None, now);
            }
            _ => self.step_client(id, ClientInput::TransportFailed, None, now),
        }
    }

    pub(super) fn move_client(
        &mut self,
        id: ClientTransactionId,
        flow: Flow,
        change: impl FnOnce(&mut ClientEntry),
    ) {
        let Some(entry) = self.clients.get_mut(&id) else {
            return;
        };
        self.by_flow.remove(&(entry.flow, id.into()));
        self.by_flow.insert((flow, id.into()));
        entry.flow = flow;
        change(entry);
    }

    pub(super) fn remove_client(&mut self, id: ClientTransactionId) {
        let Some(entry) = self.clients.remove(&id) else {
            return;
        };
        self.client_keys.remove(&entry.key);
        self.by_flow.remove(&(entry.flow, id.into()));
        self.timers.stop_all(id.into());
        if let Cancellation::Held { id, .. } = entry.cancellation {
            self.outputs.push_back(TransactionOutput::Terminated { id: id.into() });
        }
    }

    /// Writes our Via; tells when the request is too large for UDP and a change to TCP is possible.
    pub(super) fn put_via(&mut self, request: &mut Request, flow: Flow, branch: &str) -> Option<Switch> {
        if request.headers.get(&HeaderName::MaxForwards).is_none() {
            request.headers.push(HeaderName::MaxForwards, "70");
        }
        self.write_via(request, flow, branch);
        if flow.transport != Transport::Udp || request.to_bytes().len() <= self.config.datagram_limit {
            return None;
        }
        let streams = || self.config.local_addresses.iter().filter(|local| local.transport == Transport::Tcp);
        let local = streams()
            .find(|local| local.addr.ip() == flow.local.ip())
            .or_else(|| streams().find(|local| local.addr.is_ipv4() == flow.local.is_ipv4()))?;
        let stream = Flow::new(Transport::Tcp, local.addr, flow.remote);
        self.write_via(request, stream, branch);
        Some(Switch { stream, datagram: flow })
    }

    pub(super) fn write_via(&self, request: &mut Request, flow: Flow, branch: &str) {
        request.headers.remove(&HeaderName::Via);
        let sent_by = if flow.transport.is_websocket() {
            Some(&self.config.nowhere)
        } else {
            self.config.sent_by.as_ref()
        };
        let own = via::own(flow, sent_by, branch);
        request.headers.push_front(HeaderName::Via, own.to_bytes());
    }

    pub(super) fn fresh_branch(&mut self) -> String {
        format!("{MAGIC_COOKIE}{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64())
    }

    pub(super) fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

/// A request's change from UDP to TCP.
#[derive(Debug, Clone, Copy)]
pub(super) struct Switch {
    pub(super) stream: Flow,
    pub(super) datagram: Flow,
}
