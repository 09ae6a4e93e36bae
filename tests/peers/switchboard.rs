//! A PBX of one socket that writes each fork of a call anew, as Asterisk and most virtual PBXes do, with habits that a test
//! chooses: which contacts it rings, what it writes into the INVITE, how a call to the own number ends.
//!
//! It challenges nobody. What it received is kept, so that a test can say what was sent and what was not.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::net::{own_address, udp_socket};
use super::sip_text::{Message, uri};

/// What the desk phone of the account does; it is part of this PBX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Desk {
    /// There is none.
    None,
    /// It rings until the call is cancelled.
    Rings,
    /// It picks up by itself at once.
    Answers,
    /// It rings, and picks up as the CANCEL comes.
    AnswersTooLate,
}

/// How it treats its accounts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    pub(crate) desk: Desk,
    /// Whether registered contacts are rung.
    pub(crate) forks: bool,
    /// How long after the call they are.
    pub(crate) forks_after_ms: u64,
    /// The answer to a call to the own number; 0 for none in particular, 1 for silence.
    pub(crate) refuses: u16,
    /// From of a fork; empty as the caller's.
    pub(crate) from: &'static str,
    /// More headers of a fork, each with its line's end.
    pub(crate) fork: &'static str,
    /// The session description of a fork.
    pub(crate) offer: &'static str,
    /// More headers of the CANCEL of a fork.
    pub(crate) cancel: &'static str,
    /// More headers of the answer to OPTIONS; silence when there is no answer.
    pub(crate) options: Option<&'static str>,
    /// More headers of the answer to REGISTER.
    pub(crate) register: &'static str,
}

impl Default for Habits {
    fn default() -> Self {
        let offer = "v=0\r\no=pbx 7 7 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\n\
                     a=rtpmap:8 PCMA/8000\r\n";
        Self {
            desk: Desk::None,
            forks: true,
            forks_after_ms: 0,
            refuses: 0,
            from: "",
            fork: "",
            offer,
            cancel: "",
            options: Some(""),
            register: "",
        }
    }
}

/// A running one.
pub(crate) struct Switchboard {
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

struct Shared {
    socket: UdpSocket,
    habits: Habits,
    contacts: Mutex<Vec<String>>,
    received: Mutex<Vec<Message>>,
    over: AtomicBool,
}

/// The call under way: the caller's INVITE and where it came from.
struct Call {
    invite: Message,
    caller: SocketAddr,
    /// When the contacts are to be rung; none when they are, or will not be.
    forks_at: Option<Instant>,
    forks: Vec<SocketAddr>,
}

impl Switchboard {
    /// Starts one.
    pub(crate) fn start(habits: Habits) -> Self {
        let socket = udp_socket(own_address());
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout can be set");
        let shared = Arc::new(Shared {
            socket,
            habits,
            contacts: Mutex::default(),
            received: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let listening = Arc::clone(&shared);
        Self { shared, listener: Some(std::thread::spawn(move || listening.run())) }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.shared.socket.local_addr().expect("bound")
    }

    /// The requests with this method that it has received.
    pub(crate) fn received(&self, method: &str) -> Vec<Message> {
        let received = self.shared.received.lock().expect("no panic");
        received.iter().filter(|it| it.status().is_none() && it.method() == method).cloned().collect()
    }

    /// Calls a contact as somebody else than its account does.
    pub(crate) fn ring(&self, contact: &str, from: &str) {
        let own = self.address();
        let to =
            super::sip_text::socket_address(contact.split(';').next().expect("a URI")).expect("an address");
        let offer = Habits::default().offer;
        let text = format!(
            "INVITE {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKcustomer\r\nMax-Forwards: 70\r\n\
             From: {from};tag=customer\r\nTo: <{contact}>\r\nCall-ID: customer\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:pbx@{own}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
            offer.len(),
        );
        self.shared.socket.send_to(text.as_bytes(), to).expect("it is sent");
    }

    /// The statuses with which its requests of this method were answered.
    pub(crate) fn answers(&self, method: &str) -> Vec<u16> {
        let received = self.shared.received.lock().expect("no panic");
        received.iter().filter(|it| it.method() == method).filter_map(Message::status).collect()
    }

    /// The contacts that are registered, the desk phone's not among them.
    pub(crate) fn contacts(&self) -> Vec<String> {
        self.shared.contacts.lock().expect("no panic").clone()
    }
}

impl Drop for Switchboard {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut buffer = vec![0; 65_536];
        let mut call: Option<Call> = None;
        while !self.over.load(Ordering::Relaxed) {
            if let Some(call) =
                call.as_mut().filter(|call| call.forks_at.is_some_and(|at| at <= Instant::now()))
            {
                self.ring_contacts(call);
            }
            let Ok((length, from)) = self.socket.recv_from(&mut buffer) else { continue };
            let Some(message) = Message::parse(&buffer[..length]) else { continue };
            self.received.lock().expect("no panic").push(message.clone());
            match (message.status(), message.method()) {
                (Some(180), "INVITE") => {
                    if let Some(call) = &call {
                        self.reply(&call.invite, 180, "", "", call.caller);
                    }
                }
                (Some(_), _) | (None, "ACK") => {}
                (None, "REGISTER") => self.register(&message, from),
                (None, "INVITE") if self.habits.refuses == 1 => {}
                (None, "INVITE") => call = self.called(message, from),
                (None, "CANCEL") => {
                    self.reply(&message, 200, "", "", from);
                    if let Some(call) = call.take() {
                        self.cancelled(&call);
                    }
                }
                (None, "OPTIONS") => {
                    if let Some(headers) = self.habits.options {
                        self.reply(&message, 200, headers, "", from);
                    }
                }
                (None, "SUBSCRIBE") => self.reply(&message, 489, "", "", from),
                (None, _) => self.reply(&message, 200, "", "", from),
            }
        }
    }

    fn register(&self, request: &Message, from: SocketAddr) {
        let contact = request.header("Contact").to_owned();
        let leaves = request.header("Expires") == "0" || contact.contains("expires=0");
        let mut contacts = self.contacts.lock().expect("no panic");
        if !contact.is_empty() {
            let own = uri(&contact).to_owned();
            contacts.retain(|known| *known != own);
            if !leaves {
                contacts.push(own);
            }
        }
        let mut headers = self.habits.register.to_owned();
        if self.habits.desk != Desk::None {
            headers += "Contact: <sip:desk@192.0.2.9:5062>;expires=600\r\n";
        }
        for contact in contacts.iter() {
            headers += &format!("Contact: <{contact}>;expires=60\r\n");
        }
        self.reply(request, 200, &headers, "", from);
    }

    /// A call to the own number.
    fn called(&self, invite: Message, caller: SocketAddr) -> Option<Call> {
        self.reply(&invite, 100, "", "", caller);
        if self.habits.refuses > 1 {
            self.reply(&invite, self.habits.refuses, "", "", caller);
            return None;
        }
        match self.habits.desk {
            Desk::Rings | Desk::AnswersTooLate => self.reply(&invite, 180, "", "", caller),
            Desk::Answers => self.answer(&invite, caller),
            Desk::None => {}
        }
        let forks_after = Duration::from_millis(self.habits.forks_after_ms);
        let forks_at = self.habits.forks.then(|| Instant::now() + forks_after);
        Some(Call { invite, caller, forks_at, forks: Vec::new() })
    }

    fn ring_contacts(&self, call: &mut Call) {
        call.forks_at = None;
        let contacts = self.contacts.lock().expect("no panic").clone();
        call.forks =
            contacts.iter().filter_map(|contact| self.fork("INVITE", &call.invite, contact)).collect();
    }

    fn cancelled(&self, call: &Call) {
        let contacts = self.contacts.lock().expect("no panic").clone();
        if !call.forks.is_empty() {
            for contact in contacts {
                self.fork("CANCEL", &call.invite, &contact);
            }
        }
        match self.habits.desk {
            Desk::AnswersTooLate => self.answer(&call.invite, call.caller),
            _ => self.reply(&call.invite, 487, "", "", call.caller),
        }
    }

    fn answer(&self, invite: &Message, caller: SocketAddr) {
        let sdp = self.habits.offer;
        self.reply(invite, 200, "Content-Type: application/sdp\r\n", sdp, caller);
    }

    /// Sends a contact a request of the call that this PBX writes itself; tells where to.
    fn fork(&self, method: &str, invite: &Message, contact: &str) -> Option<SocketAddr> {
        let own = self.socket.local_addr().expect("bound");
        let to = super::sip_text::socket_address(contact.split(';').next()?)?;
        let from = match self.habits.from {
            "" => uri_with_name(invite.header("From")),
            from => from.to_owned(),
        };
        let (headers, body) = match method {
            "INVITE" => (self.habits.fork, self.habits.offer),
            _ => (self.habits.cancel, ""),
        };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{method} {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKfork{call}\r\nMax-Forwards: 70\r\n\
             From: {from};tag=pbx\r\nTo: <{contact}>\r\nCall-ID: fork-{call}\r\nCSeq: 7 {method}\r\n\
             Contact: <sip:pbx@{own}>\r\n{headers}{kind}Content-Length: {length}\r\n\r\n{body}",
            call = invite.header("Call-ID"),
            length = body.len(),
        );
        let _ = self.socket.send_to(text.as_bytes(), to);
        Some(to)
    }

    fn reply(&self, request: &Message, status: u16, headers: &str, body: &str, to: SocketAddr) {
        let mut text = format!("SIP/2.0 {status} Told\r\n");
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            for value in request.all(name) {
                let is_tagged = value.contains("tag=") || status == 100;
                let tag = if name == "To" && !is_tagged { ";tag=pbx" } else { "" };
                text += &format!("{name}: {value}{tag}\r\n");
            }
        }
        if request.method() != "REGISTER" {
            text += &format!("Contact: <sip:pbx@{}>\r\n", self.socket.local_addr().expect("bound"));
        }
        text += &format!("Server: switchboard\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
        let _ = self.socket.send_to(text.as_bytes(), to);
    }
}

/// A From without its parameters.
fn uri_with_name(from: &str) -> String {
    match from.split_once('>') {
        Some((address, _)) => format!("{address}>"),
        None => format!("<{}>", uri(from)),
    }
}
