//! A PBX of one socket: it registers whoever asks, without a password, and its phones ring until they are cancelled
//! or, when told so, answer. For tests of what is not the PBX's business; sound needs a real one.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::net::{own_address, udp_socket};
use super::program::eventually;
use super::sip_text::{Message, uri};

/// How long a registration may take.
const SOON: Duration = Duration::from_secs(10);

/// A running PBX.
pub(crate) struct SmallPbx {
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

struct Shared {
    socket: UdpSocket,
    /// The contact of each account that is registered.
    bindings: Mutex<HashMap<String, String>>,
    answers: AtomicBool,
    /// The status of every answer to a registration; 0 for none in particular.
    refuses: AtomicU16,
    /// What is told of calls; none when nobody may ask.
    dialogs: Mutex<Option<String>>,
    /// The expiry that the last SUBSCRIBE asked for.
    asked_for: Mutex<Option<String>>,
    over: AtomicBool,
}

impl SmallPbx {
    /// Starts a PBX whose phones ring until they are cancelled.
    pub(crate) fn start() -> Self {
        let socket = udp_socket(own_address());
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout can be set");
        let shared = Shared {
            socket,
            bindings: Mutex::default(),
            answers: AtomicBool::new(false),
            refuses: AtomicU16::new(0),
            dialogs: Mutex::default(),
            asked_for: Mutex::default(),
            over: AtomicBool::new(false),
        };
        let shared = Arc::new(shared);
        let listening = Arc::clone(&shared);
        Self { shared, listener: Some(std::thread::spawn(move || listening.run())) }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.shared.socket.local_addr().expect("bound")
    }

    /// Lets every phone that is rung from now on answer at once.
    pub(crate) fn answers(&self) {
        self.shared.answers.store(true, Ordering::Relaxed);
    }

    /// Refuses every registration from now on.
    pub(crate) fn refuses(&self, status: u16) {
        self.shared.refuses.store(status, Ordering::Relaxed);
    }

    /// Tells those who subscribe to dialogs this, from now on.
    pub(crate) fn tells(&self, dialogs: &str) {
        *self.shared.dialogs.lock().expect("no panic") = Some(dialogs.to_owned());
    }

    /// The expiry that the last SUBSCRIBE asked for.
    pub(crate) fn asked_for(&self) -> Option<String> {
        self.shared.asked_for.lock().expect("no panic").clone()
    }

    /// The contact of an account, if it is registered.
    pub(crate) fn contact(&self, account: &str) -> Option<String> {
        self.shared.bindings.lock().expect("no panic").get(account).cloned()
    }

    /// Waits until an account is registered; returns the user part under which it wants to be called.
    pub(crate) fn wait_registered(&self, account: &str) -> String {
        eventually(&format!("{account} is registered"), SOON, || {
            let contact = self.shared.bindings.lock().expect("no panic").get(account).cloned()?;
            Some(contact.trim_start_matches("sip:").split('@').next()?.to_owned())
        })
    }
}

impl Drop for SmallPbx {
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
        let mut ringing: HashMap<String, Message> = HashMap::new();
        while !self.over.load(Ordering::Relaxed) {
            let Ok((length, from)) = self.socket.recv_from(&mut buffer) else { continue };
            let Some(message) = Message::parse(&buffer[..length]) else { continue };
            if message.status().is_some() {
                continue;
            }
            match message.method() {
                "REGISTER" => self.register(&message, from),
                "INVITE" => {
                    self.reply(&message, 180, "", "", from);
                    if self.answers.load(Ordering::Relaxed) {
                        self.reply(&message, 200, "Content-Type: application/sdp\r\n", &self.sdp(), from);
                    } else {
                        ringing.insert(message.header("Call-ID").to_owned(), message);
                    }
                }
                "CANCEL" => {
                    self.reply(&message, 200, "", "", from);
                    if let Some(invite) = ringing.remove(message.header("Call-ID")) {
                        self.reply(&invite, 487, "", "", from);
                    }
                }
                "SUBSCRIBE" => self.subscribe(&message, from),
                "ACK" => {}
                _ => self.reply(&message, 200, "", "", from),
            }
        }
    }

    fn register(&self, request: &Message, from: SocketAddr) {
        let account = uri(request.header("To")).trim_start_matches("sip:").split('@').next();
        let account = account.unwrap_or_default().to_owned();
        let refused = self.refuses.load(Ordering::Relaxed);
        if refused != 0 {
            return self.reply(request, refused, "Server: small-pbx\r\n", "", from);
        }
        let contact = request.header("Contact").to_owned();
        let leaves = request.header("Expires") == "0" || contact.contains("expires=0");
        let mut bindings = self.bindings.lock().expect("no panic");
        if leaves {
            bindings.remove(&account);
        } else if !contact.is_empty() {
            bindings.insert(account.clone(), uri(&contact).to_owned());
        }
        let bound = bindings.get(&account).map(|uri| format!("Contact: <{uri}>;expires=120\r\n"));
        self.reply(request, 200, &bound.unwrap_or_default(), "", from);
    }

    /// Grants a subscription and tells what [`SmallPbx::tells`] said; refuses it when that said nothing.
    fn subscribe(&self, request: &Message, from: SocketAddr) {
        let Some(dialogs) = self.dialogs.lock().expect("no panic").clone() else {
            return self.reply(request, 489, "Allow-Events: presence\r\n", "", from);
        };
        *self.asked_for.lock().expect("no panic") = Some(request.header("Expires").to_owned());
        let leaves = request.header("Expires") == "0";
        let expires = if leaves { "0" } else { "60" };
        self.reply(request, 200, &format!("Expires: {expires}\r\n"), "", from);
        let own = self.socket.local_addr().expect("bound");
        let tagged = |to: &str| if to.contains("tag=") { to.to_owned() } else { format!("{to};tag=pbx") };
        let (cseq, _) = request.header("CSeq").split_once(' ').expect("a number");
        let state = if leaves { "terminated;reason=timeout" } else { "active;expires=60" };
        let text = format!(
            "NOTIFY {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKn{cseq}{expires}\r\nMax-Forwards: 70\r\n\
             From: {from_us}\r\nTo: {to_them}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} NOTIFY\r\nContact: <sip:phone@{own}>\r\n\
             Event: dialog\r\nSubscription-State: {state}\r\nContent-Type: application/dialog-info+xml\r\n\
             Content-Length: {length}\r\n\r\n{dialogs}",
            contact = uri(request.header("Contact")),
            from_us = tagged(request.header("To")),
            to_them = request.header("From"),
            call_id = request.header("Call-ID"),
            length = dialogs.len(),
        );
        let _ = self.socket.send_to(text.as_bytes(), from);
    }

    fn reply(&self, request: &Message, status: u16, headers: &str, body: &str, to: SocketAddr) {
        let mut text = format!("SIP/2.0 {status} Told\r\n");
        for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
            for value in request.all(name) {
                let tag = if name == "To" && !value.contains("tag=") { ";tag=pbx" } else { "" };
                text += &format!("{name}: {value}{tag}\r\n");
            }
        }
        if request.method() != "REGISTER" {
            text += &format!("Contact: <sip:phone@{}>\r\n", self.socket.local_addr().expect("bound"));
        }
        text += &format!("{headers}Content-Length: {}\r\n\r\n{body}", body.len());
        let _ = self.socket.send_to(text.as_bytes(), to);
    }

    /// A phone that hears nothing and says nothing.
    fn sdp(&self) -> String {
        let ip = self.socket.local_addr().expect("bound").ip();
        format!(
            "v=0\r\no=phone 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\n\
             a=rtpmap:8 PCMA/8000\r\na=sendrecv\r\n"
        )
    }
}
