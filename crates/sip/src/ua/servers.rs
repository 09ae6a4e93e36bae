//! The servers that TLS connections and WebSockets lead to, each with a number that fits into a path.

use std::collections::HashMap;

use crate::transport::ServerId;
use crate::uri::Host;

/// How many servers are known at most: peers may name as many as they like.
const MAX_SERVERS: usize = 16_384;

/// What a connection has to lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its host: under TLS the certificate has to be for it (RFC 5922 section 7.1).
    pub host: Host,
    /// What is asked for there, for a WebSocket: a path, such as `/ws`.
    pub path: Option<String>,
}

/// Servers by number, and numbers by server.
#[derive(Debug, Default)]
pub(super) struct Servers {
    known: Vec<Server>,
    ids: HashMap<(String, Option<String>), ServerId>,
}

impl Servers {
    /// Gives a server its number; none when there are too many.
    pub(super) fn id(&mut self, host: &Host, path: Option<&str>) -> Option<ServerId> {
        let name = (host.to_string().to_ascii_lowercase(), path.map(str::to_owned));
        if let Some(id) = self.ids.get(&name) {
            return Some(*id);
        }
        if self.known.len() >= MAX_SERVERS {
            return None;
        }
        let id = ServerId(u32::try_from(self.known.len()).ok()?);
        self.known.push(Server { host: host.clone(), path: name.1.clone() });
        self.ids.insert(name, id);
        Some(id)
    }

    pub(super) fn get(&self, id: ServerId) -> Option<&Server> {
        self.known.get(usize::try_from(id.0).ok()?)
    }
}
