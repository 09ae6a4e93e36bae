//! `cargo demo`: a small office that works. kamailio is the PBX, baresip the agents' phones and the customers, who call
//! every few seconds and really speak; Linecard sits between them. Ctrl-C ends everything that was started.

mod http;
mod office;
mod program;
mod speech;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{root, setup, verify};
use office::{ADMIN, AGENTS, CUSTOMERS, Person};
use program::{Handset, Program, until};

/// The login of the administrator, and its password.
pub fn admin() -> (&'static str, String) {
    (ADMIN, office::password(ADMIN))
}

/// How often somebody calls.
const PAUSE: Duration = Duration::from_secs(7);
const READY: Duration = Duration::from_secs(30);

/// Sets up, builds, starts the office and lets customers call until Ctrl-C.
///
/// # Errors
/// When a step fails; everything started before is ended.
pub fn run() -> Result<()> {
    let over = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&over))?;
        signal_hook::flag::register(signal, Arc::clone(&over))?;
    }
    println!("==> set-up");
    setup::for_demo()?;
    println!("==> building the interface and the server");
    verify::build_interface()?;
    let server = verify::build_server()?;
    let home = root().canonicalize()?.join("target/demo");
    if home.exists() {
        std::fs::remove_dir_all(&home).with_context(|| home.display().to_string())?;
    }
    std::fs::create_dir_all(&home)?;
    println!("==> starting the office");
    let mut office = Office::open(&home, &server)?;
    office.print_welcome();
    office.receive_calls(&over);
    println!("\nending everything that was started");
    Ok(())
}

/// Everything that runs. Fields are dropped in order: customers first, the PBX last.
pub struct Office {
    customers: Vec<Handset>,
    agents: Vec<Handset>,
    _server: Program,
    _pbx: Program,
    http: SocketAddr,
}

impl Office {
    /// Opens the office in the folder `home` with the program `server`; everybody can be called when it returns.
    ///
    /// # Errors
    /// When a program does not start or does not do its part in time; what was started is ended.
    pub fn open(home: &Path, server: &Path) -> Result<Self> {
        println!("  speech of {} people", AGENTS.len() + CUSTOMERS.len());
        speech::record_all(home)?;
        let pbx_address = free_address(5062)?;
        let pbx = start_pbx(home, pbx_address)?;
        let (server, http) = start_server(home, server)?;
        office::furnish(http, pbx_address)?;
        let agents = handsets(home, pbx_address, &AGENTS, 60)?;
        let registered = || agents.iter().all(Handset::has_registered).then_some(());
        until("the agents' phones are registered", READY, || Ok(registered()))?;
        agents.iter().for_each(Handset::answer_calls);
        let customers = handsets(home, pbx_address, &CUSTOMERS, 0)?;
        Ok(Self { customers, agents, _server: server, _pbx: pbx, http })
    }

    /// Where the interface is.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    fn print_welcome(&self) {
        println!("\nLinecard is at http://{}", self.http);
        for (login, role) in office::logins() {
            println!("  {role:<10} login {login:<8} password {}", office::password(login));
        }
        println!(
            "{} phones are registered, {} customers call. Ctrl-C ends it.",
            self.agents.len(),
            self.customers.len()
        );
    }

    /// Lets one customer after the other call, for 12 to 24 seconds each, until it is over.
    pub fn receive_calls(&mut self, over: &AtomicBool) {
        let mut next_call = Instant::now();
        for turn in 0_u32.. {
            while Instant::now() < next_call {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                self.customers.iter_mut().for_each(Handset::hang_up_when_due);
                std::thread::sleep(Duration::from_millis(100));
            }
            next_call += PAUSE;
            self.place_call(turn);
        }
    }

    fn place_call(&mut self, turn: u32) {
        let count = self.customers.len();
        let Ok(position) = usize::try_from(turn) else {
            return;
        };
        let Some(customer) = self.customers.get_mut(position % count) else {
            return;
        };
        let agent = AGENTS.get((position / 2) % AGENTS.len());
        let Some(number) = agent.and_then(|agent| agent.public_number).filter(|_| !customer.is_calling())
        else {
            return;
        };
        println!("  {} calls {number}", customer.person.label());
        customer.call(number, Duration::from_secs(u64::from(12 + turn * 5 % 13)));
    }
}

/// An address of this machine that is free for UDP and TCP, at the wanted port if possible.
fn free_address(wanted: u16) -> Result<SocketAddr> {
    let free = |port: u16| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        (UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok()).then_some(address)
    };
    (wanted..wanted.saturating_add(2000)).find_map(free).context("no free port")
}

fn start_pbx(home: &Path, address: SocketAddr) -> Result<Program> {
    let pbx = home.join("pbx");
    office::write_directory(&pbx.join("directory"))?;
    let config = root().join("sip-config/kamailio/kamailio.cfg").display().to_string();
    let directory = pbx.display().to_string();
    let mut arguments =
        ["-DD", "-E", "-m", "32", "-M", "4", "-f", &config, "-Y", &directory].map(String::from).to_vec();
    for transport in ["udp", "tcp"] {
        arguments.extend(["-l".into(), format!("{transport}:{address}")]);
    }
    arguments.extend(["-A".into(), format!("DIRECTORY=\"text://{directory}/directory\"")]);
    arguments.extend(["-A".into(), format!("RPC_SOCKET=\"{directory}/rpc.sock\"")]);
    let mut program = Program::start("kamailio", &arguments, &pbx)?;
    until("kamailio listens", READY, || {
        program.must_run()?;
        Ok(std::net::TcpStream::connect(address).ok().map(|_| ()))
    })?;
    Ok(program)
}

fn start_server(home: &Path, binary: &Path) -> Result<(Program, SocketAddr)> {
    let (http, sip) = (free_address(8080)?, free_address(5160)?);
    let directory = home.join("linecard");
    std::fs::create_dir_all(&directory)?;
    let config = directory.join("linecard.toml");
    let text = format!(
        "[server]\ndata_dir = \"{}\"\nhttp = \"{http}\"\npublic_url = \"http://{http}\"\n\n\
         [sip]\nlisten = [\"udp://{sip}\", \"tcp://{sip}\"]\n",
        directory.join("data").display()
    );
    std::fs::write(&config, text)?;
    let config = config.display().to_string();
    add_admin(binary, &config)?;
    let binary = binary.display().to_string();
    let mut program = Program::start(&binary, &["serve".into(), "--config".into(), config], &directory)?;
    until("the server is ready", READY, || {
        program.must_run()?;
        Ok(http::get(http, "/healthz").ok().filter(|answer| answer.status == 200).map(|_| ()))
    })?;
    Ok((program, http))
}

fn add_admin(binary: &Path, config: &str) -> Result<()> {
    use std::io::Write;
    let mut command = Command::new(binary);
    command.args([
        "user",
        "add",
        "--login",
        ADMIN,
        "--role",
        "admin",
        "--name",
        "Администратор",
        "--password-stdin",
    ]);
    let mut child = command.args(["--config", config]).stdin(std::process::Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().context("a pipe")?;
    writeln!(input, "{}", office::password(ADMIN))?;
    drop(input);
    let status = child.wait()?;
    ensure!(status.success(), "linecard user add ended with {status}");
    Ok(())
}

fn handsets(home: &Path, pbx: SocketAddr, people: &[Person], expires_s: u32) -> Result<Vec<Handset>> {
    people.iter().map(|person| Handset::start(home, pbx, person, expires_s)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_office_opens_but_for_the_server() {
        let home = std::env::temp_dir().join(format!("linecard-office-{}", std::process::id()));
        std::fs::create_dir_all(&home).expect("a directory");
        speech::record_all(&home).expect("speech");
        let pbx_address = free_address(15_062).expect("a port");
        let pbx = start_pbx(&home, pbx_address).expect("a PBX");
        let agents = handsets(&home, pbx_address, &AGENTS[..1], 60).expect("a phone");
        let mut customers = handsets(&home, pbx_address, &CUSTOMERS[..1], 0).expect("a customer");
        agents[0].answer_calls();
        until("the phone is registered", READY, || Ok(agents[0].has_registered().then_some(())))
            .expect("registered");
        // Without a server nobody holds the public number's account.
        let number = AGENTS[0].public_number.expect("a number");
        customers[0].call(number, Duration::from_secs(60));
        until("the PBX refuses", READY, || Ok((!customers[0].is_calling()).then_some(()))).expect("refused");
        drop((customers, agents, pbx));
        assert!(std::net::TcpStream::connect(pbx_address).is_err(), "nothing is left running");
        std::fs::remove_dir_all(&home).expect("tidied");
    }
}
