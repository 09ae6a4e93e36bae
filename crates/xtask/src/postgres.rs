//! A PostgreSQL of the tests' own: a cluster in a temporary folder on a free loopback port, and in it a database for
//! each test, made as the README tells an administrator to make one.
//!
//! `cargo verify` starts one cluster for the whole run and names it in the environment; a test that finds none there
//! starts one for its process. Nothing of it outlives the process that started it.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, geteuid, kill_process};

/// The environment variable that names a running cluster, `address:port`.
pub const SHARED: &str = "LINECARD_TEST_POSTGRES";

/// The role that the tests' databases belong to, and its password.
pub const ROLE: &str = "linecard";
/// As it is, and as it stands in an address.
pub const PASSWORD: [&str; 2] = ["p@ss/word", "p%40ss%2Fword"];

/// Where Debian keeps the versions that are installed.
const VERSIONS: &str = "/usr/lib/postgresql";

const READY_WITHIN: Duration = Duration::from_secs(60);

/// Small, and with nothing that only matters when the machine loses power.
const SETTINGS: [&str; 12] = [
    "fsync=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "shared_buffers=64MB",
    "max_connections=200",
    "max_wal_size=128MB",
    "autovacuum=off",
    "jit=off",
    "unix_socket_directories=",
    "listen_addresses=127.0.0.1",
    "log_statement=none",
];

/// Who may come in: the tests' role with its password, the administrator of this throw-away cluster without.
const RULES: &str = "host all postgres 127.0.0.0/8 trust\nhost all all 127.0.0.0/8 scram-sha-256\n";

/// A server with its folder; both are gone when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    address: SocketAddr,
    postmaster: Option<Postmaster>,
}

/// The running server. A thread of its own starts it and waits for it: the server is told to end when the thread that
/// started it does, and a test's thread may end before the process.
#[derive(Debug)]
struct Postmaster {
    pid: Pid,
    waiting: JoinHandle<()>,
}

impl Cluster {
    /// Makes a cluster and starts it.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, or does not start.
    pub fn start() -> Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("linecard-postgres-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let folder = place().join(name);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut cluster = Self { folder, address, postmaster: None };
        cluster.make()?;
        // Another program may take a port between our finding it free and the server's listening on it.
        let started = (0..5).find_map(|_| {
            cluster.address = free_address().ok()?;
            cluster.start_again().ok()
        });
        started.with_context(|| format!("PostgreSQL does not start: {}", cluster.log()))?;
        let role = format!("CREATE ROLE {ROLE} LOGIN PASSWORD '{}'", PASSWORD[0]);
        client(cluster.address, "psql", &["--quiet", "--dbname=postgres", "--command", &role])?;
        Ok(cluster)
    }

    fn make(&self) -> Result<()> {
        // A path of this user may be closed to the server's user; the system's temporary folder is open to both.
        let mut install = Command::new("install");
        if geteuid().is_root() {
            install.args(["--owner=postgres", "--group=postgres"]);
        }
        succeed(install.args(["--mode=700", "--directory"]).arg(&self.folder))?;
        let places = [format!("--pgdata={}", self.data().display())];
        let how = ["--username=postgres", "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8"];
        succeed(server_program("initdb")?.args(places).args(how).current_dir(&self.folder))?;
        std::fs::write(self.data().join("pg_hba.conf"), RULES)?;
        Ok(())
    }

    /// Starts the server on what it had, at the address that it had. It must not run.
    ///
    /// # Errors
    /// When it does not take connections in time.
    pub fn start_again(&mut self) -> Result<()> {
        let mut command = server_program("postgres")?;
        command.arg("-D").arg(self.data()).arg("-p").arg(self.address.port().to_string());
        SETTINGS.iter().for_each(|setting| {
            command.args(["-c", setting]);
        });
        let log = std::fs::File::options().create(true).append(true).open(self.folder.join("log.txt"))?;
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let (started, pid) = mpsc::channel();
        let waiting = std::thread::spawn(move || {
            let mut child = command.spawn();
            let _ = started.send(child.as_ref().ok().map(Pid::from_child));
            if let Ok(child) = &mut child {
                let _ = child.wait();
            }
        });
        let pid = pid.recv()?.context("setpriv of the package util-linux starts the server")?;
        let postmaster = self.postmaster.insert(Postmaster { pid, waiting });
        let begun = Instant::now();
        while !is_ready(&self.folder.join("data")) {
            ensure!(!postmaster.waiting.is_finished(), "PostgreSQL ended at once");
            ensure!(begun.elapsed() < READY_WITHIN, "PostgreSQL takes no connections");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Stops the server: connections are cut, what was committed stays.
    pub fn stop(&mut self) {
        if let Some(Postmaster { pid, waiting }) = self.postmaster.take() {
            // SIGINT is the server's fast shutdown.
            let _ = kill_process(pid, Signal::INT);
            let _ = waiting.join();
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log.txt")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An empty database of its own, gone when it is dropped.
#[derive(Debug)]
pub struct Database {
    name: String,
    address: SocketAddr,
    /// Keeps the cluster of this process running.
    _cluster: Option<Arc<Cluster>>,
}

impl Database {
    /// Makes one in the cluster of the run, or else in one of this process.
    ///
    /// # Errors
    /// When there is no PostgreSQL, or it refuses.
    pub fn make() -> Result<Self> {
        Self::make_with(&["--encoding=UTF8", "--locale=C"])
    }

    /// Makes one with other options of `createdb`.
    ///
    /// # Errors
    /// As [`Database::make`].
    pub fn make_with(options: &[&str]) -> Result<Self> {
        let (address, cluster) = match std::env::var(SHARED) {
            Ok(address) => (address.parse().with_context(|| format!("{SHARED}={address}"))?, None),
            Err(_) => {
                let cluster = cluster_of_this_process()?;
                (cluster.address, Some(cluster))
            }
        };
        Self::make_at(address, cluster, options)
    }

    /// Makes one in the cluster at `address`, which has to live longer.
    ///
    /// # Errors
    /// As [`Database::make`].
    pub fn make_in(cluster: &Cluster) -> Result<Self> {
        Self::make_at(cluster.address, None, &["--encoding=UTF8", "--locale=C"])
    }

    fn make_at(address: SocketAddr, cluster: Option<Arc<Cluster>>, options: &[&str]) -> Result<Self> {
        let name = unique_name();
        let owner = format!("--owner={ROLE}");
        client(address, "createdb", &[options, &["--template=template0", &owner, &name]].concat())?;
        Ok(Self { name, address, _cluster: cluster })
    }

    /// The address to write into `database.url`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{ROLE}:{}@{}/{}", PASSWORD[1], self.address, self.name)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server that it is in.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs SQL in it as the cluster's administrator.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn administer(&self, sql: &str) -> Result<()> {
        client(self.address, "psql", &["--quiet", "--dbname", &self.name, "--command", sql])
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = client(self.address, "dropdb", &["--force", "--if-exists", &self.name]);
    }
}

/// The cluster that the tests of this process share, while one of them has it.
fn cluster_of_this_process() -> Result<Arc<Cluster>> {
    static SHARED_HERE: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
    let mut shared = SHARED_HERE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(cluster) = shared.upgrade() {
        return Ok(cluster);
    }
    let cluster = Arc::new(Cluster::start()?);
    *shared = Arc::downgrade(&cluster);
    Ok(cluster)
}

/// Where clusters lie: in memory where there is room, since a new database is hundreds of small files.
fn place() -> PathBuf {
    const ROOM_MB: u64 = 1024;
    let memory = Path::new("/dev/shm");
    let df = Command::new("df").args(["--output=avail", "--block-size=1M"]).arg(memory).output();
    let text = df.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let free_mb = text.lines().nth(1).and_then(|line| line.trim().parse::<u64>().ok());
    if free_mb.is_some_and(|free| free >= ROOM_MB) { memory.to_owned() } else { std::env::temp_dir() }
}

/// A name that no other test of the run gives.
fn unique_name() -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (pid, made) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    format!("lc_{:x}_{pid}_{made}", now.as_nanos())
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Whether the server of this folder has written that it takes connections: the eighth line of its pid file.
fn is_ready(data: &Path) -> bool {
    let state = std::fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    state.lines().nth(7).is_some_and(|line| line.trim() == "ready")
}

/// A program of the server. It refuses to run as root, who lends it the user that the package made.
fn server_program(name: &str) -> Result<Command> {
    let mut command = Command::new("setpriv");
    if geteuid().is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.args(["--pdeathsig", "INT", "--"]).arg(programs()?.join(name));
    Ok(command)
}

/// The folder with the programs of the newest version that is installed.
fn programs() -> Result<PathBuf> {
    let versions = std::fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let numbered = versions.filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((version, entry.path().join("bin"))).filter(|(_, folder)| folder.join("initdb").exists())
    });
    let newest = numbered.max().map(|(_, folder)| folder);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = || std::env::split_paths(&path).find(|folder| folder.join("initdb").exists());
    newest.or_else(on_path).context("initdb is missing: install the package postgresql (cargo verify does)")
}

/// Runs a client program of PostgreSQL as the cluster's administrator.
fn client(address: SocketAddr, program: &str, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(programs()?.join(program));
    command.arg("--host").arg(address.ip().to_string()).arg("--port").arg(address.port().to_string());
    succeed(command.args(["--username=postgres", "--no-password"]).args(arguments))
}

fn succeed(command: &mut Command) -> Result<()> {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output()?;
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    for part in [stdout, stderr] {
        let _ = write!(said, "{}", String::from_utf8_lossy(&part));
    }
    bail!("{command:?} ended with {status}: {said}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_runs_stops_and_leaves_nothing() {
        let mut cluster = Cluster::start().expect("a cluster");
        let database = Database::make_in(&cluster).expect("a database");
        database.administer("CREATE TABLE kept (id BIGINT)").expect("a table");
        cluster.stop();
        assert!(std::net::TcpStream::connect(cluster.address()).is_err(), "it is gone");
        assert!(database.administer("SELECT 1 FROM kept").is_err());
        cluster.start_again().expect("it starts again");
        database.administer("SELECT 1 FROM kept").expect("what was there is there");
        let folder = cluster.folder.clone();
        drop((database, cluster));
        assert!(!folder.exists());
    }
}
