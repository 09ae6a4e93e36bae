//! The table of transactions and the way of each message to its machine.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;

use super::client::{Cancellation, ClientEntry};
use super::client_invite::ClientInput;
use super::effect::Effect;
use super::key::{ClientKey, ServerKey, tag_of_to};
use super::output::{
    CancelRefused, ClientTransactionId, RespondRefused, ServerTransactionId, TransactionId, TransactionOutput,
};
use super::server::ServerEntry;
use super::server_invite::ServerInput;
use super::timer::{TimerName, TimerQueue};
use super::{TransactionConfig, via};
use crate::message::{Header, HeaderName, Message, Method, Request, Response};
use crate::transport::Flow;

/// All transactions of a user agent: give it messages and time, poll it for what to send and what to know.
#[derive(Debug)]
pub struct TransactionLayer {
    pub(super) config: TransactionConfig,
    pub(super) rng: ChaCha12Rng,
    pub(super) next_id: u64,
    pub(super) clients: HashMap<ClientTransactionId, ClientEntry>,
    pub(super) client_keys: HashMap<ClientKey, ClientTransactionId>,
    pub(super) servers: HashMap<ServerTransactionId, ServerEntry>,
    pub(super) server_keys: HashMap<ServerKey, ServerTransactionId>,
    /// Which transactions send along a path: what a transport error concerns.
    pub(super) by_flow: BTreeSet<(Flow, TransactionId)>,
    pub(super) timers: TimerQueue,
    pub(super) outputs: VecDeque<TransactionOutput>,
}

impl TransactionLayer {
    /// Makes an empty table. Branches are drawn from `rng`.
    pub fn new(config: TransactionConfig, rng: ChaCha12Rng) -> Self {
        Self {
            config,
            rng,
            next_id: 0,
            clients: HashMap::new(),
            client_keys: HashMap::new(),
            servers: HashMap::new(),
            server_keys: HashMap::new(),
            by_flow: BTreeSet::new(),
            timers: TimerQueue::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Counts the transactions this end began and that still live.
    pub fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// Counts the transactions peers began and that still live.
    pub fn server_count(&self) -> usize {
        self.servers.len()
    }

    /// Tells whether nothing at all is remembered: no transaction, no timer, no output.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
            && self.client_keys.is_empty()
            && self.servers.is_empty()
            && self.server_keys.is_empty()
            && self.by_flow.is_empty()
            && self.timers.is_empty()
            && self.outputs.is_empty()
    }

    /// Gives the path a client transaction uses now (it may have changed between UDP and TCP).
    pub fn client_flow(&self, id: ClientTransactionId) -> Option<Flow> {
        self.clients.get(&id).map(|entry| entry.flow)
    }

    /// Gives the path a server transaction's responses take.
    pub fn server_flow(&self, id: ServerTransactionId) -> Option<Flow> {
        self.servers.get(&id).map(|entry| entry.flow)
    }

    /// Yields the next thing to do or to know; `Timeout` when there is nothing more before then, `None` when
    /// no timer runs either.
    pub fn poll_output(&mut self) -> Option<TransactionOutput> {
        self.outputs
            .pop_front()
            .or_else(|| self.timers.next().map(|(at, reason)| TransactionOutput::Timeout { at, reason }))
    }

    /// Sends a request in a transaction of its own.
    ///
    /// Via headers are replaced by ours with a fresh branch, and Max-Forwards is added when it is missing. A
    /// request for UDP that is larger than the limit goes by TCP, and by UDP after all when TCP fails (RFC 3261
    /// section 18.1.1); so report a connection that cannot be opened soon. An ACK given here is sent once and its
    /// transaction is terminated at once; [`send_ack`](Self::send_ack) is the way for it.
    pub fn send_request(&mut self, mut request: Request, flow: Flow, now: Instant) -> ClientTransactionId {
        let id = ClientTransactionId(self.fresh_id());
        if request.method == Method::Ack {
            request.headers.remove(&HeaderName::Via);
            self.send_ack(&mut request, flow);
            self.outputs.push_back(TransactionOutput::Terminated { id: id.into() });
            return id;
        }
        let branch = self.fresh_branch();
        let fallback = self.put_via(&mut request, flow, &branch);
        let flow = fallback.map_or(flow, |switch| switch.stream);
        self.begin_client(id, request, branch, flow, fallback.map(|switch| switch.datagram), now);
        id
    }

    /// Sends a request in a transaction of its own, by this path whatever its size: for a peer that no other one leads to.
    pub fn send_request_along(
        &mut self,
        mut request: Request,
        flow: Flow,
        now: Instant,
    ) -> ClientTransactionId {
        let id = ClientTransactionId(self.fresh_id());
        let branch = self.fresh_branch();
        if request.headers.get(&HeaderName::MaxForwards).is_none() {
            request.headers.push(HeaderName::MaxForwards, "70");
        }
        self.write_via(&mut request, flow, &branch);
        self.begin_client(id, request, branch, flow, None, now);
        id
    }

    /// Tells whether a request only repeats one that has a transaction.
    pub fn knows(&self, request: &Request) -> bool {
        let key = request.headers.top_via().ok().and_then(|top| ServerKey::of(request, &top));
        key.is_some_and(|key| self.server_keys.contains_key(&key))
    }

    /// Cancels an INVITE (RFC 3261 section 9.1).
    ///
    /// The CANCEL is made from the INVITE, with `reasons` added, and held back until a provisional response has
    /// come. The id returned is the CANCEL's; it is only reported as terminated when the INVITE ends first. The
    /// INVITE ends with 487, or 64 * T1 after the CANCEL left.
    ///
    /// # Errors
    /// Refused when the transaction is unknown, no INVITE, answered, or being cancelled already.
    pub fn cancel(
        &mut self,
        invite: ClientTransactionId,
        reasons: Vec<Header>,
        now: Instant,
    ) -> Result<ClientTransactionId, CancelRefused> {
        let entry = self.clients.get(&invite).ok_or(CancelRefused::UnknownTransaction)?;
        if entry.request().method != Method::Invite {
            return Err(CancelRefused::NotInvite);
        }
        if !matches!(entry.cancellation, Cancellation::None) {
            return Err(CancelRefused::AlreadyCancelled);
        }
        if !entry.machine.awaits_final() {
            return Err(CancelRefused::AlreadyAnswered);
        }
        let id = ClientTransactionId(self.fresh_id());
        if let Some(entry) = self.clients.get_mut(&invite) {
            entry.cancellation = Cancellation::Held { id, reasons };
        }
        self.release_cancel(invite, now);
        Ok(id)
    }

    /// Sends the ACK for a 2xx, which has no transaction (RFC 3261 section 13.2.2.4).
    ///
    /// A Via is added only when there is none: send the same ACK again for every repetition of the 2xx.
    pub fn send_ack(&mut self, ack: &mut Request, flow: Flow) {
        if ack.headers.get(&HeaderName::Via).is_none() {
            let branch = self.fresh_branch();
            self.write_via(ack, flow, &branch);
        }
        self.outputs.push_back(TransactionOutput::Transmit { flow, bytes: ack.to_bytes() });
    }

    /// Answers a request.
    ///
    /// A 2xx to an INVITE may be given again until 64 * T1 have passed: that is its retransmission (RFC 6026).
    ///
    /// # Errors
    /// Refused when the transaction is over or has its final response.
    pub fn respond(
        &mut self,
        id: ServerTransactionId,
        response: Response,
        now: Instant,
    ) -> Result<(), RespondRefused> {
        let entry = self.servers.get_mut(&id).ok_or(RespondRefused::UnknownTransaction)?;
        if response.status.is_final() && !response.status.is_success() && entry.ack_key.is_none() {
            entry.ack_key = entry.invite_ack_key(tag_of_to(&response.headers));
            if let Some(key) = &entry.ack_key {
                self.server_keys.insert(key.clone(), id);
            }
        }
        let input = ServerInput::Respond { status: response.status, bytes: response.to_bytes() };
        self.step_server(id, input, None, now)
    }

    /// Answers a request that has no transaction, such as one the parser refused.
    pub fn send_stateless(&mut self, response: &Response, flow: Flow) {
        let mut response = response.clone();
        let mut back = flow;
        if let Ok(mut top) = response.headers.top_via() {
            via::stamp(&mut top, flow);
            back = via::way_back(&top, flow);
            response.headers.set_top_via(&top);
        }
        self.outputs.push_back(TransactionOutput::Transmit { flow: back, bytes: response.to_bytes() });
    }

    /// Takes a message from the network.
    pub fn handle_message(&mut self, message: Message, flow: Flow, now: Instant) {
        match message {
            Message::Request(request) => self.handle_request(request, flow, now),
            Message::Response(response) => self.handle_response(response, flow, now),
        }
    }

    /// Fires the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((id, name)) = self.timers.take_due(now) {
            match id {
                TransactionId::Client(id) => self.step_client(id, ClientInput::Timer(name), None, now),
                TransactionId::Server(id) => {
                    let _ = self.step_server(id, ServerInput::Timer(name), None, now);
                }
            }
        }
    }

    /// Takes note that a path does not work: a connection refused, broken or closed, or an ICMP error.
    ///
    /// A request that changed to TCP goes back to UDP; responses try a new connection once; the rest is told.
    pub fn transport_failed(&mut self, flow: Flow, now: Instant) {
        let lowest = TransactionId::Client(ClientTransactionId(0));
        let highest = TransactionId::Server(ServerTransactionId(u64::MAX));
        let concerned: Vec<TransactionId> =
            self.by_flow.range((flow, lowest)..=(flow, highest)).map(|(_, id)| *id).collect();
        for id in concerned {
            match id {
                TransactionId::Client(id) => self.client_path_failed(id, now),
                TransactionId::Server(id) => self.server_path_failed(id, now),
            }
        }
    }

    /// Drops a transaction without a word to anyone.
    pub fn forget(&mut self, id: impl Into<TransactionId>) {
        match id.into() {
            TransactionId::Client(id) => {
                self.remove_client(id);
            }
            TransactionId::Server(id) => {
                self.remove_server(id);
            }
        }
    }

    /// Does what a machine asked for; gives the timers of no duration, which fire at once.
    pub(super) fn apply(
        &mut self,
        id: TransactionId,
        flow: Flow,
        effects: Vec<Effect>,
        mut delivery: Option<TransactionOutput>,
        now: Instant,
    ) -> Vec<TimerName> {
        let mut fired = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send(bytes) => {
                    self.outputs.push_back(TransactionOutput::Transmit { flow, bytes });
                }
                Effect::Start(name, Duration::ZERO) => fired.push(name),
                Effect::Start(name, after) => self.timers.start(id, name, now + after),
                Effect::Stop(name) => self.timers.stop(id, name),
                Effect::Deliver => self.outputs.extend(delivery.take()),
                Effect::Refuse => {}
                Effect::TimedOut => self.outputs.push_back(TransactionOutput::TimedOut { id }),
                Effect::TransportFailed => {
                    self.outputs.push_back(TransactionOutput::TransportFailed { id });
                }
            }
        }
        fired
    }
}
