//! What happened on the simulated network, to be read when a test fails.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use linecard_sip::transport::Transport;

const KEPT: usize = 20_000;

/// What became of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It left an endpoint.
    Sent,
    /// It reached an endpoint; for a stream, a piece of what was sent.
    Delivered,
    /// Chance took it.
    Lost,
    /// Chance doubled it.
    Duplicated,
    /// The link is cut.
    Cut,
    /// Nobody is there.
    Unreachable,
    /// A connection was opened.
    Connected,
    /// A connection was closed or refused; the endpoint was told.
    Closed,
}

/// One line of the transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, since the clock's start.
    pub at: Duration,
    /// The sender as the receiver sees it.
    pub from: SocketAddr,
    /// The receiver.
    pub to: SocketAddr,
    /// What carried it.
    pub transport: Transport,
    /// What became of it.
    pub fate: Fate,
    /// The bytes; empty for connections.
    pub payload: Vec<u8>,
}

/// The last 20,000 things that happened, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    entries: VecDeque<Entry>,
    forgotten: usize,
}

impl Transcript {
    pub(crate) fn push(&mut self, entry: Entry) {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
            self.forgotten += 1;
        }
        self.entries.push_back(entry);
    }

    /// Iterates from the oldest to the newest.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Counts what met a fate.
    pub fn count(&self, fate: Fate) -> usize {
        self.entries.iter().filter(|entry| entry.fate == fate).count()
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.forgotten > 0 {
            writeln!(f, "... {} earlier lines are not kept", self.forgotten)?;
        }
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fate = format!("{:?}", self.fate).to_lowercase();
        write!(
            f,
            "{:>9.3}s {} -> {} {} {fate:<11} {}",
            self.at.as_secs_f64(),
            self.from,
            self.to,
            self.transport,
            summary(&self.payload)
        )
    }
}

/// Gives the first line and the CSeq of a text, the size of anything else.
fn summary(payload: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(payload) else {
        return format!("{} bytes", payload.len());
    };
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let cseq = lines.find(|line| line.len() > 5 && line.as_bytes().starts_with(b"CSeq:"));
    let mut summary = first.escape_debug().to_string();
    if let Some(cseq) = cseq {
        summary.push_str("  ");
        summary.push_str(cseq);
    }
    summary
}
