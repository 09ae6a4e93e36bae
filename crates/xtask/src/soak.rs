//! `cargo soak fleet`: many worlds of the simulated fleet against the server as it is given to people.
//!
//! Bounded by the number of calls, seeded, and resumable: what is done stands in `target/soak/fleet.json`, and a run that was
//! stopped goes on with the next seed. Each world is one `linecard simulate`, on a bad network unless another is asked for.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::{root, verify};

/// The calls of one world.
const WORLD: u64 = 2_000;
/// How long the server may take to start and to stop.
const SOON: Duration = Duration::from_secs(30);
/// The administrator of the server that is started here; it lives as long as the run.
const ADMIN: (&str, &str) = ("soak", "a password of one run");

/// How bad the network of a run is, and its browsers: the words of `linecard simulate --faults`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Faults {
    None,
    Mild,
    Harsh,
}

impl Faults {
    fn read(word: &str) -> Option<Self> {
        [Self::None, Self::Mild, Self::Harsh].into_iter().find(|faults| faults.word() == word)
    }

    fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mild => "mild",
            Self::Harsh => "harsh",
        }
    }

    /// How many calls begin in a second.
    fn rate(self) -> u64 {
        match self {
            Self::None => 60,
            Self::Mild | Self::Harsh => 40,
        }
    }
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Soak {
    /// How many calls there are in all.
    calls: u64,
    /// The seed of the first world; the next has the next.
    seed: u64,
    faults: Faults,
}

impl Soak {
    /// Reads the words after `soak fleet`.
    ///
    /// # Errors
    /// When a word is not known or a number is missing.
    pub fn parse(words: &[&str]) -> Result<Self> {
        let mut soak = Self { calls: 100_000, seed: 1, faults: Faults::Mild };
        for pair in words.chunks(2) {
            let (name, value) = (pair.first().copied(), pair.get(1).copied().unwrap_or_default());
            match (name, value.parse().ok(), Faults::read(value)) {
                (Some("--calls"), Some(calls), _) => soak.calls = calls,
                (Some("--seed"), Some(seed), _) => soak.seed = seed,
                (Some("--faults"), _, Some(faults)) => soak.faults = faults,
                _ => bail!("usage: cargo soak fleet [--calls N] [--seed S] [--faults none|mild|harsh]"),
            }
        }
        ensure!(soak.calls > 0, "--calls: write 1 or more");
        Ok(soak)
    }

    fn seeds(&self) -> std::ops::Range<u64> {
        self.seed..self.seed + self.calls.div_ceil(WORLD)
    }

    /// Tells whether a world that was written down is one of this run.
    fn asks_for(&self, world: &Value) -> bool {
        let seed = world.get("seed").and_then(Value::as_u64);
        seed.is_some_and(|seed| self.seeds().contains(&seed))
            && world.get("faults").and_then(Value::as_str) == Some(self.faults.word())
    }
}

/// Runs the worlds that are not done yet; true when all of them are right.
///
/// # Errors
/// When the server cannot be built or started, or the result cannot be written.
pub fn run(soak: &Soak) -> Result<bool> {
    // Whatever is committed meanwhile: this is what the server is built from.
    let commit = commit();
    let server = verify::build_server()?;
    let folder = root().join("target/soak");
    std::fs::create_dir_all(&folder)?;
    let result = folder.join("fleet.json");
    let mut worlds = done_before(&result, &commit);
    let running = Running::start(&server, &folder.join("server"))?;
    for seed in soak.seeds() {
        if worlds.iter().any(|world| soak.asks_for(world) && number(world, "seed") == seed) {
            println!("seed {seed}: done before");
            continue;
        }
        let calls = WORLD.min(soak.calls - (seed - soak.seed) * WORLD);
        let world = running.simulate(&server, seed, calls, soak.faults)?;
        println!("seed {seed}: {}", in_a_line(&world));
        worlds.push(world);
        write(&result, &commit, &worlds)?;
    }
    let right = running.is_whole(&server)?;
    running.stop()?;
    let (total, findings) = worlds
        .iter()
        .filter(|world| soak.asks_for(world))
        .fold((0, 0), |(calls, findings), world| (calls + number(world, "calls"), findings + count(world)));
    println!("{total} calls, {findings} not right; {}", result.display());
    Ok(right && findings == 0)
}

/// The worlds of earlier runs of the same commit.
fn done_before(result: &Path, commit: &str) -> Vec<Value> {
    let known: Value =
        std::fs::read(result).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    if known.get("commit").and_then(Value::as_str) != Some(commit) {
        return Vec::new();
    }
    known.get("worlds").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Writes what is done so far; a run that is killed leaves the old file or the new one.
fn write(result: &Path, commit: &str, worlds: &[Value]) -> Result<()> {
    let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let whole = json!({"commit": commit, "at_unix_s": at, "worlds": worlds});
    let beside = result.with_extension("part");
    let mut file = File::create(&beside)?;
    file.write_all(serde_json::to_string_pretty(&whole)?.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, result)?;
    Ok(())
}

fn commit() -> String {
    let asked = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(root()).output();
    asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn number(world: &Value, name: &str) -> u64 {
    world.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn count(world: &Value) -> usize {
    world.get("findings").and_then(Value::as_array).map_or(0, Vec::len)
}

fn in_a_line(world: &Value) -> String {
    let right = ["interactions_right", "pops_right", "recordings_complete", "missed_right"]
        .map(|name| format!("{} {}", name.replace('_', " "), number(world, name)));
    format!("{} calls, {}, not right {}", number(world, "calls"), right.join(", "), count(world))
}

/// The server of a run.
struct Running {
    child: Child,
    http: SocketAddr,
    config: PathBuf,
}

impl Running {
    fn start(server: &Path, folder: &Path) -> Result<Self> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let sip = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let config = folder.join("linecard.toml");
        let data = folder.join("data");
        let text = format!(
            "[server]\ndata_dir = {data:?}\nhttp = \"{http}\"\n[sip]\nlisten = [\"udp://{sip}\", \"tcp://{sip}\"]\n[log]\nlevel = \"warn\"\n"
        );
        std::fs::write(&config, text)?;
        let add = ["user", "add", "--login", ADMIN.0, "--role", "admin", "--password-stdin"];
        let added = with_password(command(server, &config, &add))?;
        ensure!(added.0, "the administrator cannot be added: {}", added.1);
        let log = File::create(folder.join("log"))?;
        let mut serve = command(server, &config, &["serve"]);
        let child = serve.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut running = Self { child, http, config };
        running.wait_until_it_answers()?;
        Ok(running)
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let until = Instant::now() + SOON;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended at once: {status}; see the log beside {}", self.config.display());
            }
            if TcpStream::connect(self.http).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("the server does not answer at {}", self.http)
    }

    /// Lets one world happen.
    fn simulate(&self, server: &Path, seed: u64, calls: u64, faults: Faults) -> Result<Value> {
        let (url, seed, calls, rate) =
            (format!("http://{}", self.http), seed.to_string(), calls.to_string(), faults.rate().to_string());
        let words = [
            "simulate",
            "--url",
            &url,
            "--login",
            ADMIN.0,
            "--password-stdin",
            "--json",
            "--seed",
            &seed,
            "--calls",
            &calls,
            "--rate",
            &rate,
            "--faults",
            faults.word(),
        ];
        let (_, said) = with_password(command(server, &self.config, &words))?;
        let mut world: Value =
            serde_json::from_str(&said).with_context(|| format!("seed {seed} said {said:?}"))?;
        if let Some(object) = world.as_object_mut() {
            object.insert("faults".to_owned(), json!(faults.word()));
        }
        Ok(world)
    }

    /// Asks the server's own commands whether what is saved is what the evidence says.
    fn is_whole(&self, server: &Path) -> Result<bool> {
        let mut whole = true;
        for words in [&["replay"][..], &["recording", "verify", "--all"][..]] {
            let asked = command(server, &self.config, words).output()?;
            let said = String::from_utf8_lossy(&asked.stdout).into_owned();
            println!("{}: {}", words.join(" "), said.lines().last().unwrap_or_default());
            whole &= asked.status.success();
        }
        Ok(whole)
    }

    fn stop(mut self) -> Result<()> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        let ended = self.child.wait()?;
        ensure!(ended.success(), "the server ended with {ended}");
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After an error: nothing may be left running.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn command(server: &Path, config: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(server);
    command.arg("--config").arg(config).args(words);
    command
}

/// Runs a command that reads the password; tells whether it went well, and what it said.
fn with_password(mut command: Command) -> Result<(bool, String)> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        writeln!(stdin, "{}", ADMIN.1)?;
    }
    let output = child.wait_with_output()?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_bounded_by_its_calls_and_begins_with_its_seed() {
        let soak = Soak::parse(&["--calls", "4001", "--seed", "9", "--faults", "harsh"]).expect("a run");
        assert_eq!(soak, Soak { calls: 4_001, seed: 9, faults: Faults::Harsh });
        assert_eq!(soak.seeds(), 9..12);
        for wrong in [
            &["--calls"][..],
            &["--calls", "many"],
            &["--calls", "0"],
            &["--faults", "some"],
            &["--hours", "3"],
        ] {
            assert!(Soak::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_usual_run_is_a_hundred_thousand_calls_with_faults_in_each_world() {
        let usual = Soak::parse(&[]).expect("the usual run");
        assert_eq!((usual.calls, usual.seeds().count()), (100_000, 50));
        assert!(usual.asks_for(&json!({"seed": 50, "faults": "mild"})));
        for other in [json!({"seed": 51, "faults": "mild"}), json!({"seed": 50, "faults": "none"})] {
            assert!(!usual.asks_for(&other), "{other}");
        }
    }

    #[test]
    fn a_run_of_another_commit_begins_anew_and_one_of_the_same_goes_on() {
        let folder = std::env::temp_dir().join(format!("soak-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let result = folder.join("fleet.json");
        write(&result, "one", &[json!({"seed": 4, "calls": 2_000, "findings": []})]).expect("written");
        assert_eq!(done_before(&result, "one").len(), 1);
        assert!(done_before(&result, "another").is_empty());
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
