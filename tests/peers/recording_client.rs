//! A recording client (RFC 7866): what an SBC is to a recording server. It sends a call's streams and tells who takes part,
//! in SIP as text over UDP, and answers what it is asked.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::net::{own_address, udp_socket};
use super::program::eventually;
use super::rtp::RtpEnd;
use super::sip_text::{Message, uri};

static SERIAL: AtomicU32 = AtomicU32::new(1);

/// How long an answer may take.
const SOON: Duration = Duration::from_secs(10);

struct Shared {
    socket: UdpSocket,
    heard: Mutex<Vec<Message>>,
    over: AtomicBool,
}

/// An SBC that has the calls of its customers recorded.
pub(crate) struct RecordingClient {
    shared: Arc<Shared>,
    ip: Ipv4Addr,
    listener: Option<JoinHandle<()>>,
}

/// One stream of a session: its label, whether it is sent, and the tone that is heard on it.
pub(crate) struct Stream {
    pub(crate) label: &'static str,
    pub(crate) direction: &'static str,
    pub(crate) rtp: RtpEnd,
    pub(crate) codec: &'static str,
}

/// A recording session.
pub(crate) struct Session<'a> {
    client: &'a RecordingClient,
    server: SocketAddr,
    user: String,
    call_id: String,
    tag: String,
    to: String,
    target: String,
    sequence: u32,
    pub(crate) streams: Vec<Stream>,
}

impl RecordingClient {
    /// Starts one on an address of its own.
    pub(crate) fn start() -> Self {
        let ip = own_address();
        let socket = udp_socket(ip);
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout can be set");
        let shared = Arc::new(Shared { socket, heard: Mutex::default(), over: AtomicBool::new(false) });
        let listening = Arc::clone(&shared);
        Self { shared, ip, listener: Some(std::thread::spawn(move || listening.run())) }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.shared.socket.local_addr().expect("bound")
    }

    /// Opens a stream that is sent.
    pub(crate) fn stream(&self, label: &'static str) -> Stream {
        Stream { label, direction: "sendonly", rtp: RtpEnd::open(self.ip), codec: "8 PCMA/8000" }
    }

    /// Prepares a session with a recording server.
    pub(crate) fn session(&self, server: SocketAddr, user: &str, streams: Vec<Stream>) -> Session<'_> {
        let serial = format!("{}-{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
        let target = format!("sip:{user}@{server}");
        Session {
            client: self,
            server,
            user: user.to_owned(),
            call_id: format!("rs-{serial}"),
            tag: format!("t{serial}"),
            to: format!("<{target}>"),
            target,
            sequence: 0,
            streams,
        }
    }

    /// What the server asked by itself, of one method.
    pub(crate) fn asked(&self, method: &str) -> Vec<Message> {
        let heard = self.shared.heard.lock().expect("no panic");
        heard.iter().filter(|it| it.status().is_none() && it.method() == method).cloned().collect()
    }

    /// Is gone as in a power cut: it answers nothing any more.
    pub(crate) fn vanish(&self) {
        self.shared.over.store(true, Ordering::Relaxed);
    }
}

impl Drop for RecordingClient {
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
        while !self.over.load(Ordering::Relaxed) {
            let Ok((length, from)) = self.socket.recv_from(&mut buffer) else { continue };
            let Some(message) = Message::parse(&buffer[..length]) else { continue };
            if message.status().is_none() && message.method() != "ACK" {
                let mut reply = "SIP/2.0 200 OK\r\n".to_owned();
                for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
                    for value in message.all(name) {
                        reply += &format!("{name}: {value}\r\n");
                    }
                }
                let _ = self.socket.send_to((reply + "Content-Length: 0\r\n\r\n").as_bytes(), from);
            }
            self.heard.lock().expect("no panic").push(message);
        }
    }
}

/// A body of two parts, as clients write it.
fn multipart(sdp: &str, metadata: &str) -> String {
    format!(
        "--unique-boundary-1\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--unique-boundary-1\r\n\
         Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n\r\n{metadata}\r\n\
         --unique-boundary-1--\r\n"
    )
}

/// What a request carries: a content type and a body.
pub(crate) struct Body {
    kind: &'static str,
    text: String,
}

impl Session<'_> {
    /// The streams and a document.
    pub(crate) fn both(&self, metadata: &str) -> Body {
        let text = multipart(&self.sdp(), metadata);
        Body { kind: "multipart/mixed;boundary=unique-boundary-1", text }
    }

    /// The streams alone.
    pub(crate) fn media(&self) -> Body {
        Body { kind: "application/sdp", text: self.sdp() }
    }

    /// A document alone.
    pub(crate) fn told(metadata: &str) -> Body {
        Body { kind: "application/rs-metadata+xml", text: metadata.to_owned() }
    }

    fn sdp(&self) -> String {
        let ip = self.client.ip;
        let mut sdp =
            format!("v=0\r\no=SBC 1 {} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n", self.sequence);
        for Stream { label, direction, rtp, codec } in &self.streams {
            let (number, port) = (codec.split(' ').next().expect("a number"), rtp.address().port());
            sdp += &format!(
                "m=audio {port} RTP/AVP {number}\r\na=rtpmap:{codec}\r\na=label:{label}\r\na={direction}\r\n"
            );
        }
        sdp + "m=video 40000 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=label:v\r\na=sendonly\r\n"
    }

    /// Begins the session; the tones are sent once it is accepted. Returns the final answer.
    pub(crate) fn begin(&mut self, metadata: &str, tones_hz: &[u32]) -> Message {
        let body = self.both(metadata);
        let answer = self.send("INVITE", &body);
        if answer.status() == Some(200) {
            let ports: Vec<u16> = audio_ports(&answer.body);
            for ((stream, port), tone_hz) in self.streams.iter().zip(ports).zip(tones_hz) {
                stream.rtp.talk(SocketAddr::new(self.server.ip(), port), *tone_hz);
            }
        }
        answer
    }

    /// Sends a request and waits for its final answer; an INVITE is acknowledged.
    pub(crate) fn send(&mut self, method: &str, body: &Body) -> Message {
        self.sequence += 1;
        let sequence = self.sequence;
        self.transmit(method, sequence, body);
        let what = format!("{method} of {} is answered", self.call_id);
        let answer = eventually(&what, SOON, || {
            let heard = self.client.shared.heard.lock().expect("no panic");
            let mine = |it: &&Message| it.header("Call-ID") == self.call_id;
            let wanted = format!("{sequence} {method}");
            let mut finals = heard.iter().filter(mine).filter(|it| it.status().is_some_and(|it| it >= 200));
            finals.find(|it| it.header("CSeq") == wanted).cloned()
        });
        if method == "INVITE" {
            if answer.status() == Some(200) {
                self.to = answer.header("To").to_owned();
                self.target = uri(answer.header("Contact")).to_owned();
            }
            let to = std::mem::replace(&mut self.to, answer.header("To").to_owned());
            self.transmit("ACK", sequence, &Body { kind: "", text: String::new() });
            self.to = if answer.status() == Some(200) { self.to.clone() } else { to };
        }
        answer
    }

    fn transmit(&self, method: &str, sequence: u32, body: &Body) {
        let local = self.client.address();
        let (to, tag, call_id) = (&self.to, &self.tag, &self.call_id);
        let branch = SERIAL.fetch_add(1, Ordering::Relaxed);
        let mut text = format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKrs{branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:sbc@{local}>;tag={tag}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {sequence} {method}\r\n\
             Contact: <sip:sbc@{local}>;+sip.src\r\nUser-Agent: SBC for {}\r\n",
            self.target, self.user
        );
        if method != "ACK" {
            text += "Require: siprec\r\nAccept: application/sdp, application/rs-metadata\r\n";
        }
        if !body.kind.is_empty() {
            text += &format!("Content-Type: {}\r\n", body.kind);
        }
        text += &format!("Content-Length: {}\r\n\r\n{}", body.text.len(), body.text);
        self.client.shared.socket.send_to(text.as_bytes(), self.server).expect("the request leaves");
    }

    /// Changes whether the streams are sent, by re-INVITE; they fall silent when they are not.
    pub(crate) fn offer_again(&mut self, direction: &'static str) -> Message {
        for stream in &mut self.streams {
            stream.direction = direction;
        }
        let body = self.media();
        self.send("INVITE", &body)
    }

    /// Ends the session, with a last document if there is one.
    pub(crate) fn end(&mut self, metadata: &str) -> Message {
        self.streams.iter().for_each(|stream| stream.rtp.fall_silent());
        let none = Body { kind: "", text: String::new() };
        let body = if metadata.is_empty() { none } else { Self::told(metadata) };
        self.send("BYE", &body)
    }
}

/// The ports of the audio streams of an answer.
pub(crate) fn audio_ports(sdp: &str) -> Vec<u16> {
    let lines = sdp.lines().filter_map(|line| line.strip_prefix("m=audio "));
    lines.filter_map(|line| line.split(' ').next()?.parse().ok()).collect()
}

/// A participant as a document tells it: its name, address, and the label of the stream that carries its voice.
pub(crate) struct Told<'a> {
    pub(crate) id: &'a str,
    pub(crate) aor: &'a str,
    pub(crate) name: &'a str,
    pub(crate) label: &'a str,
    pub(crate) since: &'a str,
}

/// Writes a complete document of RFC 7865.
pub(crate) fn document(parties: &[Told<'_>]) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\" \
                    xmlns:sbc=\"urn:example:sbc\">\n<datamode>complete</datamode>\n<session session_id=\"s1\"><sbc:trunk>7</sbc:trunk></session>\n"
        .to_owned();
    for Told { id, aor, name, label, since } in parties {
        text += &format!(
            "<participant participant_id=\"{id}\"><nameID aor=\"{aor}\"><name>{name}</name></nameID></participant>\n\
             <stream stream_id=\"st-{label}\" session_id=\"s1\"><label>{label}</label></stream>\n\
             <participantsessionassoc participant_id=\"{id}\" session_id=\"s1\"><associate-time>{since}</associate-time></participantsessionassoc>\n\
             <participantstreamassoc participant_id=\"{id}\"><send>st-{label}</send></participantstreamassoc>\n"
        );
    }
    text + "</recording>"
}

/// Writes a partial document: `gone` has left, and `come` has come on the same stream.
pub(crate) fn handed_over(gone: &str, come: &Told<'_>) -> String {
    let Told { id, aor, name, label, since } = come;
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\">\n\
         <datamode>partial</datamode>\n\
         <participant participant_id=\"{id}\"><nameID aor=\"{aor}\"><name>{name}</name></nameID></participant>\n\
         <participantsessionassoc participant_id=\"{gone}\" session_id=\"s1\"><disassociate-time>{since}</disassociate-time></participantsessionassoc>\n\
         <participantsessionassoc participant_id=\"{id}\" session_id=\"s1\"><associate-time>{since}</associate-time></participantsessionassoc>\n\
         <participantstreamassoc participant_id=\"{id}\"><send>st-{label}</send></participantstreamassoc>\n</recording>"
    )
}
