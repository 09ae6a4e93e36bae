//! Credentials of a server that sends recordings to a line with a password (RFC 3261 section 22.2).

use std::time::{Duration, Instant};

use rand_chacha::rand_core::RngCore;

use super::UserAgent;
use super::config::Presence;
use super::event::LineId;
use crate::digest::{Offer, Origin, Secret, Verifier, VerifierConfig};
use crate::message::{Request, Response};
use crate::transport::Flow;

/// What the credentials are of.
const REALM: &str = "linecard";

/// How long a nonce is taken.
const NONCE_LIFETIME: Duration = Duration::from_secs(300);

impl UserAgent {
    /// Lets a request in that begins a session on a line, or gives the challenge.
    pub(super) fn admit_recorder(
        &mut self,
        line: &LineId,
        request: &Request,
        flow: Flow,
        now: Instant,
    ) -> Result<(), Box<Response>> {
        let Some(line) = self.lines.get(line).map(|state| &state.line) else { return Ok(()) };
        if line.presence != Presence::Records || line.password.is_empty() {
            return Ok(());
        }
        let known = line.auth_username.as_ref().unwrap_or(&line.username).clone();
        let secret = Secret::of(&known, REALM, &line.password);
        let (source, origin) = (flow.remote.ip(), Origin::Server);
        let verifier = self.verifier.get_or_insert_with(|| {
            let mut key = [0; 32];
            self.rng.fill_bytes(&mut key);
            let (realm, nonce_lifetime) = (REALM.to_owned(), NONCE_LIFETIME);
            Verifier::new(VerifierConfig { realm, key, offer: Offer::Sha256AndMd5, nonce_lifetime }, now)
        });
        let judged = verifier.verify(request, origin, source, |name| (name == known).then_some(secret), now);
        judged
            .map(|_| ())
            .map_err(|refusal| Box::new(verifier.refuse(request, &refusal, origin, source, now)))
    }
}
