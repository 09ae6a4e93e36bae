//! The PBX of the load: a registrar that grants everything, customers who call, phones that ring and answer.
//!
//! Sans-IO: messages in, messages out, and the moments that are measured. On purpose not the simulated fleet of
//! `linecard-lab`: it has no quirks, no repetitions and no plan of a world, so that what is measured is the server.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use linecard_sip::message::{
    HeaderName, Message, Method, NameAddr, Request, Response, StatusCode, parse_datagram,
};
use linecard_sip::sdp::{SessionDescription, audio_of};
use linecard_sip::uri::Uri;

/// How a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// The phone answers at once and both talk until they are told to stop.
    Talks,
    /// The phone answers at once; the customer hangs up after a while.
    HangsUp {
        /// After the answer.
        after: Duration,
    },
    /// The phone rings; the customer gives up.
    GivesUp {
        /// After the INVITE.
        after: Duration,
    },
}

/// Which end of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Who calls.
    Customer,
    /// Whose phone rings.
    Agent,
}

/// What was seen of a call.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Whom it is for.
    pub agent: usize,
    /// When its INVITE left.
    pub invited: Instant,
    /// When the server called the phone.
    pub phone_called: Option<Instant>,
    /// When the customer had the final answer, and its status.
    pub answered: Option<(Instant, u16)>,
    /// When the customer's end was over.
    pub over: Option<Instant>,
}

/// Somebody knows where to send sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speak {
    /// Which call.
    pub call: usize,
    /// Which end speaks.
    pub end: End,
    /// Where the server wants it.
    pub to: SocketAddr,
}

struct Call {
    course: Course,
    number: String,
    customer: Dialog,
    phone: Option<Phone>,
    hung_up: bool,
    seen: Seen,
}

/// The customer's dialog with the server.
struct Dialog {
    target: Uri,
    to: Option<NameAddr>,
    sequence: u32,
}

/// The phone's end: the INVITE that rang it.
struct Phone {
    invite: Request,
    answered: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    HangUp(usize),
    GiveUp(usize),
}

/// The PBX with all its calls.
pub struct Pbx {
    address: SocketAddr,
    bindings: HashMap<String, Uri>,
    calls: Vec<Call>,
    by_call_id: HashMap<String, (usize, End)>,
    /// The call that each agent has or had last.
    last_of_agent: HashMap<usize, usize>,
    due: BinaryHeap<Reverse<(Instant, Task)>>,
    outgoing: Vec<Vec<u8>>,
    speaking: Vec<Speak>,
    /// Ends that are over and say nothing more.
    silent: Vec<(usize, End)>,
    /// What nobody expected.
    pub surprises: Vec<String>,
}

/// The account of an agent's line.
#[must_use]
pub fn account_of(agent: usize) -> String {
    format!("a{agent}")
}

/// The extension of an agent's phone.
#[must_use]
pub fn extension_of(agent: usize) -> String {
    format!("p{agent}")
}

impl Pbx {
    /// A PBX at an address.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            bindings: HashMap::new(),
            calls: Vec::new(),
            by_call_id: HashMap::new(),
            last_of_agent: HashMap::new(),
            due: BinaryHeap::new(),
            outgoing: Vec::new(),
            speaking: Vec::new(),
            silent: Vec::new(),
            surprises: Vec::new(),
        }
    }

    /// How many lines have registered.
    #[must_use]
    pub fn registered(&self) -> usize {
        self.bindings.len()
    }

    /// What was seen of a call.
    #[must_use]
    pub fn seen(&self, call: usize) -> Option<&Seen> {
        self.calls.get(call).map(|call| &call.seen)
    }

    /// How many calls there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.calls.len()
    }

    /// Datagrams for the server, and ends that may speak now.
    pub fn drain(&mut self) -> (Vec<Vec<u8>>, Vec<Speak>) {
        (std::mem::take(&mut self.outgoing), std::mem::take(&mut self.speaking))
    }

    /// Ends of calls that are over since this was last asked.
    pub fn take_silent(&mut self) -> Vec<(usize, End)> {
        std::mem::take(&mut self.silent)
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Instant) {
        while let Some(Reverse((_, task))) = self.due.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.due.pop();
            match task {
                Task::HangUp(call) => self.hang_up(call),
                Task::GiveUp(call) => self.give_up(call),
            }
        }
    }

    /// A customer calls an agent's line; `sound` is where the customer listens.
    ///
    /// Returns the call's number, or `None` when the line has not registered.
    pub fn call(
        &mut self,
        agent: usize,
        number: &str,
        course: Course,
        sound: SocketAddr,
        now: Instant,
    ) -> Option<usize> {
        let target = self.bindings.get(&account_of(agent))?.clone();
        let call = self.calls.len();
        let mut invite = Request::new(Method::Invite, target.clone());
        self.head(&mut invite, call, number, 1, &Method::Invite);
        invite.headers.push(HeaderName::To, format!("<sip:{}@{}>", account_of(agent), self.address));
        invite.headers.push(HeaderName::ContentType, "application/sdp");
        invite.body = described(sound);
        self.outgoing.push(invite.to_bytes());
        self.by_call_id.insert(self.call_id(call), (call, End::Customer));
        self.last_of_agent.insert(agent, call);
        if let Course::GivesUp { after } = course {
            self.due.push(Reverse((now + after, Task::GiveUp(call))));
        }
        let customer = Dialog { target, to: None, sequence: 1 };
        let seen = Seen { agent, invited: now, phone_called: None, answered: None, over: None };
        self.calls.push(Call {
            course,
            number: number.to_owned(),
            customer,
            phone: None,
            hung_up: false,
            seen,
        });
        Some(call)
    }

    fn call_id(&self, call: usize) -> String {
        format!("{call}.{}@{}", self.address.port(), self.address.ip())
    }

    /// The headers of a customer's request.
    fn head(&self, request: &mut Request, call: usize, number: &str, sequence: u32, branch: &Method) {
        let (address, method) = (self.address, request.method.clone());
        let headers = &mut request.headers;
        headers.push(
            HeaderName::Via,
            format!("SIP/2.0/UDP {address};branch=z9hG4bK{call}.{sequence}.{branch};rport"),
        );
        headers.push(HeaderName::MaxForwards, "70");
        headers.push(HeaderName::From, format!("<sip:{number}@{address}>;tag=c{call}"));
        headers.push(HeaderName::CallId, self.call_id(call));
        headers.push(HeaderName::CSeq, format!("{sequence} {method}"));
        headers.push(HeaderName::Contact, format!("<sip:bench@{address}>"));
    }

    /// Takes a datagram of the server's.
    pub fn receive(&mut self, datagram: &[u8], phone_sound: impl Fn(usize) -> SocketAddr, now: Instant) {
        match parse_datagram(datagram) {
            Ok(Message::Request(request)) => self.requested(request, phone_sound, now),
            Ok(Message::Response(response)) => self.responded(&response, now),
            Err(_) => self.surprises.push("a message that cannot be read".to_owned()),
        }
    }

    fn reply(&mut self, request: &Request, code: u16, fill: impl FnOnce(&mut Response)) {
        let Some(status) = StatusCode::new(code) else { return };
        let mut response = Response::reply_to(request, status);
        fill(&mut response);
        self.outgoing.push(response.to_bytes());
    }

    fn requested(&mut self, request: Request, phone_sound: impl Fn(usize) -> SocketAddr, now: Instant) {
        let tagged = request.headers.to().is_ok_and(|to| to.tag().is_some());
        match (&request.method, tagged) {
            (Method::Register, _) => self.register(&request),
            (Method::Invite, false) => self.ring(request, phone_sound, now),
            (Method::Ack, _) => {}
            (Method::Cancel, _) => self.canceled(&request),
            (Method::Bye, _) => {
                self.reply(&request, 200, |_| {});
                let id = request.headers.call_id().unwrap_or_default();
                let Some((number, end)) = self.by_call_id.get(id).copied() else { return };
                self.silent.push((number, end));
                if let (End::Customer, Some(call)) = (end, self.calls.get_mut(number)) {
                    call.hung_up = true;
                    call.seen.over.get_or_insert(now);
                }
            }
            _ => self.reply(&request, 200, |_| {}),
        }
    }

    fn register(&mut self, request: &Request) {
        let account = request.headers.to().ok().and_then(|to| to.uri.as_sip()?.user.clone());
        let contact = request.headers.contacts().ok().and_then(|all| all.into_iter().next());
        if let (Some(account), Some(contact)) = (&account, contact) {
            self.bindings.insert(account.clone(), contact.uri);
        }
        // Listed also to whoever only asks (RFC 3261 section 10.3): a line that is not there registers again.
        let bound = account.and_then(|account| self.bindings.get(&account));
        let granted = bound.map(|contact| format!("<{contact}>;expires=3600"));
        self.reply(request, 200, |response| {
            if let Some(granted) = granted {
                response.headers.push(HeaderName::Contact, granted);
            }
        });
    }

    /// The server calls an agent's phone.
    fn ring(&mut self, invite: Request, phone_sound: impl Fn(usize) -> SocketAddr, now: Instant) {
        let user = invite.uri.as_sip().and_then(|uri| uri.user.clone()).unwrap_or_default();
        let agent = user.strip_prefix('p').and_then(|agent| agent.parse().ok());
        let call = agent.and_then(|agent: usize| self.last_of_agent.get(&agent).copied());
        let Some((number, call)) = call.and_then(|number| Some((number, self.calls.get_mut(number)?))) else {
            self.surprises.push(format!("{user} was called and nobody asked for it"));
            return self.reply(&invite, 404, |_| {});
        };
        if call.phone.is_some() {
            // Repeated, or a second fork: the first answer stands.
            return;
        }
        call.seen.phone_called = Some(now);
        let answers = !matches!(call.course, Course::GivesUp { .. });
        call.phone = Some(Phone { invite: invite.clone(), answered: answers });
        self.by_call_id.insert(invite.headers.call_id().unwrap_or_default().to_owned(), (number, End::Agent));
        let contact = format!("<sip:{user}@{}>", self.address);
        let ringing = |response: &mut Response| {
            response.headers.set_to_tag(&format!("p{number}"));
            response.headers.push(HeaderName::Contact, contact.clone());
        };
        self.reply(&invite, 180, ringing);
        if answers {
            self.reply(&invite, 200, |response| {
                ringing(response);
                response.headers.push(HeaderName::ContentType, "application/sdp");
                response.body = described(phone_sound(number));
            });
            self.hear(&invite.body, number, End::Agent);
        }
    }

    fn canceled(&mut self, cancel: &Request) {
        self.reply(cancel, 200, |_| {});
        let id = cancel.headers.call_id().unwrap_or_default();
        let Some((number, End::Agent)) = self.by_call_id.get(id).copied() else { return };
        let phone = self.calls.get(number).and_then(|call| call.phone.as_ref());
        if let Some(invite) = phone.filter(|phone| !phone.answered).map(|phone| phone.invite.clone()) {
            self.reply(&invite, 487, |response| response.headers.set_to_tag(&format!("p{number}")));
        }
    }

    fn responded(&mut self, response: &Response, now: Instant) {
        let Ok(sequence) = response.headers.cseq() else { return };
        let id = response.headers.call_id().unwrap_or_default();
        let Some((number, End::Customer)) = self.by_call_id.get(id).copied() else { return };
        let code = response.status.get();
        if sequence.method != Method::Invite || code < 200 {
            if sequence.method == Method::Bye
                && let Some(call) = self.calls.get_mut(number)
            {
                call.seen.over.get_or_insert(now);
            }
            return;
        }
        let Some(call) = self.calls.get_mut(number) else { return };
        let first = call.seen.answered.is_none();
        call.seen.answered.get_or_insert((now, code));
        call.customer.to = response.headers.to().ok();
        if let Some(contact) = response.headers.contacts().ok().and_then(|all| all.into_iter().next()) {
            call.customer.target = contact.uri;
        }
        if code >= 300 {
            call.seen.over.get_or_insert(now);
        }
        let course = call.course;
        self.acknowledge(number, code);
        if !first || code >= 300 {
            return;
        }
        self.hear(&response.body, number, End::Customer);
        match course {
            Course::HangsUp { after } => self.due.push(Reverse((now + after, Task::HangUp(number)))),
            // It was answered while the customer gave up.
            Course::GivesUp { .. } => self.hang_up(number),
            Course::Talks => {}
        }
    }

    /// A request of the customer's inside the dialog, or about its INVITE.
    fn within(&mut self, number: usize, method: Method, sequence: u32, branch: &Method) {
        let Some(call) = self.calls.get(number) else { return };
        let to = match &call.customer.to {
            Some(to) => to.to_bytes(),
            None => format!("<sip:{}@{}>", account_of(call.seen.agent), self.address).into_bytes(),
        };
        let mut request = Request::new(method, call.customer.target.clone());
        self.head(&mut request, number, &call.number, sequence, branch);
        request.headers.push(HeaderName::To, to);
        self.outgoing.push(request.to_bytes());
    }

    fn acknowledge(&mut self, number: usize, code: u16) {
        // The ACK of a refusal is part of the INVITE's transaction (RFC 3261 section 17.1.1.3).
        let branch = if code < 300 { Method::Ack } else { Method::Invite };
        self.within(number, Method::Ack, 1, &branch);
    }

    /// The customer hangs up.
    pub fn hang_up(&mut self, number: usize) {
        let Some(call) = self.calls.get_mut(number) else { return };
        let talks = call.seen.answered.is_some_and(|(_, code)| code < 300);
        if !talks || call.hung_up {
            return;
        }
        call.hung_up = true;
        self.silent.push((number, End::Customer));
        call.customer.sequence += 1;
        let sequence = call.customer.sequence;
        self.within(number, Method::Bye, sequence, &Method::Bye);
    }

    fn give_up(&mut self, number: usize) {
        if self.calls.get(number).is_some_and(|call| call.seen.answered.is_none()) {
            self.within(number, Method::Cancel, 1, &Method::Invite);
        }
    }

    fn hear(&mut self, body: &[u8], call: usize, end: End) {
        let described = SessionDescription::parse(body).ok();
        match described.as_ref().and_then(audio_of).and_then(|audio| audio.remote()) {
            Some(to) => self.speaking.push(Speak { call, end, to }),
            None => self.surprises.push(format!("call {call} has no address for sound")),
        }
    }
}

/// A description that offers or answers A-law.
pub(crate) fn described(sound: SocketAddr) -> Vec<u8> {
    let (ip, port) = (sound.ip(), sound.port());
    format!(
        "v=0\r\no=- {port} 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n\
         a=rtpmap:8 PCMA/8000\r\na=ptime:20\r\na=sendrecv\r\n"
    )
    .into_bytes()
}
