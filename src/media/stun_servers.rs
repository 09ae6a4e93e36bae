//! Where the STUN server is, kept up to date beside the calls: they never wait for the DNS.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// How long an answer of the DNS is used, and how soon it is asked again after none.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(300), Duration::from_secs(10)];

/// The addresses of the STUN server, as known now.
#[derive(Clone, Debug, Default)]
pub struct StunServers(Arc<RwLock<Vec<SocketAddr>>>);

impl StunServers {
    /// Knows these.
    #[must_use]
    pub fn of(addresses: Vec<SocketAddr>) -> Self {
        Self(Arc::new(RwLock::new(addresses)))
    }

    /// Returns the server of an address's family.
    #[must_use]
    pub fn towards(&self, local: IpAddr) -> Option<SocketAddr> {
        // A panic while the lock is held leaves a list of addresses.
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|server| server.is_ipv4() == local.is_ipv4()).copied()
    }

    /// Looks the server up, now and again, for ever; without one there is nobody to ask.
    pub(crate) async fn keep(self, server: String) {
        if server.is_empty() {
            return;
        }
        let [used_for, soon] = AGAIN_AFTER;
        loop {
            let found = tokio::net::lookup_host(server.as_str()).await.map(Vec::from_iter);
            let wait = match found {
                Ok(addresses) if !addresses.is_empty() => {
                    *self.0.write().unwrap_or_else(PoisonError::into_inner) = addresses;
                    used_for
                }
                other => {
                    tracing::warn!(server, error = ?other.err(), "media.stun: the name has no address");
                    soon
                }
            };
            tokio::time::sleep(wait).await;
        }
    }
}
