//! Digest as server: who is let in, what is asked for, and what hostile credentials get.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that meets the unexpected fails"
)]

use std::net::IpAddr;
use std::time::{Duration, Instant};

use linecard_sip::digest::{
    Attempt, Challenge, Credentials, CredentialsError, DigestClient, Offer, Origin, Refusal, Secret,
    Verifier, VerifierConfig,
};
use linecard_sip::message::{HeaderName, Method, Request, Response};
use linecard_sip::uri::Uri;
use proptest::prelude::*;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

const REALM: &str = "linecard";
const LIFETIME: Duration = Duration::from_secs(300);

/// A verifier with one account, and a phone that has its password.
struct Pair {
    verifier: Verifier,
    phone: DigestClient,
    rng: ChaCha12Rng,
    now: Instant,
    from: IpAddr,
}

fn config(key: u8, offer: Offer) -> VerifierConfig {
    VerifierConfig { realm: REALM.to_owned(), key: [key; 32], offer, nonce_lifetime: LIFETIME }
}

fn phone_with(password: &str) -> DigestClient {
    DigestClient::new(Credentials { username: "p7".to_owned(), password: password.to_owned() })
}

fn secret_of(name: &str) -> Option<Secret> {
    (name == "p7").then(|| Secret::of("p7", REALM, "right"))
}

fn register() -> Request {
    Request::new(Method::Register, Uri::parse(b"sip:192.0.2.1").unwrap())
}

impl Pair {
    fn new(password: &str) -> Self {
        let now = Instant::now();
        Self {
            verifier: Verifier::new(config(1, Offer::Sha256AndMd5), now),
            phone: phone_with(password),
            rng: ChaCha12Rng::seed_from_u64(7),
            now,
            from: "192.0.2.9".parse().unwrap(),
        }
    }

    fn judge(&mut self, request: &Request) -> Result<String, Refusal> {
        self.verifier.verify(request, Origin::Server, self.from, secret_of, self.now)
    }

    fn challenge(&mut self, request: &Request, why: &Refusal) -> Response {
        self.verifier.refuse(request, why, Origin::Server, self.from, self.now)
    }

    /// Asks, is challenged, and asks again.
    fn answered(&mut self, mut request: Request) -> Request {
        let challenge = self.challenge(&request, &Refusal::Absent);
        let (phone, rng) = (&mut self.phone, &mut self.rng);
        phone.answer(&mut Attempt::default(), &mut request, &challenge, rng).unwrap();
        request
    }
}

fn wrong() -> Refusal {
    Refusal::Wrong { username: "p7".to_owned() }
}

fn stale() -> Refusal {
    Refusal::Stale { username: "p7".to_owned() }
}

fn authorization(request: &Request) -> String {
    String::from_utf8(request.headers.get(&HeaderName::Authorization).unwrap().to_vec()).unwrap()
}

fn with_authorization(value: &str) -> Request {
    let mut request = register();
    request.headers.set(HeaderName::Authorization, value);
    request
}

#[test]
fn who_has_the_password_is_let_in_and_nobody_else() {
    let mut pair = Pair::new("right");
    assert_eq!(pair.judge(&register()), Err(Refusal::Absent));
    let request = pair.answered(register());
    assert_eq!(pair.judge(&request), Ok("p7".to_owned()));

    let mut guesser = Pair::new("guess");
    let request = guesser.answered(register());
    assert_eq!(guesser.judge(&request), Err(wrong()));
}

#[test]
fn the_stronger_algorithm_is_offered_first_and_a_phone_that_knows_only_md5_gets_in() {
    let mut pair = Pair::new("right");
    let response = pair.challenge(&register(), &Refusal::Absent);
    assert_eq!(response.status.get(), 401);
    let offered: Vec<Challenge> = response
        .headers
        .get_all(&HeaderName::WwwAuthenticate)
        .flat_map(|value| Challenge::parse(value).unwrap())
        .collect();
    let names: Vec<_> = offered.iter().map(|challenge| challenge.supported().unwrap().name()).collect();
    assert_eq!(names, ["SHA-256", "MD5"]);

    let mut old = response.clone();
    let md5 = old.headers.get_all(&HeaderName::WwwAuthenticate).nth(1).unwrap().to_vec();
    old.headers.set(HeaderName::WwwAuthenticate, md5);
    let mut request = register();
    pair.phone.answer(&mut Attempt::default(), &mut request, &old, &mut pair.rng).unwrap();
    assert!(authorization(&request).contains("algorithm=MD5"));
    assert_eq!(pair.judge(&request), Ok("p7".to_owned()));

    pair.verifier = Verifier::new(config(1, Offer::Md5), pair.now);
    let alone = pair.challenge(&register(), &Refusal::Absent);
    assert_eq!(
        alone.headers.get_all(&HeaderName::WwwAuthenticate).count(),
        1,
        "some refuse what has another"
    );
    pair.verifier = Verifier::new(config(1, Offer::Sha256), pair.now);
    let unusable = CredentialsError::Unusable { parameter: "algorithm" };
    assert_eq!(pair.judge(&request), Err(Refusal::Malformed(unusable)));
}

#[test]
fn a_proxy_challenges_by_407_and_reads_its_own_header() {
    let mut pair = Pair::new("right");
    let mut invite = Request::new(Method::Invite, Uri::parse(b"sip:84951234567@192.0.2.1").unwrap());
    let challenge = pair.verifier.refuse(&invite, &Refusal::Absent, Origin::Proxy, pair.from, pair.now);
    assert_eq!(challenge.status.get(), 407);
    pair.phone.answer(&mut Attempt::default(), &mut invite, &challenge, &mut pair.rng).unwrap();
    let judged = pair.verifier.verify(&invite, Origin::Proxy, pair.from, secret_of, pair.now);
    assert_eq!(judged, Ok("p7".to_owned()));
    assert_eq!(pair.judge(&invite), Err(Refusal::Absent));
}

#[test]
fn an_unknown_account_gets_what_a_wrong_password_gets() {
    let mut pair = Pair::new("right");
    let mut stranger = DigestClient::new(Credentials { username: "nobody".into(), password: "right".into() });
    let (mut request, challenge) = (register(), pair.challenge(&register(), &Refusal::Absent));
    stranger.answer(&mut Attempt::default(), &mut request, &challenge, &mut pair.rng).unwrap();
    let refused = pair.judge(&request).unwrap_err();
    assert_eq!(refused, Refusal::Wrong { username: "nobody".to_owned() });

    let shape = |response: &Response| -> Vec<String> {
        let without_nonce = |value: &[u8]| {
            let text = String::from_utf8(value.to_vec()).unwrap();
            let nonce = text.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
            text.replace(&nonce, "")
        };
        response.headers.get_all(&HeaderName::WwwAuthenticate).map(without_nonce).collect()
    };
    let unknown = pair.challenge(&request, &refused);
    let guessed = pair.challenge(&request, &wrong());
    assert_eq!((unknown.status, shape(&unknown)), (guessed.status, shape(&guessed)));
}

#[test]
fn credentials_are_taken_once_and_their_count_has_to_rise() {
    let mut pair = Pair::new("right");
    let first = pair.answered(register());
    assert_eq!(pair.judge(&first), Ok("p7".to_owned()));
    assert_eq!(pair.judge(&first), Err(stale()), "a repetition by somebody who listened");

    let mut second = register();
    pair.phone.authorize(&mut second, &mut pair.rng);
    assert!(authorization(&second).contains("nc=00000002"));
    assert_eq!(pair.judge(&second), Ok("p7".to_owned()));
    assert_eq!(pair.judge(&first), Err(stale()), "an older one");
}

#[test]
fn a_nonce_that_is_old_or_of_an_earlier_process_or_of_another_address_is_stale() {
    let mut pair = Pair::new("right");
    let request = pair.answered(register());
    pair.now += LIFETIME + Duration::from_millis(1);
    assert_eq!(pair.judge(&request), Err(stale()));
    let response = pair.challenge(&request, &stale());
    let challenge = Challenge::parse(response.headers.get(&HeaderName::WwwAuthenticate).unwrap()).unwrap();
    assert!(challenge[0].stale);

    // A phone that is told so goes on by itself with the password that it has.
    let mut again = register();
    pair.phone.answer(&mut Attempt::default(), &mut again, &response, &mut pair.rng).unwrap();
    assert_eq!(pair.judge(&again), Ok("p7".to_owned()));

    let request = pair.answered(register());
    pair.verifier = Verifier::new(config(2, Offer::Sha256AndMd5), pair.now);
    assert_eq!(pair.judge(&request), Err(stale()), "the key of another process");

    let request = pair.answered(register());
    pair.from = "192.0.2.10".parse().unwrap();
    assert_eq!(pair.judge(&request), Err(stale()), "another address");
}

#[test]
fn a_wrong_password_on_a_nonce_that_is_no_good_is_neither_stale_nor_blamed_on_anybody() {
    let mut pair = Pair::new("guess");
    let request = pair.answered(register());
    pair.now += LIFETIME * 2;
    assert_eq!(pair.judge(&request), Err(Refusal::Absent), "old");
    let request = pair.answered(register());
    pair.from = "192.0.2.10".parse().unwrap();
    assert_eq!(pair.judge(&request), Err(Refusal::Absent), "somebody who only writes another address");
}

#[test]
fn what_is_remembered_of_nonces_is_bounded_and_what_is_forgotten_is_refused() {
    let mut pair = Pair::new("right");
    let first = pair.answered(register());
    assert_eq!(pair.judge(&first), Ok("p7".to_owned()));
    for _ in 0..16_384 {
        let request = pair.answered(register());
        assert_eq!(pair.judge(&request), Ok("p7".to_owned()));
    }
    assert_eq!(pair.judge(&first), Err(stale()));
}

#[test]
fn credentials_for_another_request_are_refused() {
    let mut pair = Pair::new("right");
    let mut invite = Request::new(Method::Invite, Uri::parse(b"sip:101@192.0.2.1").unwrap());
    invite = pair.answered(invite);
    let mut other = invite.clone();
    other.uri = Uri::parse(b"sip:102@192.0.2.1").unwrap();
    let unusable = CredentialsError::Unusable { parameter: "uri" };
    assert_eq!(pair.judge(&other), Err(Refusal::Malformed(unusable)));
    other = invite.clone();
    other.method = Method::Register;
    assert_eq!(pair.judge(&other), Err(wrong()));
    // Phones write a port or a transport into one of both places only.
    other = invite.clone();
    other.uri = Uri::parse(b"sip:101@192.0.2.1:5060;transport=udp").unwrap();
    assert_eq!(pair.judge(&other), Ok("p7".to_owned()));
}

#[test]
fn malformed_credentials_are_refused_with_what_is_wrong() {
    let mut pair = Pair::new("right");
    let good = authorization(&pair.answered(register()));
    let missing = |parameter| CredentialsError::Missing { parameter };
    let doubled = |parameter| CredentialsError::Doubled { parameter };
    let unusable = |parameter| CredentialsError::Unusable { parameter };
    let cases = [
        (good.replace("qop=auth", "x=y"), missing("qop")),
        (good.replace("qop=auth", "qop=auth-int"), unusable("qop")),
        (good.replace("nc=00000001", "x=y"), missing("nc")),
        (good.replace("nc=00000001", "nc=1"), unusable("nc")),
        (good.replace("nc=00000001", "nc=+0000001"), unusable("nc")),
        (good.replace("username=\"p7\"", "username=\"\""), unusable("username")),
        (good.replace("username=\"p7\"", &format!("username=\"{}\"", "a".repeat(257))), unusable("username")),
        (format!("{good}, nonce=\"again\""), doubled("nonce")),
        (format!("{good}, realm=\"linecard\""), doubled("realm")),
        (format!("{good}, userhash=true"), unusable("userhash")),
        (good.replace("algorithm=SHA-256", "algorithm=SHA-256-sess"), unusable("algorithm")),
        (good.replace("algorithm=SHA-256", "algorithm=ROT13"), unusable("algorithm")),
        (good.replace("opaque=\"", "opaque=\"0"), unusable("opaque")),
        (good.replace("realm=\"linecard\"", "x=y"), missing("realm")),
    ];
    for (value, expected) in cases {
        let request = with_authorization(&value);
        let refused = pair.judge(&request).unwrap_err();
        assert_eq!(refused, Refusal::Malformed(expected), "{value}");
        let response = pair.challenge(&request, &refused);
        assert_eq!((response.status.get(), response.reason), (400, expected.to_string().into_bytes()));
    }
    for value in ["Digest username=\"p7", "=", "Digest =,", &"a".repeat(9000)] {
        let refused = pair.judge(&with_authorization(value)).unwrap_err();
        assert!(matches!(refused, Refusal::Malformed(_)), "{value}: {refused:?}");
    }
    for value in ["Basic cDc6cmlnaHQ=", &good.replace("realm=\"linecard\"", "realm=\"elsewhere\"")] {
        assert_eq!(pair.judge(&with_authorization(value)), Err(Refusal::Absent), "{value}");
    }
    assert_eq!(pair.judge(&with_authorization(&good)), Ok("p7".to_owned()), "none of it spoiled the nonce");
}

#[test]
fn our_credentials_are_found_beside_those_of_other_realms() {
    let mut pair = Pair::new("right");
    let mut request = pair.answered(register());
    let foreign = authorization(&request).replace("realm=\"linecard\"", "realm=\"elsewhere\"");
    request.headers.push_front(HeaderName::Authorization, foreign);
    request.headers.push_front(HeaderName::Authorization, "Digest nonsense");
    assert_eq!(pair.judge(&request), Ok("p7".to_owned()));
}

#[test]
fn a_secret_is_read_back_as_it_was_kept_and_never_printed() {
    let secret = Secret::of("p7", REALM, "right");
    assert_eq!(Secret::from_hex(secret.md5(), secret.sha256()), Some(secret.clone()));
    assert_eq!(Secret::from_hex(secret.sha256(), secret.md5()), None);
    assert_eq!(format!("{secret:?}"), "Secret { .. }");
}

proptest! {
    #[test]
    fn no_bytes_get_in_or_make_it_stumble(value in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut pair = Pair::new("right");
        let mut request = register();
        request.headers.set(HeaderName::Authorization, [b"Digest ".to_vec(), value].concat());
        let refused = pair.judge(&request).unwrap_err();
        pair.challenge(&request, &refused);
    }

    #[test]
    fn any_change_of_a_byte_of_nonce_or_response_lets_nobody_in(place in 0_usize..64, which in any::<bool>()) {
        let mut pair = Pair::new("right");
        let good = authorization(&pair.answered(register()));
        let mark = if which { "nonce=\"" } else { "response=\"" };
        let at = good.find(mark).unwrap() + mark.len() + place;
        let mut bytes = good.into_bytes();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        let request = with_authorization(&String::from_utf8(bytes).unwrap());
        let expected = if which { Refusal::Absent } else { wrong() };
        prop_assert_eq!(pair.judge(&request), Err(expected));
    }
}
