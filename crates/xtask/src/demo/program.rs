//! Programs of the demonstration: each in a process group of its own, ended with it, its output in a log file.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use super::office::Person;
use crate::phone::{self, PhoneSettings, RTP_PORTS};
use crate::root;

/// How long a program may take to end by itself.
const GRACE: Duration = Duration::from_secs(10);

/// A running program.
pub(super) struct Program {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Program {
    /// Starts a program whose log and working directory is `directory`.
    pub(super) fn start(name: &str, arguments: &[String], directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        let log = directory.join("log.txt");
        let file = File::create(&log).with_context(|| log.display().to_string())?;
        // The program is told to end when this process dies without the time to do it.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "TERM", "--", name])
            .args(arguments)
            .current_dir(directory)
            .process_group(0);
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| name.to_owned())?;
        Ok(Self { name: name.into(), log, child })
    }

    /// Fails, with the end of its log, when it has ended.
    pub(super) fn must_run(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else {
            return Ok(());
        };
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n");
        bail!("{} ended with {status}:\n{tail}", self.name)
    }

    /// What it has printed.
    pub(super) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn signal(&self, signal: Signal) {
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        let _ = until(&self.name, GRACE, || Ok(self.child.try_wait()?.map(|_| ())));
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Asks again and again until there is an answer.
pub(super) fn until<T>(
    what: &str,
    at_most: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if started.elapsed() > at_most {
            bail!("waited {at_most:?} in vain: {what}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A phone in somebody's hand.
pub(super) struct Handset {
    pub(super) person: Person,
    pbx: SocketAddr,
    control: Arc<TcpStream>,
    busy: Arc<AtomicBool>,
    hang_up_at: Option<Instant>,
    program: Program,
}

static NEXT_PORT: AtomicU16 = AtomicU16::new(20_000);

/// The first of `count` ports in a row that are free on loopback now; each is given once.
fn free_ports(count: u16) -> Result<u16> {
    for _ in 0..200 {
        let first = NEXT_PORT.fetch_add(count, Ordering::Relaxed);
        let free = |port| std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if first < 32_000 && (first..first + count).all(free) {
            return Ok(first);
        }
    }
    bail!("no {count} free ports below 32768")
}

impl Handset {
    /// Starts the phone; it registers when `expires_s` is not 0.
    pub(super) fn start(home: &Path, pbx: SocketAddr, person: &Person, expires_s: u32) -> Result<Self> {
        let directory = home.join(person.key());
        std::fs::create_dir_all(&directory)?;
        let (sip_port, rtp_min) = (free_ports(4)?, free_ports(RTP_PORTS)?);
        let settings = PhoneSettings {
            ip: Ipv4Addr::LOCALHOST.into(),
            sound_ip: Ipv4Addr::LOCALHOST.into(),
            sip_port,
            control_port: sip_port + 2,
            rtp_min,
            home: directory.clone(),
            says: super::speech::path(home, person),
            codecs: crate::phone::G711.into(),
            name: person.name.into(),
            user: person.user.into(),
            password: super::office::password(person.user),
            pbx,
            transport: "udp".to_owned(),
            answers_itself: false,
            expires_s,
        };
        settings.write(&root())?;
        let arguments = ["-4".into(), "-f".into(), directory.display().to_string()];
        let mut program = Program::start("baresip", &arguments, &directory)?;
        let control = until("baresip opens its control port", Duration::from_secs(15), || {
            program.must_run()?;
            Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, settings.control_port)).ok())
        })?;
        let (control, busy) = (Arc::new(control), Arc::default());
        Ok(Self { person: *person, pbx, control, busy, hang_up_at: None, program })
    }

    /// Whether the PBX has accepted its registration.
    pub(super) fn has_registered(&self) -> bool {
        self.program.log().contains(" 200 OK (")
    }

    /// Answers each call after three seconds, but lets every fifth ring out.
    pub(super) fn answer_calls(&self) {
        let control = Arc::clone(&self.control);
        std::thread::spawn(move || {
            let mut rung = 0_u32;
            phone::listen(&control, |report| {
                if report.kind != "CALL_INCOMING" {
                    return;
                }
                rung += 1;
                if !rung.is_multiple_of(5) {
                    let control = Arc::clone(&control);
                    std::thread::spawn(move || {
                        std::thread::sleep(Duration::from_secs(3));
                        let _ = phone::command(&control, "accept", "");
                    });
                }
            });
        });
    }

    /// Calls a number and hangs up after `stay` if nobody else has.
    pub(super) fn call(&mut self, number: &str, stay: Duration) {
        if !self.busy.swap(true, Ordering::Relaxed) && self.hang_up_at.is_none() {
            self.watch_end();
        }
        self.hang_up_at = Some(Instant::now() + stay);
        let _ = phone::command(&self.control, "dial", &format!("sip:{number}@{}", self.pbx));
    }

    fn watch_end(&self) {
        let (control, busy) = (Arc::clone(&self.control), Arc::clone(&self.busy));
        std::thread::spawn(move || {
            phone::listen(&control, |report| {
                if report.kind == "CALL_CLOSED" {
                    busy.store(false, Ordering::Relaxed);
                }
            });
        });
    }

    /// Whether a call of its own is under way.
    pub(super) fn is_calling(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    /// Hangs up when the call has lasted long enough.
    pub(super) fn hang_up_when_due(&mut self) {
        if self.is_calling() && self.hang_up_at.is_some_and(|at| at <= Instant::now()) {
            let _ = phone::command(&self.control, "hangup", "");
            self.hang_up_at = Some(Instant::now() + Duration::from_secs(5));
        }
    }
}

impl Drop for Handset {
    fn drop(&mut self) {
        let _ = self.control.shutdown(std::net::Shutdown::Both);
    }
}
