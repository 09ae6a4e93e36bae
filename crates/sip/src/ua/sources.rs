//! Who may send requests: the servers of lines, configured peers, and nobody else.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::event::LineId;

/// How many suspicions are told each second.
const TOLD_PER_SECOND: u32 = 10;

/// Addresses of known peers, counted by how many lines share them.
#[derive(Debug)]
pub(super) struct Sources {
    configured: HashSet<IpAddr>,
    of_lines: HashMap<LineId, HashSet<IpAddr>>,
    counted: HashMap<IpAddr, usize>,
    second: Option<Instant>,
    told: u32,
    untold: u64,
}

/// How many addresses of one line's server are kept.
const MAX_PER_LINE: usize = 16;

impl Sources {
    pub(super) fn new(configured: &[IpAddr]) -> Self {
        Self {
            configured: configured.iter().map(IpAddr::to_canonical).collect(),
            of_lines: HashMap::new(),
            counted: HashMap::new(),
            second: None,
            told: 0,
            untold: 0,
        }
    }

    pub(super) fn configure(&mut self, addresses: &[IpAddr]) {
        self.configured = addresses.iter().map(IpAddr::to_canonical).collect();
    }

    pub(super) fn knows(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.configured.contains(&ip) || self.counted.contains_key(&ip)
    }

    /// Tells whether an address was configured, and so may speak for any line.
    pub(super) fn is_configured(&self, ip: IpAddr) -> bool {
        self.configured.contains(&ip.to_canonical())
    }

    /// Tells whether an address is that of a line's server.
    pub(super) fn is_of(&self, line: &LineId, ip: IpAddr) -> bool {
        self.of_lines.get(line).is_some_and(|of_line| of_line.contains(&ip.to_canonical()))
    }

    pub(super) fn add(&mut self, line: &LineId, ip: IpAddr) {
        let ip = ip.to_canonical();
        let of_line = self.of_lines.entry(line.clone()).or_default();
        if of_line.len() < MAX_PER_LINE && of_line.insert(ip) {
            *self.counted.entry(ip).or_insert(0) += 1;
        }
    }

    pub(super) fn remove_line(&mut self, line: &LineId) {
        for ip in self.of_lines.remove(line).unwrap_or_default() {
            if let Some(count) = self.counted.get_mut(&ip) {
                *count -= 1;
                if *count == 0 {
                    self.counted.remove(&ip);
                }
            }
        }
    }

    /// Counts a suspicion; gives the count when it is to be told now.
    pub(super) fn suspect(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        let fresh = self.second.is_none_or(|second| now.duration_since(second) >= Duration::from_secs(1));
        if fresh {
            self.second = Some(now);
            self.told = 0;
        }
        if self.told >= TOLD_PER_SECOND {
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.untold))
    }
}
