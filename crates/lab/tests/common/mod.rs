//! A station: a transaction layer with a simple user on top, attached to the simulated network.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use linecard_lab::{Endpoint, Parcel};
use linecard_sip::frame::{Frame, StreamFramer};
use linecard_sip::message::{HeaderName, Method, Request, Response, StatusCode, parse_datagram};
use linecard_sip::transaction::{
    ClientTransactionId, ServerTransactionId, TransactionConfig, TransactionId, TransactionLayer,
    TransactionOutput,
};
use linecard_sip::transport::{Flow, LocalAddress, Transport};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

pub(crate) const CALLER: &str = "10.0.0.1:5060";
pub(crate) const CALLEE: &str = "10.0.0.2:5060";

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// What the station's user does with an INVITE: rings after one wait and gives the final answer after another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) ring_after: Option<Duration>,
    pub(crate) answer_after: Duration,
    pub(crate) status: u16,
}

/// How a request of ours ended, as its user saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Answered(u16),
    TimedOut,
    TransportFailed,
}

#[derive(Debug)]
enum Chore {
    Respond {
        id: ServerTransactionId,
        response: Response,
    },
    /// A 2xx is repeated by the user until its ACK comes (RFC 3261 section 13.3.1.4).
    Repeat {
        id: ServerTransactionId,
        response: Response,
        wait: Duration,
    },
}

pub(crate) struct Station {
    address: SocketAddr,
    pub(crate) layer: TransactionLayer,
    pub(crate) plan: Plan,
    framers: BTreeMap<SocketAddr, StreamFramer>,
    parcels: VecDeque<Parcel>,
    chores: BTreeMap<(Instant, u64), Chore>,
    next_chore: u64,
    /// How often each request (Call-ID and method) reached the user.
    pub(crate) told: BTreeMap<(String, String), u32>,
    /// Every final response that reached the user, 2xx repetitions included.
    pub(crate) finals: BTreeMap<ClientTransactionId, Vec<u16>>,
    /// The ends of our requests, in the order they were told.
    pub(crate) ends: BTreeMap<ClientTransactionId, Vec<End>>,
    /// Our INVITEs' server side: answered 2xx, and whether the ACK came.
    pub(crate) acknowledged: BTreeMap<String, u32>,
    pub(crate) cancelled: u32,
    pub(crate) server_failures: u32,
    pub(crate) terminated: BTreeMap<TransactionId, u32>,
    open_invites: BTreeMap<ServerTransactionId, Request>,
}

impl Station {
    pub(crate) fn new(text: &str, seed: u64, plan: Plan) -> Self {
        let address = address(text);
        let local_addresses = [Transport::Udp, Transport::Tcp]
            .map(|transport| LocalAddress { transport, addr: address })
            .to_vec();
        let config = TransactionConfig { local_addresses, ..TransactionConfig::default() };
        Self {
            address,
            layer: TransactionLayer::new(config, ChaCha12Rng::seed_from_u64(seed)),
            plan,
            framers: BTreeMap::new(),
            parcels: VecDeque::new(),
            chores: BTreeMap::new(),
            next_chore: 0,
            told: BTreeMap::new(),
            finals: BTreeMap::new(),
            ends: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            cancelled: 0,
            server_failures: 0,
            terminated: BTreeMap::new(),
            open_invites: BTreeMap::new(),
        }
    }

    pub(crate) fn send(
        &mut self,
        method: Method,
        number: usize,
        transport: Transport,
        body: usize,
        now: Instant,
    ) -> ClientTransactionId {
        let remote = address(if self.address == address(CALLER) { CALLEE } else { CALLER });
        let mut request = Request::new(method.clone(), format!("sip:x@{remote}").parse().unwrap());
        request.headers.push(HeaderName::From, format!("<sip:a@{}>;tag=from{number}", self.address));
        request.headers.push(HeaderName::To, format!("<sip:x@{remote}>"));
        request.headers.push(HeaderName::CallId, format!("{number}@{}", self.address.ip()));
        request.headers.push(HeaderName::CSeq, format!("1 {}", method.as_str()));
        request.body = vec![b'a'; body];
        let id = self.layer.send_request(request, Flow::new(transport, self.address, remote), now);
        self.ends.insert(id, Vec::new());
        self.pump(now);
        id
    }

    pub(crate) fn cancel(&mut self, id: ClientTransactionId, now: Instant) -> bool {
        let sent = self.layer.cancel(id, Vec::new(), now).is_ok();
        self.pump(now);
        sent
    }

    fn pump(&mut self, now: Instant) {
        while let Some(output) = self.layer.poll_output() {
            match output {
                TransactionOutput::Timeout { .. } => break,
                TransactionOutput::Transmit { flow, bytes } => self.parcels.push_back(Parcel {
                    transport: flow.transport,
                    from: flow.local,
                    to: flow.remote,
                    payload: bytes,
                }),
                TransactionOutput::Request { id, request, .. } => self.take_request(id, request, now),
                TransactionOutput::Cancel { id, invite, request, .. } => {
                    self.count(&request);
                    let status =
                        if invite.is_some() { StatusCode::OK } else { StatusCode::new(481).unwrap() };
                    let _ = self.layer.respond(id, Response::reply_to(&request, status), now);
                    if let Some(open) = invite.and_then(|id| self.open_invites.remove(&id).map(|it| (id, it)))
                    {
                        self.cancelled += 1;
                        self.chores
                            .retain(|_, chore| !matches!(chore, Chore::Respond { id, .. } if *id == open.0));
                        self.respond(open.0, &open.1, 487, now);
                    }
                }
                TransactionOutput::Ack { request, .. } => {
                    let call = request.headers.call_id().unwrap().to_owned();
                    self.chores.retain(|_, chore| {
                        !matches!(chore, Chore::Repeat { response, .. }
                            if response.headers.call_id().unwrap() == call)
                    });
                    *self.acknowledged.entry(call).or_default() += 1;
                }
                TransactionOutput::Response { id, response, flow } => self.take_response(id, &response, flow),
                TransactionOutput::StrayResponse { response, flow } => self.acknowledge(&response, flow),
                TransactionOutput::TimedOut { id } => self.end(id, End::TimedOut),
                TransactionOutput::TransportFailed { id } => self.end(id, End::TransportFailed),
                TransactionOutput::Terminated { id } => *self.terminated.entry(id).or_default() += 1,
            }
        }
    }

    fn count(&mut self, request: &Request) {
        let call = request.headers.call_id().unwrap().to_owned();
        *self.told.entry((call, request.method.as_str().to_owned())).or_default() += 1;
    }

    fn take_request(&mut self, id: ServerTransactionId, request: Request, now: Instant) {
        self.count(&request);
        if request.method != Method::Invite {
            return self.respond(id, &request, 200, now);
        }
        if let Some(wait) = self.plan.ring_after {
            self.later(now + wait, Chore::Respond { id, response: reply(&request, 180) });
        }
        let response = reply(&request, self.plan.status);
        self.later(now + self.plan.answer_after, Chore::Respond { id, response });
        self.open_invites.insert(id, request);
    }

    fn respond(&mut self, id: ServerTransactionId, request: &Request, status: u16, now: Instant) {
        let _ = self.layer.respond(id, reply(request, status), now);
    }

    fn later(&mut self, at: Instant, chore: Chore) {
        self.next_chore += 1;
        self.chores.insert((at, self.next_chore), chore);
    }

    fn do_chore(&mut self, chore: Chore, now: Instant) {
        match chore {
            Chore::Respond { id, response } => {
                if response.status.is_final() {
                    self.open_invites.remove(&id);
                }
                let _ = self.layer.respond(id, response.clone(), now);
                if response.status.is_success() {
                    let wait = Duration::from_millis(500);
                    self.later(now + wait, Chore::Repeat { id, response, wait });
                }
            }
            Chore::Repeat { id, response, wait } => {
                if self.layer.respond(id, response.clone(), now).is_ok() {
                    let wait = (wait * 2).min(Duration::from_secs(4));
                    self.later(now + wait, Chore::Repeat { id, response, wait });
                }
            }
        }
    }

    fn take_response(&mut self, id: ClientTransactionId, response: &Response, flow: Flow) {
        let status = response.status;
        if !status.is_final() {
            return;
        }
        let cseq = response.headers.cseq().unwrap();
        if cseq.method == Method::Cancel {
            return;
        }
        let seen = self.finals.entry(id).or_default();
        seen.push(status.get());
        if seen.len() == 1 {
            self.end(id.into(), End::Answered(status.get()));
        }
        if cseq.method == Method::Invite && status.is_success() {
            self.acknowledge(response, flow);
        }
    }

    fn acknowledge(&mut self, response: &Response, flow: Flow) {
        let mut ack = Request::new(Method::Ack, format!("sip:x@{}", flow.remote).parse().unwrap());
        for name in [HeaderName::From, HeaderName::To, HeaderName::CallId] {
            ack.headers.copy_all(&response.headers, &name);
        }
        ack.headers.push(HeaderName::CSeq, "1 ACK");
        self.layer.send_ack(&mut ack, flow);
    }

    fn end(&mut self, id: TransactionId, end: End) {
        match id {
            TransactionId::Client(id) => {
                if let Some(ends) = self.ends.get_mut(&id) {
                    ends.push(end);
                }
            }
            TransactionId::Server(_) => self.server_failures += 1,
        }
    }
}

fn reply(request: &Request, status: u16) -> Response {
    let mut response = Response::reply_to(request, StatusCode::new(status).unwrap());
    response.headers.set_to_tag("callee");
    response
}

impl Endpoint for Station {
    fn owns(&self, address: SocketAddr) -> bool {
        self.address == address
    }

    fn receive(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        transport: Transport,
        payload: &[u8],
        now: Instant,
    ) {
        let flow = Flow::new(transport, to, from);
        if transport == Transport::Udp {
            self.layer.handle_message(parse_datagram(payload).unwrap(), flow, now);
        } else {
            let framer = self.framers.entry(from).or_default();
            framer.push(payload);
            while let Some(frame) = framer.next() {
                if let Frame::Message(message) = frame.unwrap() {
                    self.layer.handle_message(message, flow, now);
                }
            }
        }
        self.pump(now);
    }

    fn path_failed(&mut self, local: SocketAddr, remote: SocketAddr, transport: Transport, now: Instant) {
        self.framers.remove(&remote);
        self.layer.transport_failed(Flow::new(transport, local, remote), now);
        self.pump(now);
    }

    fn poll_transmit(&mut self, _now: Instant) -> Option<Parcel> {
        self.parcels.pop_front()
    }

    fn next_wakeup(&mut self) -> Option<Instant> {
        let layer = match self.layer.poll_output() {
            Some(TransactionOutput::Timeout { at, .. }) => Some(at),
            Some(other) => panic!("{other:?} was left behind"),
            None => None,
        };
        let chore = self.chores.keys().next().map(|(at, _)| *at);
        layer.into_iter().chain(chore).min()
    }

    fn wake(&mut self, now: Instant) {
        self.layer.handle_timeout(now);
        while let Some(entry) = self.chores.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let chore = entry.remove();
            self.do_chore(chore, now);
        }
        self.pump(now);
    }
}

/// Runs a test body with each seed, on a fresh network; a failure names the seed.
pub(crate) fn with_seeds<T>(count: u64, body: impl Fn(u64) -> T) -> Vec<T> {
    struct Name(u64);
    impl Drop for Name {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failed with seed {}", self.0);
            }
        }
    }
    (0..count)
        .map(|seed| {
            let _name = Name(seed);
            body(seed)
        })
        .collect()
}
