//! What the figures were taken on.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::contenders::rtpengine::Rtpengine;

/// Describes machine and versions.
#[must_use]
pub fn describe() -> Value {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    json!({
        "at_unix_s": at,
        "commit": said("git", &["rev-parse", "HEAD"]),
        "changed": !said("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty(),
        "cpu": after("/proc/cpuinfo", "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": after("/proc/meminfo", "MemTotal"),
        "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        "rustc": said("rustc", &["--version"]),
        "rtpengine": Rtpengine::version().unwrap_or_default(),
    })
}

fn said(program: &str, words: &[&str]) -> String {
    let said = Command::new(program).args(words).output();
    said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).unwrap_or_default()
}

fn after(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}
