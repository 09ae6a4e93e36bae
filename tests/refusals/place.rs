//! A folder with a configuration in which the real binary is run.

use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::peers::net;
use crate::peers::program::{Ended, run_to_end};

pub(super) const BINARY: &str = env!("CARGO_BIN_EXE_linecard");

pub(super) struct Place {
    pub(super) folder: TempDir,
    pub(super) http: SocketAddr,
    pub(super) sip: SocketAddr,
}

impl Place {
    /// A folder whose `linecard.toml` would start a server on free ports.
    pub(super) fn new() -> Self {
        let ip = net::own_address();
        let port = || SocketAddr::from((ip, net::free_port(ip)));
        let place = Self { folder: tempfile::tempdir().expect("a folder"), http: port(), sip: port() };
        place.configure(&place.sound_config());
        place
    }

    /// A configuration with which the server starts.
    pub(super) fn sound_config(&self) -> String {
        let Self { http, sip, .. } = self;
        format!(
            "[server]\ndata_dir = {:?}\nhttp = \"{http}\"\npublic_url = \"http://{http}\"\n\
             [sip]\nlisten = [\"udp://{sip}\", \"tcp://{sip}\"]\n",
            self.data()
        )
    }

    pub(super) fn configure(&self, text: &str) {
        std::fs::write(self.folder.path().join("linecard.toml"), text).expect("the configuration is written");
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs a command in the folder until it ends.
    pub(super) fn run(&self, arguments: &[&str], input: &str) -> Ended {
        run_to_end(BINARY, self.folder.path(), arguments, &[], input)
    }

    /// Runs a command with more environment.
    pub(super) fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
        run_to_end(BINARY, self.folder.path(), arguments, environment, "")
    }
}

/// Checks that a command was refused with this code by one line of its own on stderr, and returns the line.
pub(super) fn refused(ended: &Ended, code: i32) -> String {
    assert_eq!(ended.code, code, "{ended:?}");
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("linecard: ")).collect();
    assert_eq!(lines.len(), 1, "one line says why: {ended:?}");
    assert_eq!(ended.stderr.lines().last(), lines.first().copied(), "and it is the last: {ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    lines[0].trim_start_matches("linecard: ").to_owned()
}
