//! A transaction layer on a bench: messages as text in, a log of what it did and when out.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use linecard_sip::message::{
    Header, HeaderName, Message, Method, Request, Response, StatusCode, parse_datagram,
};
use linecard_sip::transaction::{
    CancelRefused, ClientTransactionId, RespondRefused, ServerTransactionId, TransactionConfig,
    TransactionLayer, TransactionOutput,
};
use linecard_sip::transport::{Flow, LocalAddress, Transport};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

pub(crate) const HERE: &str = "192.0.2.1:5060";
pub(crate) const PEER: &str = "192.0.2.9:5060";

pub(crate) fn udp() -> Flow {
    flow(Transport::Udp, PEER)
}

pub(crate) fn tcp() -> Flow {
    flow(Transport::Tcp, PEER)
}

pub(crate) fn flow(transport: Transport, remote: &str) -> Flow {
    Flow::new(transport, HERE.parse().unwrap(), remote.parse().unwrap())
}

/// What happened and at which millisecond.
pub(crate) type Log = Vec<(u128, String)>;

pub(crate) struct Bench {
    pub(crate) layer: TransactionLayer,
    start: Instant,
    pub(crate) now: Instant,
    pub(crate) log: Log,
    pub(crate) outputs: Vec<TransactionOutput>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let local_addresses = [Transport::Udp, Transport::Tcp]
            .map(|transport| LocalAddress { transport, addr: HERE.parse().unwrap() })
            .to_vec();
        Self::with(TransactionConfig { local_addresses, ..TransactionConfig::default() })
    }

    pub(crate) fn with(config: TransactionConfig) -> Self {
        let start = Instant::now();
        let layer = TransactionLayer::new(config, ChaCha12Rng::seed_from_u64(7));
        Self { layer, start, now: start, log: Vec::new(), outputs: Vec::new() }
    }

    pub(crate) fn send(&mut self, request: Request, flow: Flow) -> ClientTransactionId {
        let id = self.layer.send_request(request, flow, self.now);
        self.drain();
        id
    }

    pub(crate) fn cancel(
        &mut self,
        invite: ClientTransactionId,
        reasons: Vec<Header>,
    ) -> Result<ClientTransactionId, CancelRefused> {
        let result = self.layer.cancel(invite, reasons, self.now);
        self.drain();
        result
    }

    pub(crate) fn hear(&mut self, text: &str, flow: Flow) {
        self.hear_message(message(text), flow);
    }

    pub(crate) fn hear_message(&mut self, message: Message, flow: Flow) {
        self.layer.handle_message(message, flow, self.now);
        self.drain();
    }

    /// Hears this answer to the last request that was sent with this method.
    pub(crate) fn hear_answer(&mut self, method: &Method, status: u16, to_tag: &str) {
        let (request, flow) = self.last_request(method);
        let mut response = Response::reply_to(&request, StatusCode::new(status).unwrap());
        response.headers.set_to_tag(to_tag);
        self.hear_message(Message::Response(response), flow);
    }

    pub(crate) fn answer(&mut self, status: u16) -> Result<(), RespondRefused> {
        let (id, request) = self.last_received();
        self.answer_to(id, &request, status)
    }

    pub(crate) fn answer_to(
        &mut self,
        id: ServerTransactionId,
        request: &Request,
        status: u16,
    ) -> Result<(), RespondRefused> {
        let mut response = Response::reply_to(request, StatusCode::new(status).unwrap());
        response.headers.set_to_tag("here");
        let result = self.layer.respond(id, response, self.now);
        self.drain();
        result
    }

    pub(crate) fn fail(&mut self, flow: Flow) {
        self.layer.transport_failed(flow, self.now);
        self.drain();
    }

    /// Jumps from timer to timer up to and including this millisecond.
    pub(crate) fn run_to(&mut self, ms: u64) {
        let end = self.start + Duration::from_millis(ms);
        while let Some(TransactionOutput::Timeout { at, .. }) = self.layer.poll_output() {
            if at > end {
                break;
            }
            self.now = at;
            self.layer.handle_timeout(at);
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(output) = self.layer.poll_output() {
            if matches!(output, TransactionOutput::Timeout { .. }) {
                break;
            }
            let ms = self.now.duration_since(self.start).as_millis();
            self.log.push((ms, describe(&output)));
            self.outputs.push(output);
        }
    }

    /// Gives the log since the last call.
    pub(crate) fn take_log(&mut self) -> Vec<(u128, String)> {
        std::mem::take(&mut self.log)
    }

    /// Gives the times in the log at which this happened.
    pub(crate) fn times(&self, what: &str) -> Vec<u128> {
        self.log.iter().filter(|(_, happened)| happened == what).map(|(ms, _)| *ms).collect()
    }

    pub(crate) fn sent(&self) -> Vec<(Message, Flow)> {
        self.outputs
            .iter()
            .filter_map(|output| match output {
                TransactionOutput::Transmit { flow, bytes } => Some((parse_datagram(bytes).unwrap(), *flow)),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn last_request(&self, method: &Method) -> (Request, Flow) {
        self.sent()
            .into_iter()
            .rev()
            .find_map(|(message, flow)| match message {
                Message::Request(request) if request.method == *method => Some((request, flow)),
                _ => None,
            })
            .expect("such a request was sent")
    }

    pub(crate) fn last_response(&self) -> (Response, Flow) {
        self.sent()
            .into_iter()
            .rev()
            .find_map(|(message, flow)| match message {
                Message::Response(response) => Some((response, flow)),
                Message::Request(_) => None,
            })
            .expect("a response was sent")
    }

    pub(crate) fn last_received(&self) -> (ServerTransactionId, Request) {
        self.outputs
            .iter()
            .rev()
            .find_map(|output| match output {
                TransactionOutput::Request { id, request, .. } => Some((*id, request.clone())),
                _ => None,
            })
            .expect("a request was received")
    }
}

pub(crate) fn log(entries: &[(u128, &str)]) -> Log {
    entries.iter().map(|(ms, what)| (*ms, (*what).to_owned())).collect()
}

fn describe(output: &TransactionOutput) -> String {
    match output {
        TransactionOutput::Transmit { bytes, .. } => match parse_datagram(bytes).unwrap() {
            Message::Request(request) => format!("send {}", request.method.as_str()),
            Message::Response(response) => format!("send {}", response.status.get()),
        },
        TransactionOutput::Request { request, .. } => format!("request {}", request.method.as_str()),
        TransactionOutput::Cancel { invite, .. } => {
            format!("cancel of {}", if invite.is_some() { "an INVITE" } else { "nothing" })
        }
        TransactionOutput::Ack { invite, .. } => {
            format!("ack of {}", if invite.is_some() { "an INVITE" } else { "nothing" })
        }
        TransactionOutput::Response { response, .. } => format!("response {}", response.status.get()),
        TransactionOutput::StrayResponse { response, .. } => format!("stray {}", response.status.get()),
        TransactionOutput::TimedOut { .. } => "timed out".to_owned(),
        TransactionOutput::TransportFailed { .. } => "transport failed".to_owned(),
        TransactionOutput::Terminated { .. } => "terminated".to_owned(),
        TransactionOutput::Timeout { .. } => "timeout".to_owned(),
    }
}

/// Reads a message written with plain line ends.
pub(crate) fn message(text: &str) -> Message {
    let lines: Vec<&str> = text.trim().lines().map(str::trim).collect();
    let bytes = format!("{}\r\n\r\n", lines.join("\r\n"));
    parse_datagram(bytes.as_bytes()).expect("the test's message is well-formed")
}

/// Makes a request of our own, without Via.
pub(crate) fn own_request(method: Method) -> Request {
    let name = method.as_str().to_owned();
    let mut request = Request::new(method, "sip:bob@192.0.2.9".parse().unwrap());
    request.headers.push(HeaderName::Route, "<sip:edge.example.com;lr>");
    request.headers.push(HeaderName::Route, "<sip:core.example.com;lr>");
    request.headers.push(HeaderName::From, "<sip:alice@192.0.2.1>;tag=from-here");
    request.headers.push(HeaderName::To, "<sip:bob@192.0.2.9>");
    request.headers.push(HeaderName::CallId, "call-1@192.0.2.1");
    request.headers.push(HeaderName::CSeq, format!("41 {name}"));
    request.headers.push(HeaderName::Contact, "<sip:alice@192.0.2.1>");
    request
}

/// Writes a peer's request; `via` is everything after the transport, `to_tag` goes behind the To header.
pub(crate) fn peer_request(method: &str, via: &str, to_tag: &str) -> String {
    format!(
        "{method} sip:alice@192.0.2.1 SIP/2.0
         Via: SIP/2.0/UDP {via}
         Max-Forwards: 70
         From: <sip:bob@192.0.2.9>;tag=from-peer
         To: <sip:alice@192.0.2.1>{to_tag}
         Call-ID: call-9@192.0.2.9
         CSeq: 7 {method}
         Contact: <sip:bob@192.0.2.9>
         Content-Length: 0"
    )
}

pub(crate) const PEER_VIA: &str = "192.0.2.9:5060;rport;branch=z9hG4bKpeer1";

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}
