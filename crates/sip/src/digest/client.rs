//! The client's memory of realms and nonces (RFC 7616 section 3.6, RFC 3261 section 22).
//!
//! One `DigestClient` serves one account: it keeps the last challenge of each realm, counts the uses of each
//! nonce, and answers 401 and 407. One `Attempt` belongs to one request and bounds its challenges.

use std::borrow::Cow;
use std::fmt;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::RngCore;

use super::algorithm::hex;
use super::challenge::{Challenge, Use, strongest};
use super::origin::Origin;
use crate::message::{HeaderName, Request, Response};

/// How many challenges one request answers in a row before it gives up.
pub const MAX_CHALLENGES: usize = 2;

/// How many realms one account remembers; a hostile peer can not make it grow.
const MAX_REALMS: usize = 8;

/// The name and the secret of one account.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The authentication user name.
    pub username: String,
    /// The password. It is never printed.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Why a challenge was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The response holds no Digest challenge that could be read.
    #[error("the peer asks for authentication but sends no readable Digest challenge")]
    NoChallenge,
    /// None of the offered algorithms or protections is supported.
    #[error("the peer offers no supported digest algorithm, only: {}", offered.join(", "))]
    Unsupported {
        /// The offered algorithms by name.
        offered: Vec<String>,
    },
    /// The peer rejected fresh credentials: user name or password is wrong.
    #[error("user name or password is wrong (realm \"{realm}\")")]
    WrongPassword {
        /// The realm as readable text.
        realm: String,
    },
    /// The peer asked again and again.
    #[error("the peer challenged more than {MAX_CHALLENGES} times in a row")]
    TooMany,
    /// The realm is not one that this client may give its secret's digest to.
    #[error("the realm \"{realm}\" is not this line's")]
    ForeignRealm {
        /// The realm as readable text.
        realm: String,
    },
}

/// The challenges that one request has answered; begins empty for each new request.
#[derive(Debug, Clone, Default)]
pub struct Attempt {
    answered: Vec<(Origin, Vec<u8>)>,
    rounds: usize,
}

/// A challenge that may be used again, with its count of uses.
#[derive(Debug, Clone)]
struct Grant {
    origin: Origin,
    challenge: Challenge,
    session_cnonce: String,
    count: u32,
}

/// Answers the challenges of one account's peers.
#[derive(Debug, Clone)]
pub struct DigestClient {
    credentials: Credentials,
    realms: Option<Vec<Vec<u8>>>,
    grants: Vec<Grant>,
}

impl DigestClient {
    /// Creates a client that answers any realm with these credentials.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, realms: None, grants: Vec::new() }
    }

    /// Restricts the client to realms already known, so that a stranger's challenge is never answered.
    #[must_use]
    pub fn only_realms(mut self, realms: Vec<Vec<u8>>) -> Self {
        self.realms = Some(realms);
        self
    }

    /// Lists the realms whose challenges were answered and are remembered.
    pub fn realms(&self) -> impl Iterator<Item = &[u8]> {
        self.grants.iter().map(|grant| grant.challenge.realm.as_slice())
    }

    /// Forgets every challenge, so that the next request goes out bare.
    pub fn forget(&mut self) {
        self.grants.clear();
    }

    /// Writes credentials for the remembered challenges into a request, replacing what was there.
    ///
    /// A request for which nothing is remembered stays bare. The digest covers method, Request-URI and
    /// body as they are now; a later change of them makes the credentials void.
    pub fn authorize(&mut self, request: &mut Request, rng: &mut ChaCha12Rng) {
        request.headers.remove(&HeaderName::Authorization);
        request.headers.remove(&HeaderName::ProxyAuthorization);
        let method = request.method.as_str().to_owned();
        let uri = request.uri.to_string();
        for grant in &mut self.grants {
            grant.count = grant.count.saturating_add(1);
            if grant.count == 1 {
                grant.session_cnonce = fresh_cnonce(rng);
            }
            let session = grant.challenge.supported().is_some_and(super::Algorithm::is_session);
            let cnonce =
                if session || grant.count == 1 { grant.session_cnonce.clone() } else { fresh_cnonce(rng) };
            let usage = Use {
                method: &method,
                uri: &uri,
                body: &request.body,
                cnonce: &cnonce,
                session_cnonce: &grant.session_cnonce,
                count: grant.count,
            };
            if let Some(value) = grant.challenge.authorization(&self.credentials, &usage) {
                request.headers.push(grant.origin.credentials_header(), value);
            }
        }
    }

    /// Answers a 401 or 407: remembers its challenges and writes credentials into the request.
    ///
    /// The request keeps its To, From and Call-ID; the caller has raised its CSeq and removed its Via.
    ///
    /// # Errors
    /// Each reason of [`Refused`]; the request is then unchanged.
    pub fn answer(
        &mut self,
        attempt: &mut Attempt,
        request: &mut Request,
        response: &Response,
        rng: &mut ChaCha12Rng,
    ) -> Result<(), Refused> {
        let origin = Origin::of(response);
        let chosen = choose(&challenges_of(response, origin))?;
        for challenge in &chosen {
            self.admit(attempt, origin, challenge)?;
        }
        if attempt.rounds >= MAX_CHALLENGES {
            return Err(Refused::TooMany);
        }
        attempt.rounds += 1;
        if origin == Origin::Server {
            // There is one server: what it now wants replaces what it wanted, unlike with a chain of proxies.
            self.grants.retain(|grant| {
                grant.origin == Origin::Proxy
                    || chosen.iter().any(|challenge| challenge.realm == grant.challenge.realm)
            });
        }
        for challenge in chosen {
            attempt.answered.push((origin, challenge.realm.clone()));
            self.remember(origin, challenge);
        }
        self.authorize(request, rng);
        Ok(())
    }

    /// Takes note of a final response that was no challenge: a `nextnonce` replaces the nonce
    /// (RFC 7616 section 3.5).
    pub fn accepted(&mut self, response: &Response) {
        for (name, origin) in
            [("Authentication-Info", Origin::Server), ("Proxy-Authentication-Info", Origin::Proxy)]
        {
            let Some(next) = next_nonce(response, name) else {
                continue;
            };
            let mut matching = self.grants.iter_mut().filter(|grant| grant.origin == origin);
            // Authentication-Info names no realm: with several it can not be told whose nonce it is.
            if let (Some(grant), None) = (matching.next(), matching.next()) {
                grant.challenge.nonce = next;
                grant.count = 0;
            }
        }
    }

    fn admit(&self, attempt: &Attempt, origin: Origin, challenge: &Challenge) -> Result<(), Refused> {
        let realm = || text_of(&challenge.realm).into_owned();
        if self.realms.as_ref().is_some_and(|known| !known.contains(&challenge.realm)) {
            return Err(Refused::ForeignRealm { realm: realm() });
        }
        let answered =
            attempt.answered.iter().any(|(who, realm)| *who == origin && *realm == challenge.realm);
        if answered && !challenge.stale {
            return Err(Refused::WrongPassword { realm: realm() });
        }
        Ok(())
    }

    fn remember(&mut self, origin: Origin, challenge: Challenge) {
        let same = |grant: &Grant| grant.origin == origin && grant.challenge.realm == challenge.realm;
        if let Some(grant) = self.grants.iter_mut().find(|grant| same(grant)) {
            // A nonce that is challenged again goes on with its count (RFC 7616 section 3.4).
            if grant.challenge.nonce != challenge.nonce || grant.challenge.algorithm != challenge.algorithm {
                grant.count = 0;
            }
            grant.challenge = challenge;
            return;
        }
        if self.grants.len() >= MAX_REALMS {
            self.grants.remove(0);
        }
        self.grants.push(Grant { origin, challenge, session_cnonce: String::new(), count: 0 });
    }
}

/// Reads every challenge; an unreadable header does not hide a readable one.
fn challenges_of(response: &Response, origin: Origin) -> Vec<Challenge> {
    let name = origin.challenge_header();
    response.headers.get_all(&name).filter_map(|value| Challenge::parse(value).ok()).flatten().collect()
}

/// Takes the strongest challenge of each realm (RFC 3261 section 22.3: forks challenge together).
fn choose(challenges: &[Challenge]) -> Result<Vec<Challenge>, Refused> {
    if challenges.is_empty() {
        return Err(Refused::NoChallenge);
    }
    let mut realms: Vec<&[u8]> = Vec::new();
    for challenge in challenges {
        if !realms.contains(&challenge.realm.as_slice()) && realms.len() < MAX_REALMS {
            realms.push(&challenge.realm);
        }
    }
    let chosen: Vec<Challenge> = realms
        .into_iter()
        .filter_map(|realm| {
            let of_realm: Vec<Challenge> =
                challenges.iter().filter(|challenge| challenge.realm == realm).cloned().collect();
            strongest(&of_realm).cloned()
        })
        .collect();
    if chosen.is_empty() {
        let offered = challenges.iter().map(offered_name).collect();
        return Err(Refused::Unsupported { offered });
    }
    Ok(chosen)
}

fn offered_name(challenge: &Challenge) -> String {
    match &challenge.algorithm {
        super::ChallengeAlgorithm::Unknown(name) => name.chars().take(40).collect(),
        known => known.known().map_or("MD5", super::Algorithm::name).to_owned() + " with an unknown qop",
    }
}

fn next_nonce(response: &Response, name: &str) -> Option<Vec<u8>> {
    let value = response.headers.get(&HeaderName::Other(name.to_owned()))?;
    // The header has no scheme; with one it reads like a challenge.
    let mut line = b"Digest realm=\"\", nonce=\"\", ".to_vec();
    line.extend_from_slice(value);
    let challenge = Challenge::parse(&line).ok()?.pop()?;
    challenge.others.into_iter().find(|(name, _)| name == "nextnonce").map(|(_, nonce)| nonce)
}

fn fresh_cnonce(rng: &mut ChaCha12Rng) -> String {
    let mut bytes = [0_u8; 16];
    rng.fill_bytes(&mut bytes);
    hex(&bytes)
}

fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
