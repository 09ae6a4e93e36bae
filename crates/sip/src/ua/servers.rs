//! The servers that TLS connections have to lead to, each with a number that fits into a path.

use std::collections::HashMap;

use crate::transport::ServerId;
use crate::uri::Host;

/// How many servers are known at most: peers may name as many as they like.
const MAX_SERVERS: usize = 16_384;

/// Hosts by number, and numbers by host.
#[derive(Debug, Default)]
pub(super) struct Servers {
    names: Vec<Host>,
    known: HashMap<String, ServerId>,
}

impl Servers {
    /// Gives a host its number; none when there are too many.
    pub(super) fn id(&mut self, host: &Host) -> Option<ServerId> {
        let name = host.to_string().to_ascii_lowercase();
        if let Some(id) = self.known.get(&name) {
            return Some(*id);
        }
        if self.names.len() >= MAX_SERVERS {
            return None;
        }
        let id = ServerId(u32::try_from(self.names.len()).ok()?);
        self.names.push(host.clone());
        self.known.insert(name, id);
        Some(id)
    }

    pub(super) fn name(&self, id: ServerId) -> Option<&Host> {
        self.names.get(usize::try_from(id.0).ok()?)
    }
}
