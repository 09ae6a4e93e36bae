//! Which header names the caller, and when nobody is named.

use linecard_crm::{
    CallerNumber, DialPlan, Identity, IdentityHeaders, IdentitySource, Party, Withheld, choose_identity,
};

fn party(display: &str, uri: &str) -> Party {
    Party { display: Some(display.to_owned()), uri: uri.to_owned(), privacy: None }
}

fn from(uri: &str) -> IdentityHeaders {
    IdentityHeaders { from: party("Шлюз", uri), ..IdentityHeaders::default() }
}

fn chosen(headers: &IdentityHeaders) -> Identity {
    choose_identity(&DialPlan::default(), headers)
}

fn e164(number: &str) -> CallerNumber {
    CallerNumber::E164 { number: number.to_owned(), extension: None }
}

#[test]
fn the_asserted_identity_comes_before_remote_party_before_from() {
    let mut headers = from("sip:84950000001@pbx");
    assert_eq!(
        (chosen(&headers).number, chosen(&headers).source),
        (e164("+74950000001"), IdentitySource::From)
    );
    headers.remote_party = vec![party("РПИД", "sip:84950000002@pbx")];
    let remote = chosen(&headers);
    assert_eq!((remote.number, remote.source), (e164("+74950000002"), IdentitySource::RemoteParty));
    headers.asserted = vec![party("ПАИ", "sip:84950000003@pbx")];
    let asserted = chosen(&headers);
    assert_eq!((asserted.number, asserted.source), (e164("+74950000003"), IdentitySource::Asserted));
    assert_eq!(asserted.display.as_deref(), Some("ПАИ"));
    assert_eq!(asserted.received.as_deref(), Some("84950000003"), "as received");
}

#[test]
fn a_number_in_the_tel_uri_wins_over_a_name_in_the_sip_uri_of_the_same_header() {
    let mut headers = from("sip:trunk@pbx");
    headers.asserted = vec![party("А", "sip:alice@pbx"), party("А", "tel:+78312123456")];
    assert_eq!(chosen(&headers).number, e164("+78312123456"));
    headers.asserted.truncate(1);
    assert_eq!(chosen(&headers).number, CallerNumber::Other { text: "alice".to_owned() });
}

#[test]
fn an_anonymous_from_with_an_asserted_number_and_no_wish_for_privacy_is_known() {
    let mut headers = from("sip:anonymous@anonymous.invalid");
    headers.asserted = vec![party("А", "sip:+78312123456@pbx")];
    assert_eq!(chosen(&headers).number, e164("+78312123456"));
    headers.privacy = Some("none".to_owned());
    assert_eq!(chosen(&headers).number, e164("+78312123456"));
}

#[test]
fn a_caller_who_asks_for_privacy_stays_withheld() {
    for value in ["id", "id;critical", "critical; id", "ID", "user", "header;user"] {
        let mut headers = from("sip:anonymous@anonymous.invalid");
        headers.asserted = vec![party("Пётр", "sip:+78312123456@pbx")];
        headers.privacy = Some(value.to_owned());
        let identity = chosen(&headers);
        assert_eq!(identity.number, CallerNumber::Withheld { why: Withheld::Privacy }, "{value}");
        assert_eq!((identity.display, identity.received), (None, None), "{value}");
    }
    let mut headers = from("sip:+78312123456@pbx");
    headers.remote_party =
        vec![Party { privacy: Some("full".to_owned()), ..party("Пётр", "sip:+78312123456@pbx") }];
    assert_eq!(chosen(&headers).number, CallerNumber::Withheld { why: Withheld::Privacy });
    headers.remote_party[0].privacy = Some("off".to_owned());
    assert_eq!(chosen(&headers).number, e164("+78312123456"));
}

#[test]
fn an_anonymous_caller_is_withheld_and_shown_as_received() {
    let identity = chosen(&from("sip:anonymous@anonymous.invalid"));
    assert_eq!(identity.number, CallerNumber::Withheld { why: Withheld::Anonymous });
    assert_eq!(identity.received.as_deref(), Some("anonymous"));
    assert_eq!((identity.display.clone(), identity.to_number()), (None, None));
}

#[test]
fn hostile_display_names_stay_bounded_text_without_control_characters() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora/hostile/display-names.jsonl");
    let corpus = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("corpus {path}: {error}"));
    let mut lines = 0;
    for line in corpus.lines().filter(|line| !line.trim().is_empty()) {
        lines += 1;
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = row["display_name"].as_str().unwrap();
        let mut headers = from("sip:+78312123456@pbx");
        headers.from.display = Some(name.to_owned());
        let identity = chosen(&headers);
        assert_eq!(identity.number, e164("+78312123456"));
        let shown = identity.display.unwrap_or_default();
        assert!(shown.chars().count() <= 128 && !shown.chars().any(char::is_control), "{line}");
        assert!(
            name.contains("\u{202e}") || name.chars().any(char::is_control) || name.contains(&shown),
            "{line}"
        );
    }
    assert!(lines > 10, "only {lines} names");
}
