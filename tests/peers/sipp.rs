//! sipp: a crowd of customers, or a phone with one habit.

use std::net::SocketAddr;
use std::time::Duration;

use super::net::{free_ports, own_address};
use super::program::{Program, eventually};
use super::root;
use super::sound::{RATE_HZ, sine, to_alaw};

/// A scenario file in `tests/peers/sipp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Calls, talks a tone for `talk`, hangs up.
    TalksThenHangsUp,
    /// Calls, lets it ring for `talk`, gives up.
    GivesUpWhileItRings,
    /// Calls, talks a tone until the other side hangs up.
    TalksUntilTheOtherHangsUp,
    /// A phone that answers at once, returns the sound it hears, and waits for BYE.
    Answers,
    /// A phone that returns the sound it hears for three seconds before it answers and until BYE, in A-law alone.
    SpeaksEarlyInALaw,
    /// The same in mu-law alone.
    SpeaksEarlyInMuLaw,
    /// A phone that answers at once and is told by UPDATE who is at the other end.
    IsToldWhoIsThere,
    /// A phone that rings and answers 603.
    Declines,
    /// A phone that rings until it is cancelled.
    RingsForEver,
    /// A phone that sends every call on to this number.
    Forwards(&'static str),
}

impl Scenario {
    fn file(self) -> &'static str {
        match self {
            Self::TalksThenHangsUp => "talks_then_hangs_up.xml",
            Self::GivesUpWhileItRings => "gives_up_while_it_rings.xml",
            Self::TalksUntilTheOtherHangsUp => "talks_until_the_other_hangs_up.xml",
            Self::Answers => "answers.xml",
            Self::SpeaksEarlyInALaw | Self::SpeaksEarlyInMuLaw => "speaks_early.xml",
            Self::IsToldWhoIsThere => "is_told_who_is_there.xml",
            Self::Declines => "declines.xml",
            Self::RingsForEver => "rings_for_ever.xml",
            Self::Forwards(_) => "forwards.xml",
        }
    }
}

/// Who calls whom.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The number dialled.
    pub(crate) dials: String,
    /// The caller's own number.
    pub(crate) number: String,
    /// The caller's display name.
    pub(crate) name: String,
}

/// How many call, how fast, and how long they stay.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    /// Taken in turn, over and over.
    pub(crate) callers: Vec<Caller>,
    /// Calls in all.
    pub(crate) calls: u32,
    /// New calls a second.
    pub(crate) per_second: u32,
    /// How long each talks, or waits before it gives up.
    pub(crate) talk: Duration,
    /// The tone that all of them speak.
    pub(crate) tone_hz: u32,
}

/// A running sipp.
pub(crate) struct Sipp {
    program: Program,
    address: SocketAddr,
}

impl Sipp {
    /// Lets a crowd of customers call through `pbx`.
    pub(crate) fn customers(pbx: SocketAddr, scenario: Scenario, crowd: &Crowd) -> Self {
        let mut sipp = Self::new();
        let mut rows = String::from("SEQUENTIAL\n");
        for caller in &crowd.callers {
            rows += &format!("{};{};{}\n", caller.dials, caller.number, caller.name);
        }
        sipp.program.write("callers.csv", rows);
        let tone: Vec<u8> = sine(crowd.tone_hz, 0, RATE_HZ as usize * 2).into_iter().map(to_alaw).collect();
        sipp.program.write("tone.alaw", tone);
        let mut args = sipp.args(scenario);
        args.insert(0, pbx.to_string());
        let own = [
            ("-inf", "callers.csv".into()),
            ("-m", crowd.calls.to_string()),
            ("-r", crowd.per_second.to_string()),
        ];
        args.extend(own.into_iter().flat_map(|(key, value)| [key.to_owned(), value]));
        args.extend(["-d".into(), crowd.talk.as_millis().to_string(), "-l".into(), crowd.calls.to_string()]);
        sipp.program.start(&args);
        sipp
    }

    /// Starts a phone with one habit; enter its [`uri`](Self::uri) as a device or bind it on the PBX.
    pub(crate) fn phone(scenario: Scenario) -> Self {
        let mut sipp = Self::new();
        let mut args = sipp.args(scenario);
        args.push("-rtp_echo".into());
        sipp.program.start(&args);
        let address = sipp.address;
        eventually("sipp listens", Duration::from_secs(10), || {
            sipp.program.must_run();
            std::net::UdpSocket::bind(address).is_err().then_some(())
        });
        sipp
    }

    fn new() -> Self {
        let ip = own_address();
        Self {
            program: Program::new("sipp", "sip-tester"),
            address: SocketAddr::from((ip, free_ports(ip, 2))),
        }
    }

    fn args(&self, scenario: Scenario) -> Vec<String> {
        let ip = super::net::ipv4(self.address);
        let file = root().join("tests/peers/sipp").join(scenario.file()).display().to_string();
        let (port, sound) = (self.address.port().to_string(), free_ports(ip, 4).to_string());
        let ip = ip.to_string();
        let own = [("-sf", &file), ("-i", &ip), ("-p", &port), ("-mi", &ip), ("-mp", &sound)];
        let mut args: Vec<String> =
            own.iter().flat_map(|(key, value)| [(*key).to_owned(), (*value).clone()]).collect();
        if scenario == Scenario::SpeaksEarlyInALaw || scenario == Scenario::SpeaksEarlyInMuLaw {
            let payload_type = if scenario == Scenario::SpeaksEarlyInALaw { "8" } else { "0" };
            args.extend(["-key", "codec", payload_type].map(String::from));
        }
        if let Scenario::Forwards(number) = scenario {
            args.extend(["-key", "forward", number].map(String::from));
        }
        let logs = "-nostdin -trace_err -error_file errors.txt -trace_msg -message_file messages.txt";
        args.extend(logs.split(' ').map(String::from));
        args
    }

    /// The URI that reaches it.
    pub(crate) fn uri(&self) -> String {
        format!("sip:phone@{}", self.address)
    }

    /// Waits until all calls are over; fails the test with sipp's own words if one did not go as its scenario says.
    pub(crate) fn wait_done(&mut self, at_most: Duration) {
        let status = self.program.wait(at_most);
        assert!(status.success(), "sipp ended with {status}:\n{}", self.errors());
    }

    /// What it did not expect, in its own words; that the machine is slow is no fault of the call.
    pub(crate) fn errors(&self) -> String {
        let errors = self.read("errors.txt");
        let own =
            |line: &&str| !line.contains("Overload warning") && !line.starts_with("The following events");
        errors.lines().filter(own).collect::<Vec<_>>().join("\n")
    }

    /// Every message it sent and received.
    pub(crate) fn messages(&self) -> String {
        self.read("messages.txt")
    }

    fn read(&self, file: &str) -> String {
        let bytes = std::fs::read(self.program.directory().join(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
