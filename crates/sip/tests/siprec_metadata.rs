//! Recording metadata as the RFC and its vendors write it, and what a session of documents comes to.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use linecard_sip::siprec::{DataMode, Metadata, MetadataError, Party, RecordedSession};
use proptest::prelude::*;

const RFC: &str = include_str!("siprec/rfc7865.xml");
const PARTIAL: &str = include_str!("siprec/rfc7865_transfer.xml");
const ORACLE: &str = include_str!("siprec/oracle.xml");
const CUBE: &str = include_str!("siprec/cube.xml");
const BROADWORKS: &str = include_str!("siprec/broadworks.xml");
const METASWITCH: &str = include_str!("siprec/metaswitch.xml");
const OPENSIPS: &str = include_str!("siprec/opensips.xml");

fn read(text: &str) -> Metadata {
    Metadata::parse(text.as_bytes()).unwrap()
}

fn session(documents: &[&str]) -> RecordedSession {
    let mut session = RecordedSession::default();
    for document in documents {
        session.take(read(document));
    }
    session
}

fn here(session: &RecordedSession) -> Vec<&str> {
    session.present().map(|party| party.who.aors[0].as_str()).collect()
}

fn labels<'a>(session: &'a RecordedSession, party: &'a Party) -> Vec<&'a str> {
    session.labels_of(party).collect()
}

#[test]
fn the_document_of_the_rfc_tells_who_sends_which_stream_since_when() {
    let it = read(RFC);
    assert_eq!((it.mode, it.group.as_deref()), (DataMode::Complete, Some("7+OTCyoxTmqmqyA/1weDAg==")));
    assert_eq!(it.sessions[0].sip_session_ids.len(), 1);
    let session = session(&[RFC]);
    assert_eq!(here(&session), ["sip:+78312123456@trunk.example", "sip:201@pbx.example"]);
    assert_eq!(session.parties[0].who.name.as_deref(), Some("Иван"));
    assert_eq!(session.parties[0].associated.as_deref(), Some("2026-11-30T09:00:00Z"));
    assert_eq!(labels(&session, &session.parties[0]), ["96"]);
    assert_eq!(labels(&session, &session.parties[1]), ["97"]);
}

#[test]
fn a_partial_document_changes_what_it_names_and_nothing_else() {
    let session = session(&[RFC, PARTIAL]);
    assert_eq!(here(&session), ["sip:+78312123456@trunk.example", "sip:202@pbx.example"]);
    assert_eq!(session.parties[1].disassociated.as_deref(), Some("2026-11-30T09:01:00Z"));
    assert_eq!(labels(&session, &session.parties[0]), ["96"]);
    assert_eq!(labels(&session, &session.parties[2]), ["97"]);
}

#[test]
fn a_complete_document_replaces_what_was_told() {
    let session = session(&[RFC, PARTIAL, RFC]);
    assert_eq!(here(&session), ["sip:+78312123456@trunk.example", "sip:201@pbx.example"]);
    assert_eq!(session.parties.len(), 3, "who was there is not forgotten");
}

#[test]
fn each_vendor_is_read_as_it_writes() {
    for (name, text, labels_told) in [
        ("oracle", ORACLE, [vec!["65804"], vec!["65805"]]),
        ("cube", CUBE, [vec!["1"], vec!["2"]]),
        ("broadworks", BROADWORKS, [vec!["1"], vec!["2"]]),
        ("metaswitch", METASWITCH, [vec!["inbound"], vec!["outbound"]]),
        ("opensips", OPENSIPS, [vec!["0"], vec!["1"]]),
    ] {
        let session = session(&[text]);
        assert_eq!(session.present().count(), 2, "{name}");
        let aors: Vec<&String> = session.present().flat_map(|party| &party.who.aors).collect();
        assert!(aors.iter().any(|aor| aor.contains("201")), "{name}: {aors:?}");
        let told: Vec<Vec<&str>> = session.parties.iter().map(|party| labels(&session, party)).collect();
        assert_eq!(told, labels_told, "{name}");
    }
}

#[test]
fn extensions_tell_who_called() {
    let oracle = session(&[ORACLE]);
    assert_eq!(oracle.parties.iter().map(|it| it.who.called).collect::<Vec<_>>(), [Some(true), Some(false)]);
    assert_eq!(session(&[BROADWORKS]).sessions[0].recorded_end_called, Some(false));
    assert_eq!(session(&[RFC]).parties[0].who.called, None);
}

#[test]
fn documents_that_nobody_should_take_are_refused() {
    let of = |text: &str| Metadata::parse(text.as_bytes()).unwrap_err();
    assert!(matches!(of("<recording"), MetadataError::NotXml(_)));
    assert!(matches!(of("<dialog-info/>"), MetadataError::Foreign(_)));
    let bomb = "<!DOCTYPE r [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><recording>&b;</recording>";
    assert!(matches!(of(bomb), MetadataError::NotXml(_)));
    let deep = format!("<recording>{}{}</recording>", "<a>".repeat(40), "</a>".repeat(40));
    assert_eq!(of(&deep), MetadataError::TooLarge("levels"));
    let wide = format!("<recording>{}</recording>", "<participant participant_id='x'/>".repeat(129));
    assert_eq!(of(&wide), MetadataError::TooLarge("elements"));
    let long = format!("<recording><session session_id='{}'/></recording>", "x".repeat(600));
    assert_eq!(of(&long), MetadataError::TooLarge("a text"));
    let large = format!("<recording>{}</recording>", " ".repeat(64 * 1024));
    assert_eq!(of(&large), MetadataError::TooLarge("more than 64 KiB"));
    assert_eq!(session(&["<recording/>"]), RecordedSession::default());
}

#[test]
fn endless_updates_do_not_fill_the_memory() {
    let mut session = RecordedSession::default();
    for n in 0..1_000 {
        session.take(read(&format!(
            "<recording><dataMode>partial</dataMode><session session_id='s{n}'/><participant participant_id='p{n}'/>\
             <stream stream_id='t{n}'><label>{n}</label></stream></recording>"
        )));
    }
    assert!(session.parties.len() <= 64 && session.sessions.len() <= 64);
}

proptest! {
    #[test]
    fn no_text_makes_it_stumble(text in "(<|>|/|recording|participant|session|'|=| |a|&|;|!|\\[)*") {
        let _ = Metadata::parse(text.as_bytes());
        let _ = Metadata::parse(format!("<recording>{text}</recording>").as_bytes());
    }
}
