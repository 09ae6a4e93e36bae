//! Linecard under measurement: a data folder with its office, and a running server on it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::Pinned;

/// How long the server may take to open its ports.
const OPENS_WITHIN: Duration = Duration::from_secs(30);

/// Which talks are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recording {
    /// Every talk.
    All,
    /// No talk.
    None,
}

/// A server that is about to start.
pub struct Plan {
    /// Where it listens for SIP.
    pub sip: SocketAddr,
    /// Where it listens for browsers.
    pub http: SocketAddr,
    folder: PathBuf,
}

impl Plan {
    /// Chooses free ports for a server whose files are in `folder`.
    ///
    /// # Errors
    /// When there are none.
    pub fn new(folder: &Path) -> Result<Self> {
        let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let sip = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        Ok(Self { sip, http, folder: folder.to_owned() })
    }

    /// The database in the folder.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.folder.join("data/linecard.db")
    }

    /// Where the WAV files are.
    #[must_use]
    pub fn recordings(&self) -> PathBuf {
        self.folder.join("data/recordings")
    }

    /// Starts the server.
    ///
    /// # Errors
    /// When it does not open its ports.
    pub fn start(&self, program: &Path, recording: Recording) -> Result<Pinned> {
        let config = self.folder.join("linecard.toml");
        let (data, http, sip) = (self.folder.join("data"), self.http, self.sip);
        let recording = if recording == Recording::All { "all" } else { "none" };
        let text = format!(
            "[server]\ndata_dir = {data:?}\nhttp = \"{http}\"\n[database]\nurl = \"sqlite://{{data_dir}}/linecard.db\"\n\
             [sip]\nlisten = [\"udp://{sip}\"]\n[recording]\ndefault = \"{recording}\"\n[log]\nlevel = \"warn\"\n"
        );
        fs::write(&config, text)?;
        let mut command = Command::new(program);
        command.arg("--config").arg(&config).arg("serve");
        let server = Pinned::start(&command, &self.folder.join("server.log"))?;
        let until = Instant::now() + OPENS_WITHIN;
        while TcpStream::connect(http).is_err() {
            if Instant::now() > until {
                bail!("the server does not open {http}; see {}", self.folder.join("server.log").display());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }
}

/// Makes an empty folder.
///
/// # Errors
/// When it cannot be made.
pub fn fresh(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())
}
