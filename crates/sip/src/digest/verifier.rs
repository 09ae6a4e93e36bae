//! The server's side: challenges, and whether credentials are right (RFC 7616 section 3.3, RFC 8760, RFC 3261
//! section 22.4).
//!
//! Nothing is kept for who is only challenged. Whether an account exists is not told: credentials of an unknown one
//! are computed against a secret that nobody has. `qop=auth` is asked for; the form of RFC 2069 without it is refused,
//! since nothing there tells a repetition. Guesses are counted by who asks.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;

use super::algorithm::Algorithm;
use super::credentials::{CredentialsError, Presented};
use super::nonce::Nonces;
use super::origin::Origin;
use super::secret::Secret;
use crate::message::{Header, Request, Response, StatusCode};
use crate::uri::Uri;

/// How credentials are asked for.
#[derive(Debug, Clone)]
pub struct VerifierConfig {
    /// Names what the accounts are of; secrets are made for it.
    pub realm: String,
    /// Nobody may know or guess it; nonces of another key are stale.
    pub key: [u8; 32],
    /// Which algorithms may be used.
    pub offer: Offer,
    /// How long a nonce is taken.
    pub nonce_lifetime: Duration,
}

/// Which algorithms may be used, the first one preferred (RFC 8760 section 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// MD5 alone: phones of libre before 2.0, and others, refuse a response that has a challenge with SHA-256 at all, be
    /// it the first or the second. Nothing is lost by it where passwords are long and drawn.
    Md5,
    /// SHA-256, and MD5 for who knows no other: most desk phones.
    Sha256AndMd5,
    /// SHA-256 alone.
    Sha256,
}

impl Offer {
    fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::Md5 => &[Algorithm::Md5],
            Self::Sha256AndMd5 => &[Algorithm::Sha256, Algorithm::Md5],
            Self::Sha256 => &[Algorithm::Sha256],
        }
    }
}

/// Why a request was not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There are no credentials for this realm, or wrong ones for a nonce that is no good: ask for them.
    #[error("no credentials")]
    Absent,
    /// The password is right and the nonce is used up: ask again, nobody has guessed.
    #[error("the nonce is used up")]
    Stale {
        /// Who asked.
        username: String,
    },
    /// There is no such account, or the password is wrong; which of both is not told. The nonce is one that was given
    /// to this very address: it is nobody else's.
    #[error("wrong credentials")]
    Wrong {
        /// Whom the credentials name.
        username: String,
    },
    /// The credentials can not be read.
    #[error(transparent)]
    Malformed(#[from] CredentialsError),
}

/// Asks for credentials and judges them.
#[derive(Debug)]
pub struct Verifier {
    realm: String,
    offer: Offer,
    opaque: String,
    decoy: String,
    nonces: Nonces,
}

impl Verifier {
    /// Makes a verifier for one realm.
    #[must_use]
    pub fn new(config: VerifierConfig, now: Instant) -> Self {
        // The same after a restart: a phone that then sends what it knows is told that its nonce is stale.
        let opaque = Algorithm::Md5.hash_joined(&[b"opaque", config.realm.as_bytes()]);
        Self {
            opaque,
            decoy: Algorithm::Sha256.hash_joined(&[&config.key, b"decoy"]),
            nonces: Nonces::new(config.key, config.nonce_lifetime, now),
            realm: config.realm,
            offer: config.offer,
        }
    }

    /// Gives the realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Judges the credentials of a request that came from `source`; gives the name of the account.
    ///
    /// # Errors
    /// Each reason of [`Refusal`].
    pub fn verify(
        &mut self,
        request: &Request,
        origin: Origin,
        source: IpAddr,
        secret_of: impl FnOnce(&str) -> Option<Secret>,
        now: Instant,
    ) -> Result<String, Refusal> {
        let presented = self.presented(request, origin)?;
        // Made for accounts that exist too, which takes them the same time.
        let decoy = self.decoy(&presented.username);
        let secret = secret_of(&presented.username).unwrap_or(decoy);
        let expected = expected(&presented, &secret, request.method.as_str());
        let username = presented.username;
        if !bool::from(expected.as_bytes().ct_eq(&presented.response)) {
            // Who was not given the nonce at this address may have made the address up: nobody is to be blamed for it.
            let ours = self.nonces.is_fresh(&presented.nonce, source, now);
            return Err(if ours { Refusal::Wrong { username } } else { Refusal::Absent });
        }
        if !self.nonces.spend(&presented.nonce, presented.count.1, source, now) {
            return Err(Refusal::Stale { username });
        }
        Ok(username)
    }

    /// Makes the response to a request that was not let in: a challenge, or 400 for what can not be read.
    #[must_use]
    pub fn refuse(
        &mut self,
        request: &Request,
        refusal: &Refusal,
        origin: Origin,
        source: IpAddr,
        now: Instant,
    ) -> Response {
        if let Refusal::Malformed(fault) = refusal {
            let mut response = Response::reply_to(request, StatusCode::BAD_REQUEST);
            response.reason = fault.to_string().into_bytes();
            return response;
        }
        let mut response = Response::reply_to(request, origin.status());
        let stale = matches!(refusal, Refusal::Stale { .. });
        for challenge in self.challenges(origin, source, stale, now) {
            response.headers.push(challenge.name, challenge.value);
        }
        response
    }

    fn challenges(&mut self, origin: Origin, source: IpAddr, stale: bool, now: Instant) -> Vec<Header> {
        let nonce = self.nonces.give(source, now);
        let (realm, opaque) = (&self.realm, &self.opaque);
        let stale = if stale { ", stale=true" } else { "" };
        self.offer
            .algorithms()
            .iter()
            .map(|algorithm| Header {
                name: origin.challenge_header(),
                value: format!(
                    "Digest realm=\"{realm}\", nonce=\"{nonce}\", opaque=\"{opaque}\", algorithm={}, qop=\"auth\"{stale}",
                    algorithm.name()
                )
                .into_bytes(),
            })
            .collect()
    }

    /// Reads the credentials for our realm, which have to fit what was offered and what is asked for.
    fn presented(&self, request: &Request, origin: Origin) -> Result<Presented, Refusal> {
        let mut fault = None;
        for value in request.headers.get_all(&origin.credentials_header()) {
            match Presented::read(value, &self.realm) {
                Ok(Some(presented)) => return self.fitting(presented, request),
                Ok(None) => {}
                Err(error) => fault = fault.or(Some(error)),
            }
        }
        Err(fault.map_or(Refusal::Absent, Refusal::Malformed))
    }

    fn fitting(&self, presented: Presented, request: &Request) -> Result<Presented, Refusal> {
        let unusable = |parameter| Err(Refusal::Malformed(CredentialsError::Unusable { parameter }));
        if !self.offer.algorithms().contains(&presented.algorithm) {
            return unusable("algorithm");
        }
        if presented.opaque.as_ref().is_some_and(|opaque| opaque != self.opaque.as_bytes()) {
            return unusable("opaque");
        }
        if !names(&presented.uri, &request.uri) {
            return unusable("uri");
        }
        Ok(presented)
    }

    /// A secret that no password has, another one for each name.
    fn decoy(&self, username: &str) -> Secret {
        Secret::of(username, &self.realm, &self.decoy)
    }
}

/// Computes the response of `qop=auth` (RFC 7616 section 3.4.1).
fn expected(presented: &Presented, secret: &Secret, method: &str) -> String {
    let algorithm = presented.algorithm;
    let covered = algorithm.hash_joined(&[method.as_bytes(), &presented.uri]);
    algorithm.hash_joined(&[
        secret.for_algorithm(algorithm).as_bytes(),
        &presented.nonce,
        &presented.count.0,
        &presented.cnonce,
        b"auth",
        covered.as_bytes(),
    ])
}

/// Tells whether the digest's URI is for what is asked for: the same user at the same host. Ports and parameters
/// differ with phones that fill them in in one of both places only.
fn names(written: &[u8], asked: &Uri) -> bool {
    match (Uri::parse(written), asked) {
        (Ok(Uri::Sip(written)), Uri::Sip(asked)) => {
            written.user_decoded() == asked.user_decoded() && written.host == asked.host
        }
        _ => asked.to_string().as_bytes() == written,
    }
}
