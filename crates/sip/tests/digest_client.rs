//! Digest as client: published vectors, choice of challenges, bounds.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that meets the unexpected fails"
)]

use linecard_sip::digest::{
    Algorithm, Attempt, Challenge, ChallengeAlgorithm, Credentials, DigestClient, Refused, Use, strongest,
};
use linecard_sip::message::{HeaderName, Method, Request, Response, StatusCode};
use linecard_sip::uri::Uri;
use proptest::prelude::*;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

fn credentials(username: &str, password: &str) -> Credentials {
    Credentials { username: username.into(), password: password.into() }
}

fn alice() -> Credentials {
    credentials("alice", "s3cret")
}

fn parse_one(value: &str) -> Challenge {
    let mut challenges = Challenge::parse(value.as_bytes()).unwrap();
    assert_eq!(challenges.len(), 1, "{value}");
    challenges.remove(0)
}

/// Reads a parameter of a credentials header as the server would, unescaped.
fn param(value: &[u8], name: &str) -> Option<String> {
    // Credentials read like a challenge with other parameters.
    let challenge = Challenge::parse(value).unwrap().remove(0);
    match name {
        "realm" => Some(String::from_utf8(challenge.realm).unwrap()),
        "nonce" => Some(String::from_utf8(challenge.nonce).unwrap()),
        "opaque" => challenge.opaque.map(|opaque| String::from_utf8(opaque).unwrap()),
        _ => challenge
            .others
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| String::from_utf8(value.clone()).unwrap()),
    }
}

fn answer_once(challenge: &str, who: &Credentials, method: &str, uri: &str, cnonce: &str) -> Vec<u8> {
    let usage = Use { method, uri, body: b"", cnonce, session_cnonce: cnonce, count: 1 };
    parse_one(challenge).authorization(who, &usage).unwrap()
}

#[test]
fn the_example_of_rfc_2617_is_answered_as_published() {
    let value = answer_once(
        r#"Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#,
        &credentials("Mufasa", "Circle Of Life"),
        "GET",
        "/dir/index.html",
        "0a4f113b",
    );
    assert_eq!(param(&value, "response").unwrap(), "6629fae49393a05397450978507c4ef1");
    assert_eq!(param(&value, "opaque").unwrap(), "5ccc069c403ebaf9f0171e9517f40e41");
    assert_eq!(param(&value, "nc").unwrap(), "00000001");
}

#[test]
fn the_examples_of_rfc_7616_are_answered_as_published() {
    let expected = [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ];
    for (algorithm, response) in expected {
        let value = answer_once(
            &format!(
                r#"Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#
            ),
            &credentials("Mufasa", "Circle of Life"),
            "GET",
            "/dir/index.html",
            "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        );
        assert_eq!(param(&value, "response").unwrap(), response, "{algorithm}");
    }
}

/// The RFC printed a truncated SHA-512 here; erratum 4897 has the values of SHA-512/256.
#[test]
fn the_sha_512_256_example_of_rfc_7616_is_answered_as_its_erratum_says() {
    let value = answer_once(
        r#"Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8"#,
        &credentials("J\u{e4}s\u{f8}n Doe", "Secret, or not?"),
        "GET",
        "/doe.json",
        "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    );
    let response = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5";
    assert_eq!(param(&value, "response").unwrap(), response);
}

/// Values computed with OpenSSL: A1, A2 and the rest joined and hashed as RFC 7616 section 3.4 says.
const VECTORS: [(&str, &str, &str); 14] = [
    ("MD5", "auth", "61eea4145323689d22880b74ee51556a"),
    ("MD5-sess", "auth", "914a4bb665ce4fb784b72baf94394d0a"),
    ("MD5", "auth-int", "4219754adc1c28fea589762c699fb9b6"),
    ("MD5-sess", "auth-int", "150b08abc195be64657cb1c3b03f2d38"),
    ("MD5", "", "617abd50c5f961c1e23fbe2fda054f47"),
    ("SHA-256", "auth", "8f0be6574cbd1010a607be03eb9c9fb3db37d1dc9aea4d1be727eab2bbda4c76"),
    ("SHA-256-sess", "auth", "13fbefa1bf8d04d455b585d2b122f128c532bc71d029fd85f0335a0d4d9a175c"),
    ("SHA-256", "auth-int", "5be55083e719de85fea08fde0df92b57b6e8787f175c3f678286fb526d12a5a5"),
    ("SHA-256-sess", "auth-int", "03a977d7876482268fcf45bb40aff3fcae10881a04b8ada5b9cb56c2d9c9447e"),
    ("SHA-512-256", "auth", "27e7bb878f9402c8b27b8be365d2f4131016d23b6c6fd7592d55d71bec3accbe"),
    ("SHA-512-256-sess", "auth", "c967304bb879c3f958eaaf49aae3723b4c9829c070a1f27168afd76c2e75b627"),
    ("SHA-512-256", "auth-int", "ea6460999dc6a86a81a4eb0b79e623fc7ebd17f523b1378fa3562b03c758c749"),
    ("SHA-512-256-sess", "auth-int", "6901ca75095f7dfa597b39996220704ed4e01f1e653a2f6ea18943a017267cb3"),
    ("SHA-512-256", "", "7427eba12bbaa9248d76cb45fb4803f05077e3c27d9bbbf92fcb03df9621567a"),
];

#[test]
fn every_algorithm_and_protection_gives_what_openssl_computes() {
    for (algorithm, qop, response) in VECTORS {
        let qop_param = if qop.is_empty() { String::new() } else { format!(", qop=\"{qop}\"") };
        let challenge = parse_one(&format!(
            "Digest realm=\"pbx.example\", nonce=\"n0nce\", algorithm={algorithm}{qop_param}"
        ));
        let usage = Use {
            method: "REGISTER",
            uri: "sip:pbx.example",
            body: b"body",
            cnonce: "c0nce",
            session_cnonce: "c0nce",
            count: 2,
        };
        let value = challenge.authorization(&alice(), &usage).unwrap();
        assert_eq!(param(&value, "response").unwrap(), response, "{algorithm} {qop}");
        assert_eq!(param(&value, "nc").is_some(), !qop.is_empty(), "{algorithm} {qop}");
    }
}

#[test]
fn a_challenge_without_qop_and_algorithm_gets_the_old_form() {
    let value =
        answer_once(r#"Digest realm="r", nonce="n""#, &alice(), "REGISTER", "sip:pbx.example", "c0nce");
    for absent in ["qop", "nc", "cnonce", "algorithm"] {
        assert!(!String::from_utf8_lossy(&value).contains(&format!("{absent}=")), "{absent}");
    }
}

#[test]
fn quotes_and_backslashes_in_realm_and_user_are_escaped_on_the_wire_and_bare_in_the_hash() {
    let who = credentials(r#"al"i\ce"#, "pw");
    let value = answer_once(r#"Digest realm="a \"b\" \\c", nonce="n""#, &who, "REGISTER", "sip:p", "c");
    let text = String::from_utf8(value.clone()).unwrap();
    assert!(text.contains(r#"username="al\"i\\ce""#), "{text}");
    assert!(text.contains(r#"realm="a \"b\" \\c""#), "{text}");
    assert_eq!(param(&value, "realm").unwrap(), r#"a "b" \c"#);
    // md5 of `md5(al"i\ce:a "b" \c:pw):n:md5(REGISTER:sip:p)`, by OpenSSL.
    assert_eq!(param(&value, "response").unwrap(), "265947197416822f08ebd3464c96eb65");
}

#[test]
fn a_line_break_in_a_user_name_begins_no_header() {
    let who = credentials("al\r\nVia: x", "pw");
    let value = answer_once(r#"Digest realm="r", nonce="n""#, &who, "REGISTER", "sip:p", "c");
    assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n')));
}

#[test]
fn sloppy_challenges_are_read() {
    let challenge =
        parse_one("dIgEsT  REALM = pbx ,nonce=abc==,  stale=TRUE, qop=auth ,algorithm=\"md5\",,x=y");
    assert_eq!(challenge.realm, b"pbx");
    assert_eq!(challenge.nonce, b"abc==");
    assert!(challenge.stale);
    assert_eq!(challenge.algorithm, ChallengeAlgorithm::Known(Algorithm::Md5));
    assert_eq!(challenge.others, [("x".to_owned(), b"y".to_vec())]);
}

#[test]
fn several_challenges_in_one_header_are_told_apart() {
    let value = br#"Basic realm="x", Digest realm="a", nonce="1", Digest realm="b", nonce="2""#;
    let challenges = Challenge::parse(value).unwrap();
    let realms: Vec<&[u8]> = challenges.iter().map(|c| c.realm.as_slice()).collect();
    assert_eq!(realms, [b"a", b"b"]);
}

#[test]
fn the_strongest_supported_challenge_is_taken() {
    let parse = |algorithm: &str| {
        parse_one(&format!("Digest realm=\"r\", nonce=\"{algorithm}\", qop=\"auth\", algorithm={algorithm}"))
    };
    let all = ["MD5", "SHA-256", "AKAv2-MD5", "SHA-512-256", "MD5-sess"].map(parse);
    assert_eq!(strongest(&all).unwrap().nonce, b"SHA-512-256");
    assert_eq!(strongest(&all[..3]).unwrap().nonce, b"SHA-256");
    assert_eq!(strongest(&all[2..3]), None);
}

fn register() -> Request {
    Request::new(Method::Register, Uri::parse(b"sip:pbx.example").unwrap())
}

fn challenged(status: u16, challenges: &[&str]) -> Response {
    let mut response = Response::new(StatusCode::new(status).unwrap());
    let name = if status == 407 { HeaderName::ProxyAuthenticate } else { HeaderName::WwwAuthenticate };
    for challenge in challenges {
        response.headers.push(name.clone(), *challenge);
    }
    response
}

struct Account {
    client: DigestClient,
    rng: ChaCha12Rng,
    request: Request,
    attempt: Attempt,
}

impl Account {
    fn new() -> Self {
        Self {
            client: DigestClient::new(alice()),
            rng: ChaCha12Rng::seed_from_u64(1),
            request: register(),
            attempt: Attempt::default(),
        }
    }

    fn answer(&mut self, response: &Response) -> Result<(), Refused> {
        self.client.answer(&mut self.attempt, &mut self.request, response, &mut self.rng)
    }

    fn next_request(&mut self) {
        self.request = register();
        self.attempt = Attempt::default();
        self.client.authorize(&mut self.request, &mut self.rng);
    }

    fn sent(&self, name: &HeaderName, wanted: &str) -> Vec<String> {
        self.request.headers.get_all(name).map(|value| param(value, wanted).unwrap()).collect()
    }
}

const OLD: &str = r#"Digest realm="r", nonce="1", qop="auth""#;
const FRESH: &str = r#"Digest realm="r", nonce="2", qop="auth""#;
const STALE: &str = r#"Digest realm="r", nonce="2", qop="auth", stale=true"#;

#[test]
fn a_401_is_answered_in_authorization_and_a_407_in_proxy_authorization() {
    let mut account = Account::new();
    account.answer(&challenged(401, &[OLD])).unwrap();
    assert_eq!(account.sent(&HeaderName::Authorization, "nonce"), ["1"]);
    account.answer(&challenged(407, &[FRESH])).unwrap();
    assert_eq!(account.sent(&HeaderName::ProxyAuthorization, "nonce"), ["2"]);
    assert_eq!(account.sent(&HeaderName::Authorization, "nonce"), ["1"], "the first proof stays");
    assert_eq!(account.sent(&HeaderName::Authorization, "nc"), ["00000002"]);
}

#[test]
fn of_two_challenges_for_one_realm_only_the_strongest_is_answered() {
    let mut account = Account::new();
    let strong = r#"Digest realm="r", nonce="s", qop="auth", algorithm=SHA-256"#;
    account.answer(&challenged(401, &[OLD, strong])).unwrap();
    assert_eq!(account.sent(&HeaderName::Authorization, "nonce"), ["s"]);
}

#[test]
fn challenges_of_two_realms_are_both_answered() {
    let mut account = Account::new();
    let other = r#"Digest realm="other", nonce="o", qop="auth""#;
    account.answer(&challenged(407, &[OLD, other])).unwrap();
    assert_eq!(account.sent(&HeaderName::ProxyAuthorization, "realm"), ["r", "other"]);
}

#[test]
fn a_nonce_in_use_is_sent_unasked_with_a_rising_count() {
    let mut account = Account::new();
    account.answer(&challenged(401, &[OLD])).unwrap();
    let mut counts = account.sent(&HeaderName::Authorization, "nc");
    for _ in 0..10 {
        account.next_request();
        counts.extend(account.sent(&HeaderName::Authorization, "nc"));
    }
    let expected: Vec<String> = (1..=11).map(|count| format!("{count:08x}")).collect();
    assert_eq!(counts, expected);
}

#[test]
fn a_new_nonce_begins_its_count_anew() {
    let mut account = Account::new();
    account.answer(&challenged(401, &[OLD])).unwrap();
    account.next_request();
    account.answer(&challenged(401, &[FRESH])).unwrap();
    assert_eq!(account.sent(&HeaderName::Authorization, "nonce"), ["2"]);
    assert_eq!(account.sent(&HeaderName::Authorization, "nc"), ["00000001"]);
}

#[test]
fn the_session_key_keeps_the_first_cnonce_of_its_nonce() {
    let mut account = Account::new();
    let session = r#"Digest realm="r", nonce="1", qop="auth", algorithm=MD5-sess"#;
    account.answer(&challenged(401, &[session])).unwrap();
    let first = account.sent(&HeaderName::Authorization, "cnonce");
    account.next_request();
    assert_eq!(account.sent(&HeaderName::Authorization, "cnonce"), first);
    let stale = r#"Digest realm="r", nonce="2", qop="auth", algorithm=MD5-sess, stale=true"#;
    account.answer(&challenged(401, &[stale])).unwrap();
    assert_ne!(account.sent(&HeaderName::Authorization, "cnonce"), first);
}

#[test]
fn a_second_challenge_that_is_not_stale_means_a_wrong_password() {
    let mut account = Account::new();
    account.answer(&challenged(401, &[OLD])).unwrap();
    let refused = account.answer(&challenged(401, &[FRESH])).unwrap_err();
    assert_eq!(refused, Refused::WrongPassword { realm: "r".into() });
}

#[test]
fn a_stale_nonce_is_no_wrong_password() {
    let mut account = Account::new();
    account.answer(&challenged(401, &[OLD])).unwrap();
    account.answer(&challenged(401, &[STALE])).unwrap();
    assert_eq!(account.sent(&HeaderName::Authorization, "nonce"), ["2"]);
}

#[test]
fn a_rejected_unasked_proof_is_answered_once_more() {
    let mut account = Account::new();
    account.answer(&challenged(401, &[OLD])).unwrap();
    account.next_request();
    account.answer(&challenged(401, &[FRESH])).unwrap();
    assert!(matches!(account.answer(&challenged(401, &[FRESH])), Err(Refused::WrongPassword { .. })));
}

#[test]
fn at_most_two_challenges_in_a_row_are_answered() {
    let mut account = Account::new();
    account.answer(&challenged(401, &[OLD])).unwrap();
    account.answer(&challenged(401, &[STALE])).unwrap();
    let again = r#"Digest realm="r", nonce="3", qop="auth", stale=true"#;
    assert_eq!(account.answer(&challenged(401, &[again])), Err(Refused::TooMany));
}

#[test]
fn a_changed_realm_is_answered_within_the_same_bound() {
    let mut account = Account::new();
    account.answer(&challenged(401, &[OLD])).unwrap();
    let moved = r#"Digest realm="moved", nonce="m", qop="auth""#;
    account.answer(&challenged(401, &[moved])).unwrap();
    assert!(account.sent(&HeaderName::Authorization, "realm").contains(&"moved".to_owned()));
    let third = r#"Digest realm="third", nonce="t", qop="auth""#;
    assert_eq!(account.answer(&challenged(401, &[third])), Err(Refused::TooMany));
}

#[test]
fn an_unsupported_algorithm_is_refused_by_name() {
    let mut account = Account::new();
    let foreign = r#"Digest realm="r", nonce="1", algorithm=AKAv1-MD5"#;
    let refused = account.answer(&challenged(401, &[foreign])).unwrap_err();
    assert_eq!(refused, Refused::Unsupported { offered: vec!["AKAv1-MD5".into()] });
    assert_eq!(refused.to_string(), "the peer offers no supported digest algorithm, only: AKAv1-MD5");
    assert!(account.request.headers.get(&HeaderName::Authorization).is_none());
}

#[test]
fn a_401_without_a_digest_challenge_is_refused() {
    let mut account = Account::new();
    assert_eq!(account.answer(&challenged(401, &[])), Err(Refused::NoChallenge));
    assert_eq!(account.answer(&challenged(401, &["Basic realm=\"r\""])), Err(Refused::NoChallenge));
    assert_eq!(account.answer(&challenged(401, &["Digest nonce=\"1\""])), Err(Refused::NoChallenge));
}

#[test]
fn a_stranger_s_realm_gets_no_proof() {
    let mut account = Account::new();
    account.client = account.client.only_realms(vec![b"r".to_vec()]);
    let stranger = r#"Digest realm="evil", nonce="1""#;
    let refused = account.answer(&challenged(401, &[stranger])).unwrap_err();
    assert_eq!(refused, Refused::ForeignRealm { realm: "evil".into() });
    account.answer(&challenged(401, &[OLD])).unwrap();
}

#[test]
fn the_nonce_of_authentication_info_is_used_next() {
    let mut account = Account::new();
    account.answer(&challenged(401, &[OLD])).unwrap();
    let mut ok = Response::new(StatusCode::OK);
    ok.headers.push(HeaderName::Other("Authentication-Info".into()), r#"qop=auth, nextnonce="next""#);
    account.client.accepted(&ok);
    account.next_request();
    assert_eq!(account.sent(&HeaderName::Authorization, "nonce"), ["next"]);
    assert_eq!(account.sent(&HeaderName::Authorization, "nc"), ["00000001"]);
}

#[test]
fn a_password_is_never_printed_by_debug() {
    let client = DigestClient::new(credentials("alice", "hunter2"));
    assert!(!format!("{client:?}").contains("hunter2"));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(value in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Challenge::parse(&value);
    }

    #[test]
    fn what_is_written_reads_back(realm in "[ -~]{0,30}", nonce in "[ -~]{1,30}", user in "[ -~]{1,20}") {
        let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let challenge = parse_one(&format!("Digest realm=\"{}\", nonce=\"{}\"", quote(&realm), quote(&nonce)));
        prop_assert_eq!(&challenge.realm, realm.as_bytes());
        let usage =
            Use { method: "REGISTER", uri: "sip:p", body: b"", cnonce: "c", session_cnonce: "c", count: 1 };
        let value = challenge.authorization(&credentials(&user, "pw"), &usage).unwrap();
        prop_assert_eq!(param(&value, "realm").unwrap(), realm);
        prop_assert_eq!(param(&value, "nonce").unwrap(), nonce);
        prop_assert_eq!(param(&value, "username").unwrap(), user);
    }
}
