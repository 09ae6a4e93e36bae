//! A customer who calls: SIP as text over UDP, with any bytes in its headers, and sound that loses no packet.
//!
//! It follows RFC 3261 as a plain phone does (sections 8.1, 9.1, 12.2, 13.2, 15, 17.1): retransmissions until there
//! is an answer, route set from Record-Route, ACK for every 2xx, 200 for BYE, OPTIONS, INFO, UPDATE and re-INVITE.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::net::{address_towards, kind_of, udp_socket};
use super::program::eventually;
use super::rtp::RtpEnd;
use super::sip_text::{Message, socket_address, uri};

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);

static SERIAL: AtomicU32 = AtomicU32::new(1);

/// Somebody who may call: who it says it is, and the tone it speaks.
#[derive(Clone, Debug)]
pub(crate) struct Customer {
    pbx: SocketAddr,
    ip: IpAddr,
    name: Vec<u8>,
    number: Vec<u8>,
    headers: Vec<u8>,
    tone_hz: u32,
    codec: &'static str,
    referred: &'static str,
}

impl Customer {
    /// A customer with this number who will call through `pbx`; it speaks a tone of 1100 Hz.
    pub(crate) fn new(pbx: SocketAddr, number: impl AsRef<[u8]>) -> Self {
        let number = number.as_ref().to_vec();
        Self {
            pbx,
            ip: address_towards(pbx),
            name: Vec::new(),
            number,
            headers: Vec::new(),
            tone_hz: 1100,
            codec: "8 PCMA/8000",
            referred: "405 Method Not Allowed",
        }
    }

    /// Sets the display name: any bytes, put in quotes, `"` and `\` escaped.
    pub(crate) fn named(mut self, name: impl AsRef<[u8]>) -> Self {
        self.name = name.as_ref().iter().flat_map(|&byte| escaped(byte)).collect();
        self
    }

    /// Adds a header line, such as `P-Asserted-Identity: <tel:+7...>`, any bytes.
    pub(crate) fn with_header(mut self, line: impl AsRef<[u8]>) -> Self {
        self.headers.extend_from_slice(line.as_ref());
        self.headers.extend_from_slice(b"\r\n");
        self
    }

    /// Sets the tone it speaks.
    pub(crate) fn speaking(mut self, tone_hz: u32) -> Self {
        self.tone_hz = tone_hz;
        self
    }

    /// Offers this codec (payload type and name) and no other.
    pub(crate) fn offering(mut self, codec: &'static str) -> Self {
        self.codec = codec;
        self
    }

    /// Says that it will do what it is asked for by REFER; the test says what becomes of it.
    pub(crate) fn obliging(mut self) -> Self {
        self.referred = "202 Accepted";
        self
    }

    /// Dials a number: the INVITE is on the wire when this returns.
    pub(crate) fn call(&self, number: &str) -> CustomerCall {
        CustomerCall::begin(self, number)
    }
}

fn escaped(byte: u8) -> Vec<u8> {
    if matches!(byte, b'"' | b'\\') { vec![b'\\', byte] } else { vec![byte] }
}

/// A request that is repeated until it is answered.
struct Pending {
    method: &'static str,
    bytes: Vec<u8>,
    to: SocketAddr,
    at: Instant,
    wait: Duration,
}

/// What is known of the call; `Call` is shared between the test and the thread that listens.
struct State {
    request_uri: String,
    from: Vec<u8>,
    to: String,
    call_id: String,
    via: String,
    target: String,
    routes: Vec<String>,
    sequence: u32,
    pending: Vec<Pending>,
    answers: Vec<(Instant, Message)>,
    requests: Vec<(Instant, Message)>,
}

impl State {
    /// Goes on in the dialog that an answer has made (RFC 3261 section 12.1.2).
    fn enter(&mut self, message: &Message) {
        self.to = message.header("To").to_owned();
        self.target = uri(message.header("Contact")).to_owned();
        self.routes = message.record_routes();
        self.routes.reverse();
    }
}

struct Shared {
    socket: UdpSocket,
    pbx: SocketAddr,
    rtp: RtpEnd,
    tone_hz: u32,
    codec: &'static str,
    referred: &'static str,
    state: Mutex<State>,
    over: AtomicBool,
}

/// A call under way.
pub(crate) struct CustomerCall {
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

impl CustomerCall {
    fn begin(customer: &Customer, number: &str) -> Self {
        let socket = udp_socket(customer.ip);
        socket.set_read_timeout(Some(Duration::from_millis(10))).expect("a timeout can be set");
        let local = socket.local_addr().expect("bound");
        let serial = format!("{}-{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
        let request_uri = format!("sip:{number}@{}", customer.pbx);
        let rest = format!("@{local}>;tag=f{serial}");
        let from = [b"\"", &customer.name[..], b"\" <sip:", &customer.number, rest.as_bytes()];
        let state = State {
            to: format!("<{request_uri}>"),
            target: request_uri.clone(),
            request_uri,
            from: from.concat(),
            call_id: format!("{serial}@{}", customer.ip),
            via: via(local),
            routes: Vec::new(),
            sequence: 1,
            pending: Vec::new(),
            answers: Vec::new(),
            requests: Vec::new(),
        };
        let (rtp, state) = (RtpEnd::open(customer.ip), Mutex::new(state));
        let over = AtomicBool::new(false);
        let shared = Shared {
            socket,
            pbx: customer.pbx,
            rtp,
            tone_hz: customer.tone_hz,
            codec: customer.codec,
            referred: customer.referred,
            state,
            over,
        };
        let shared = Arc::new(shared);
        shared.invite(&customer.headers);
        let listening = Arc::clone(&shared);
        Self { shared, listener: Some(std::thread::spawn(move || listening.run())) }
    }

    /// The call's sound.
    pub(crate) fn rtp(&self) -> &RtpEnd {
        &self.shared.rtp
    }

    /// The Call-ID that it sent.
    pub(crate) fn call_id(&self) -> String {
        self.shared.state().call_id.clone()
    }

    /// Each answer to the INVITE with its moment, repeated ones included.
    pub(crate) fn answers(&self) -> Vec<(Instant, Message)> {
        let state = self.shared.state();
        state.answers.iter().filter(|(_, message)| message.method() == "INVITE").cloned().collect()
    }

    /// Each request of the other side with its moment, repeated ones included.
    pub(crate) fn requests(&self) -> Vec<(Instant, Message)> {
        self.shared.state().requests.clone()
    }

    /// Waits until the other side rings (180 or 183) and returns when.
    pub(crate) fn wait_ringing(&self, at_most: Duration) -> Instant {
        self.wait_answer_in("the customer hears ringing", 180..=189, at_most).0
    }

    /// Waits until the call is answered; the tone is being sent then. Returns when the 200 came.
    pub(crate) fn wait_talking(&self, at_most: Duration) -> Instant {
        self.wait_answer_in("the call is answered", 200..=299, at_most).0
    }

    /// Waits for the final answer to the INVITE and returns its status.
    pub(crate) fn wait_final(&self, at_most: Duration) -> u16 {
        let (_, message) = self.wait_answer_in("the INVITE has a final answer", 200..=699, at_most);
        message.status().expect("an answer")
    }

    fn wait_answer_in(
        &self,
        what: &str,
        range: std::ops::RangeInclusive<u16>,
        at_most: Duration,
    ) -> (Instant, Message) {
        eventually(what, at_most, || {
            self.answers()
                .into_iter()
                .find(|(_, message)| message.status().is_some_and(|status| range.contains(&status)))
        })
    }

    /// Waits until the other side has hung up and returns when its BYE came.
    pub(crate) fn wait_hung_up(&self, at_most: Duration) -> Instant {
        eventually("the other side hangs up", at_most, || {
            self.requests().into_iter().find(|(_, message)| message.method() == "BYE").map(|(at, _)| at)
        })
    }

    /// Falls silent, sends BYE and waits for its answer; returns its status.
    pub(crate) fn hang_up(&self) -> u16 {
        self.shared.rtp.fall_silent();
        self.shared.bye();
        self.wait_reply("BYE", Duration::from_secs(10))
    }

    /// Says by UPDATE, with this header, who is at this end now (RFC 5876 section 3.1); returns the answer's status.
    pub(crate) fn names(&self, header: &str) -> u16 {
        self.shared.update(header);
        self.wait_reply("UPDATE", Duration::from_secs(10))
    }

    /// Tells by NOTIFY what became of the REFER that came, and that this is all (RFC 3515 section 2.4.5).
    pub(crate) fn tells(&self, status_line: &str) -> u16 {
        self.shared.notify(status_line);
        self.wait_reply("NOTIFY", Duration::from_secs(10))
    }

    /// Sends CANCEL while it rings (RFC 3261 section 9.1) and returns the final answer to the INVITE.
    pub(crate) fn give_up(&self) -> u16 {
        self.shared.cancel();
        self.wait_reply("CANCEL", Duration::from_secs(10));
        self.wait_final(Duration::from_secs(10))
    }

    /// Is gone as in a power cut: no sound, no BYE, no answer to anything any more.
    pub(crate) fn vanish(&self) {
        self.shared.over.store(true, Ordering::Relaxed);
        self.shared.rtp.fall_silent();
    }

    fn wait_reply(&self, method: &str, at_most: Duration) -> u16 {
        eventually(&format!("{method} is answered"), at_most, || {
            let state = self.shared.state();
            let mut replies = state.answers.iter().filter(|(_, message)| message.method() == method);
            replies.find_map(|(_, message)| message.status().filter(|&status| status >= 200))
        })
    }
}

impl Drop for CustomerCall {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if std::thread::panicking() {
            let state = self.shared.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let seen = state.answers.iter().chain(&state.requests).map(|(_, message)| message.start.as_str());
            eprintln!("---- customer of {} saw: {:?}", state.call_id, seen.collect::<Vec<_>>());
        }
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

fn via(local: SocketAddr) -> String {
    let branch = SERIAL.fetch_add(1, Ordering::Relaxed);
    format!("SIP/2.0/UDP {local};branch=z9hG4bK{}-{branch};rport", std::process::id())
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic in the listener")
    }

    fn local(&self) -> SocketAddr {
        self.socket.local_addr().expect("bound")
    }

    fn run(&self) {
        let mut buffer = vec![0; 65_536];
        while !self.over.load(Ordering::Relaxed) {
            self.repeat_pending();
            let Ok((length, from)) = self.socket.recv_from(&mut buffer) else {
                continue;
            };
            let Some(message) = Message::parse(&buffer[..length]) else {
                continue;
            };
            match message.status() {
                Some(status) => self.take_answer(status, message),
                None => self.take_request(message, from),
            }
        }
    }

    fn repeat_pending(&self) {
        let now = Instant::now();
        for pending in self.state().pending.iter_mut().filter(|pending| pending.at <= now) {
            let _ = self.socket.send_to(&pending.bytes, pending.to);
            pending.wait =
                if pending.method == "INVITE" { pending.wait * 2 } else { (pending.wait * 2).min(T2) };
            pending.at = now + pending.wait;
        }
    }

    fn send_until_answered(&self, method: &'static str, bytes: Vec<u8>, to: SocketAddr) {
        self.socket.send_to(&bytes, to).expect("the request leaves");
        let pending = Pending { method, bytes, to, at: Instant::now() + T1, wait: T1 };
        self.state().pending.push(pending);
    }

    fn invite(&self, headers: &[u8]) {
        let sdp = self.sdp();
        let bytes = {
            let state = self.state();
            let mut bytes = request(&state, "INVITE", &state.request_uri, &state.via, &state.to, 1);
            bytes.extend_from_slice(headers);
            bytes.extend_from_slice(&self.body_headers(&sdp));
            bytes
        };
        self.send_until_answered("INVITE", bytes, self.pbx);
    }

    fn cancel(&self) {
        let bytes = {
            let state = self.state();
            let to = format!("<{}>", state.request_uri);
            finish(request(&state, "CANCEL", &state.request_uri, &state.via, &to, 1))
        };
        self.send_until_answered("CANCEL", bytes, self.pbx);
    }

    fn bye(&self) {
        let (bytes, hop) = {
            let mut state = self.state();
            state.sequence += 1;
            self.in_dialog(&state, "BYE", state.sequence)
        };
        self.send_until_answered("BYE", bytes, hop);
    }

    fn update(&self, header: &str) {
        let (bytes, hop) = {
            let mut state = self.state();
            state.sequence += 1;
            let rings =
                |message: &Message| message.status().is_some_and(|status| (180..300).contains(&status));
            let last = state
                .answers
                .iter()
                .rev()
                .find(|(_, message)| message.method() == "INVITE" && rings(message));
            let dialog = last.map(|(_, message)| message.clone()).expect("a dialog");
            state.enter(&dialog);
            state.answers.retain(|(_, message)| message.method() != "UPDATE");
            self.in_dialog(&state, "UPDATE", state.sequence)
        };
        let start = bytes.len() - finish(Vec::new()).len();
        let told = format!("Contact: <sip:customer@{}>\r\n{header}\r\n", self.local());
        let told = [&bytes[..start], told.as_bytes(), &bytes[start..]];
        self.send_until_answered("UPDATE", told.concat(), hop);
    }

    fn notify(&self, status_line: &str) {
        let (bytes, hop) = {
            let mut state = self.state();
            state.sequence += 1;
            state.answers.retain(|(_, message)| message.method() != "NOTIFY");
            self.in_dialog(&state, "NOTIFY", state.sequence)
        };
        let start = bytes.len() - finish(Vec::new()).len();
        let told = format!(
            "Contact: <sip:customer@{}>\r\nEvent: refer\r\nSubscription-State: terminated;reason=noresource\r\n\
             Content-Type: message/sipfrag\r\nContent-Length: {}\r\n\r\n{status_line}\r\n",
            self.local(),
            status_line.len() + 2
        );
        self.send_until_answered("NOTIFY", [&bytes[..start], told.as_bytes()].concat(), hop);
    }

    fn in_dialog(&self, state: &State, method: &str, sequence: u32) -> (Vec<u8>, SocketAddr) {
        let mut bytes = request(state, method, &state.target, &via(self.local()), &state.to, sequence);
        for route in &state.routes {
            bytes.extend_from_slice(format!("Route: {route}\r\n").as_bytes());
        }
        let hop = state.routes.first().map_or(state.target.as_str(), |route| uri(route));
        (finish(bytes), socket_address(hop).unwrap_or(self.pbx))
    }

    fn take_answer(&self, status: u16, message: Message) {
        let mut state = self.state();
        let method = message.method().to_owned();
        if method == "INVITE" || status >= 200 {
            state.pending.retain(|pending| pending.method != method);
        }
        if method == "INVITE" && status >= 300 {
            let to = message.header("To").to_owned();
            let ack = finish(request(&state, "ACK", &state.request_uri, &state.via, &to, 1));
            let _ = self.socket.send_to(&ack, self.pbx);
        }
        let first =
            !state.answers.iter().any(|(_, seen)| seen.method() == method && seen.status() == Some(status));
        if method == "INVITE" && (200..300).contains(&status) {
            self.confirm(&mut state, &message, first);
        }
        state.answers.push((Instant::now(), message));
    }

    /// Takes the dialog over from a 2xx and acknowledges it (RFC 3261 sections 12.1.2 and 13.2.2.4).
    fn confirm(&self, state: &mut State, message: &Message, first: bool) {
        state.enter(message);
        let (ack, hop) = self.in_dialog(state, "ACK", 1);
        let _ = self.socket.send_to(&ack, hop);
        if let (true, Some(sound)) = (first, message.sound_address()) {
            self.rtp.talk(sound, self.tone_hz);
        }
    }

    fn take_request(&self, message: Message, from: SocketAddr) {
        let method = message.method().to_owned();
        if method != "ACK" {
            let status = if method == "REFER" { self.referred } else { "200 OK" };
            let mut reply = format!("SIP/2.0 {status}\r\n").into_bytes();
            for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
                for value in message.all(name) {
                    reply.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
                }
            }
            reply.extend_from_slice(
                &self.body_headers(if method == "INVITE" { self.sdp() } else { String::new() }.as_str()),
            );
            let _ = self.socket.send_to(&reply, from);
        }
        self.state().requests.push((Instant::now(), message));
        if method == "BYE" {
            self.rtp.fall_silent();
        }
    }

    fn body_headers(&self, sdp: &str) -> Vec<u8> {
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let contact = format!("Contact: <sip:customer@{}>\r\n", self.local());
        format!("{contact}{kind}Content-Length: {}\r\n\r\n{sdp}", sdp.len()).into_bytes()
    }

    fn sdp(&self) -> String {
        let sound = self.rtp.address();
        format!(
            "v=0\r\no=customer 1 1 IN {kind} {ip}\r\ns=-\r\nc=IN {kind} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {payload_type} 101\r\n\
             a=rtpmap:{codec}\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n",
            kind = kind_of(sound.ip()),
            ip = sound.ip(),
            port = sound.port(),
            codec = self.codec,
            payload_type = self.codec.split(' ').next().unwrap_or_default(),
        )
    }
}

fn request(state: &State, method: &str, target: &str, via: &str, to: &str, sequence: u32) -> Vec<u8> {
    let mut bytes =
        format!("{method} {target} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: ").into_bytes();
    bytes.extend_from_slice(&state.from);
    let rest = format!("\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {sequence} {method}\r\n", state.call_id);
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn finish(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    bytes
}
