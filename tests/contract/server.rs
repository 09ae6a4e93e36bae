//! The server in the test's own process: `linecard::run` on free ports of the loopback range, SQLite in a folder of
//! its own, an administrator who can log in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use linecard::StartError;
use linecard::config::Config;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::clients::{AdminClient, AgentClient, SupervisorClient};
use super::evidence::Evidence;
use crate::peers::net;

/// A running server; it is cut off when it goes out of scope, and closed in order by [`Server::stop`].
pub(crate) struct Server {
    pub(crate) http: SocketAddr,
    pub(crate) sip: SocketAddr,
    config: Config,
    running: Option<Running>,
    _folder: TempDir,
}

struct Running {
    shutdown: oneshot::Sender<()>,
    thread: JoinHandle<()>,
    _alive: oneshot::Sender<()>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Starts a server with its configuration changed.
    pub(crate) fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server");
        let ip = net::own_address();
        let port = || SocketAddr::from((ip, net::free_port(ip)));
        let (http, sip) = (port(), port());
        let mut config = Config::default();
        config.server.data_dir = folder.path().join("data");
        config.server.http = http;
        config.server.public_url = format!("http://{http}");
        config.sip.listen = vec![format!("udp://{sip}"), format!("tcp://{sip}")];
        config.sip.trusted = net::own_addresses().map(|ip| ip.to_string()).collect();
        change(&mut config);
        std::fs::create_dir_all(&config.server.data_dir).expect("the data folder is made");
        let mut server = Self { http, sip, config, running: None, _folder: folder };
        server.evidence().add_admin();
        server.launch();
        server
    }

    /// Tells whether a text lies in any file of the data folder.
    pub(crate) fn holds(&self, text: &str) -> bool {
        let files = std::fs::read_dir(&self.config.server.data_dir).expect("the data folder");
        let files = files.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
        files
            .map(|path| std::fs::read(path).expect("a file"))
            .any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    }

    /// Starts the server again after a stop, at the same address and with the same data.
    pub(crate) fn launch(&mut self) {
        assert!(self.running.is_none(), "the server runs already");
        let config = self.config.clone();
        let (shutdown, told) = oneshot::channel::<()>();
        let (alive, cut_off) = oneshot::channel::<()>();
        let (started, listening) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
            let runtime: Runtime = runtime.expect("a runtime");
            let (tell, hear) = oneshot::channel();
            runtime.spawn(async move {
                if hear.await.is_ok() {
                    let _ = started.send(());
                }
            });
            let stop = async {
                let _ = told.await;
            };
            let ended: Option<Result<(), StartError>> = runtime.block_on(async {
                tokio::select! {
                    ended = linecard::run(config, stop, Some(tell)) => Some(ended),
                    _ = cut_off => None,
                }
            });
            runtime.shutdown_background();
            if let Some(Err(error)) = ended {
                panic!("the server did not start: {error}");
            }
        });
        listening.recv_timeout(Duration::from_secs(20)).expect("the server listens");
        self.running = Some(Running { shutdown, thread, _alive: alive });
    }

    /// Stops the server as SIGTERM does and waits until everything is closed.
    pub(crate) fn stop(&mut self) {
        let Running { shutdown, thread, _alive } = self.running.take().expect("the server runs");
        shutdown.send(()).expect("it listens for the end");
        thread.join().expect("it stops without a panic");
    }

    /// A second way to the same database, to put something there or to look.
    pub(crate) fn evidence(&self) -> Evidence {
        Evidence::open(&self.config.database_url(), self.config.recording_dir())
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.config.server.data_dir.clone()
    }

    pub(crate) fn recording_dir(&self) -> PathBuf {
        self.config.recording_dir()
    }

    pub(crate) fn admin(&self) -> AdminClient {
        AdminClient::log_in(self.http, "admin")
    }

    /// Adds an agent with an extension and logs in.
    pub(crate) fn agent(&self, admin: &AdminClient, login: &str) -> AgentClient {
        let user = admin.add_user(login, "agent");
        AgentClient::log_in(self.http, login, &user)
    }

    /// Adds a supervisor and logs in.
    pub(crate) fn supervisor(&self, admin: &AdminClient, login: &str) -> SupervisorClient {
        admin.add_user(login, "supervisor");
        SupervisorClient::log_in(self.http, login)
    }
}
