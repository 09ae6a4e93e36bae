//! An agent's phone: baresip with the configuration of `sip-config/baresip`, driven over its control port.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use xtask::phone::{self, G711, PhoneSettings, RTP_PORTS, Report};

use super::kamailio::Account;
use super::nat;
use super::net::{address_towards, free_port, free_ports};
use super::program::{Program, eventually};
use super::root;
use super::sound::{RATE_HZ, Wav, sine};

/// What the phone does when it rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It answers by itself.
    Auto,
    /// It rings until it is told what to do.
    Manual,
    /// It answers 486 as soon as it has rung. (baresip cannot send 603; see [`super::Scenario::Declines`].)
    Busy,
}

/// How a phone is set.
#[derive(Clone, Debug)]
pub(crate) struct PhoneOptions {
    /// What it does when it rings.
    pub(crate) answer: Answer,
    /// The tone that its agent speaks.
    pub(crate) tone_hz: u32,
    /// Seconds a registration lasts; 0 never registers.
    pub(crate) expires_s: u32,
    /// `udp` or `tcp`.
    pub(crate) transport: &'static str,
}

impl Default for PhoneOptions {
    fn default() -> Self {
        Self { answer: Answer::Auto, tone_hz: 700, expires_s: 60, transport: "udp" }
    }
}

/// What the phone reported, with the moment it was read.
#[derive(Clone, Debug)]
pub(crate) struct PhoneEvent {
    /// When it was read.
    pub(crate) at: Instant,
    /// baresip's word: `CALL_INCOMING`, `CALL_ESTABLISHED`, `CALL_CLOSED`, `REGISTER_OK` and others.
    pub(crate) kind: String,
    /// The other party's URI.
    pub(crate) peer: String,
    /// The other party's display name.
    pub(crate) peer_name: String,
}

/// A running phone.
pub(crate) struct Baresip {
    program: Program,
    user: String,
    address: SocketAddr,
    control: TcpStream,
    events: Arc<Mutex<Vec<PhoneEvent>>>,
    reader: Option<JoinHandle<()>>,
}

impl Baresip {
    /// Starts a phone of `account` on the PBX at `pbx` and waits until it is registered (if it registers).
    pub(crate) fn start(pbx: SocketAddr, account: &Account, options: &PhoneOptions) -> Self {
        Self::speaking(G711, pbx, account, options)
    }

    /// Starts a phone that speaks other codecs, best first, as baresip names them.
    pub(crate) fn speaking(codecs: &str, pbx: SocketAddr, account: &Account, options: &PhoneOptions) -> Self {
        let phone = Self::launch(codecs, pbx, account, options);
        if options.expires_s > 0 {
            phone.wait_registered(Duration::from_secs(15));
        }
        phone
    }

    /// Starts a phone and does not wait for its registration, which may never come.
    pub(crate) fn launch(codecs: &str, pbx: SocketAddr, account: &Account, options: &PhoneOptions) -> Self {
        let ip = address_towards(pbx);
        let (sip_port, control_port) = (free_port(ip), free_port(ip));
        let mut program = Program::new("baresip", "baresip-core");
        let settings = settings(&program, ip, [sip_port, control_port], pbx, account, options);
        let settings = PhoneSettings { codecs: codecs.into(), ..settings };
        settings.write(&root()).expect("the phone's settings are written");
        let home = program.directory().display().to_string();
        let family = if ip.is_ipv4() { "-4" } else { "-6" };
        program.start(&[family, "-f", &home].map(String::from));
        let control = eventually("baresip opens its control port", Duration::from_secs(15), || {
            program.must_run();
            TcpStream::connect((ip, control_port)).ok()
        });
        let events = Arc::<Mutex<Vec<PhoneEvent>>>::default();
        let reader = read_events(&control, Arc::clone(&events), options.answer);
        let address = SocketAddr::from((ip, sip_port));
        Self { program, user: account.user.clone(), address, control, events, reader: Some(reader) }
    }

    /// Waits until the PBX has accepted its registration at least once since it was started.
    fn wait_registered(&self, at_most: Duration) {
        eventually("baresip is registered", at_most, || {
            self.program.log().contains(" 200 OK (").then_some(())
        });
    }

    /// The URI that reaches it without a PBX.
    pub(crate) fn uri(&self) -> String {
        format!("sip:{}@{}", self.user, self.address)
    }

    /// Answers the call that rings.
    pub(crate) fn answer(&self) {
        self.command("accept", "");
    }

    /// Ends the call that is up; a call that rings is refused with 486.
    pub(crate) fn hang_up(&self) {
        self.command("hangup", "");
    }

    /// Asks the other side of its call by REFER to call a URI or an extension instead.
    pub(crate) fn transfer(&self, to: &str) {
        self.command("transfer", to);
    }

    /// Calls a URI or an extension.
    pub(crate) fn dial(&self, to: &str) {
        self.command("dial", to);
    }

    /// Everything it has reported so far.
    pub(crate) fn events(&self) -> Vec<PhoneEvent> {
        self.events.lock().expect("no panic").clone()
    }

    /// How often it has reported `kind`.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.events().iter().filter(|event| event.kind == kind).count()
    }

    /// Waits until it has reported `kind` for the `nth` time (the first is 1) and returns that event.
    pub(crate) fn wait_nth(&self, kind: &str, nth: usize, at_most: Duration) -> PhoneEvent {
        eventually(&format!("phone {} reports {kind} ({nth})", self.user), at_most, || {
            self.events().into_iter().filter(|event| event.kind == kind).nth(nth - 1)
        })
    }

    /// Waits until it has rung at least once.
    pub(crate) fn wait_ringing(&self, at_most: Duration) -> PhoneEvent {
        self.wait_nth("CALL_INCOMING", 1, at_most)
    }

    /// Waits until a call is up at least once.
    pub(crate) fn wait_established(&self, at_most: Duration) -> PhoneEvent {
        self.wait_nth("CALL_ESTABLISHED", 1, at_most)
    }

    /// Waits until a call has ended at least once.
    pub(crate) fn wait_closed(&self, at_most: Duration) -> PhoneEvent {
        self.wait_nth("CALL_CLOSED", 1, at_most)
    }

    /// What the agent heard in each call, oldest first; complete when the call is over.
    pub(crate) fn heard(&self) -> Vec<Wav> {
        let entries = fs::read_dir(self.program.directory()).expect("the directory is there");
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.retain(|path| path.to_string_lossy().ends_with("-dec.wav"));
        paths.sort();
        paths.iter().map(|path| Wav::open(path)).collect()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Kills the phone in mid-call, as a power cut does.
    pub(crate) fn kill(&mut self) {
        self.program.kill();
    }

    fn command(&self, command: &str, params: &str) {
        phone::command(&self.control, command, params).expect("baresip takes a command");
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        let _ = self.control.shutdown(Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn settings(
    program: &Program,
    ip: IpAddr,
    [sip_port, control_port]: [u16; 2],
    pbx: SocketAddr,
    account: &Account,
    options: &PhoneOptions,
) -> PhoneSettings {
    let says = program.directory().join("says.wav");
    Wav::write(&says, &sine(options.tone_hz, 0, RATE_HZ as usize * 180));
    // Its sound leaves from the first address of the interface, whatever the SIP socket has.
    let sound_ip = match ip {
        IpAddr::V4(_) if nat::is_built() => nat::FIRST_OUTSIDE.into(),
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => ip,
    };
    PhoneSettings {
        ip,
        sound_ip,
        sip_port,
        control_port,
        rtp_min: free_ports(sound_ip, RTP_PORTS),
        home: program.directory().into(),
        says,
        codecs: G711.into(),
        name: format!("Agent {}", account.user),
        user: account.user.clone(),
        password: account.password.clone(),
        pbx,
        transport: options.transport.to_owned(),
        answers_itself: options.answer == Answer::Auto,
        expires_s: options.expires_s,
    }
}

fn read_events(control: &TcpStream, events: Arc<Mutex<Vec<PhoneEvent>>>, answer: Answer) -> JoinHandle<()> {
    let control = control.try_clone().expect("the socket can be shared");
    std::thread::spawn(move || {
        phone::listen(&control, |report| {
            if answer == Answer::Busy && report.kind == "CALL_INCOMING" {
                let _ = phone::command(&control, "hangup", "");
            }
            let Report { kind, peer, peer_name } = report;
            events.lock().expect("no panic").push(PhoneEvent { at: Instant::now(), kind, peer, peer_name });
        });
    })
}
