//! Documents of the dialog event package as PBXes write them, and hostile ones.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod corpus;

use linecard_sip::dialog_info::{
    DialogChange, DialogDirection, DialogInfo, DialogInfoError, DialogKey, DialogState, DialogTable, Reading,
    ReportedDialog, Scope, TerminationCause,
};
use proptest::prelude::*;

fn document(name: &str) -> DialogInfo {
    DialogInfo::parse(&corpus::read(&format!("dialog-info/{name}.xml"))).unwrap()
}

fn only(name: &str) -> ReportedDialog {
    let [dialog] = <[ReportedDialog; 1]>::try_from(document(name).dialogs).unwrap();
    dialog
}

const OVER: DialogState = DialogState::Terminated { cause: None, status: None };

#[test]
fn each_shape_of_the_corpus_is_read() {
    let idle = document("asterisk-idle");
    assert_eq!((idle.entity.as_str(), idle.version, idle.scope), ("sip:2001@192.0.2.27", 0, Scope::Full));
    assert_eq!(only("asterisk-idle").state, OVER);

    let ringing = only("asterisk-ringing-with-remote");
    let remote = ringing.remote.unwrap();
    assert_eq!(remote.display.as_deref(), Some("Alice & Bob"), "entities of XML itself are read");
    assert_eq!(remote.identity.as_deref(), Some("sip:+12025550100@192.0.2.27"));
    assert_eq!((ringing.state, ringing.direction), (DialogState::Early, Some(DialogDirection::Recipient)));
    assert_eq!(ringing.call_id.as_deref(), Some("pickup-abc"));
    assert_eq!(only("asterisk-ringing-no-remote").remote, None);

    for empty in ["freeswitch-empty", "kamailio-pua-empty-selfclosed"] {
        assert_eq!(document(empty).dialogs, [], "{empty}");
    }
    let talking = only("freeswitch-partial-confirmed");
    let remote = talking.remote.unwrap();
    assert_eq!(remote.identity.as_deref(), Some("sip:1002@pbx.example"));
    assert_eq!(remote.target.as_deref(), Some("sip:**5e9e04a0@pbx.example"), "a code that picks it up");
    assert_eq!(document("freeswitch-partial-confirmed").scope, Scope::Partial);

    let early = only("kamailio-pua-early");
    assert_eq!(early.local_tag.as_deref(), Some("1928301774"));
    assert_eq!(only("escaped-entity-id").id, "sip:%23300@192.0.2.176");
    assert_eq!(only("prefixed-namespace").state, DialogState::Confirmed);
    let replaced = DialogState::Terminated { cause: Some(TerminationCause::Replaced), status: Some(200) };
    assert_eq!(only("rfc4235-full").state, replaced);
    assert_eq!(document("two-dialogs-call-waiting").dialogs.len(), 2);
}

#[test]
fn hostile_documents_are_refused() {
    for name in ["billion-laughs", "deep-nesting", "doctype", "truncated-close", "version-rollback"] {
        let body = corpus::read(&format!("dialog-info/hostile-{name}.xml"));
        let refused = DialogInfo::parse(&body).unwrap_err();
        let expected = match name {
            "deep-nesting" => matches!(refused, DialogInfoError::TooLarge(_)),
            "version-rollback" => matches!(refused, DialogInfoError::Foreign(_)),
            _ => matches!(refused, DialogInfoError::NotXml(_)),
        };
        assert!(expected, "{name}: {refused}");
    }
}

fn xml(version: u32, scope: &str, dialogs: &str) -> Vec<u8> {
    format!(
        "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" state=\"{scope}\" \
         entity=\"sip:105@pbx.example\">{dialogs}</dialog-info>"
    )
    .into_bytes()
}

fn dialog(attributes: &str, state: &str) -> String {
    format!("<dialog {attributes}><state>{state}</state></dialog>")
}

fn read(table: &mut DialogTable, version: u32, scope: &str, dialogs: &str) -> Reading {
    table.take(DialogInfo::parse(&xml(version, scope, dialogs)).unwrap())
}

fn changes(reading: Reading) -> Vec<(String, DialogState)> {
    let Reading::Taken(changes) = reading else { panic!("it was not taken: {reading:?}") };
    let told = |change: DialogChange| match change {
        DialogChange::Now { dialog, .. } => (dialog.id, dialog.state),
        DialogChange::Over { was, told, .. } => (was.id, told.unwrap_or(OVER)),
    };
    changes.into_iter().map(told).collect()
}

#[test]
fn a_party_that_does_not_hear_the_other_has_it_on_hold() {
    let rendering = |value: &str| {
        let target = format!(
            "<target uri=\"sip:105@pbx\"><param pname=\"+sip.rendering\" pvalue=\"{value}\"/></target>"
        );
        let dialog = format!("<dialog id=\"1\"><state>confirmed</state><local>{target}</local></dialog>");
        let read = DialogInfo::parse(&xml(1, "full", &dialog)).unwrap();
        read.dialogs[0].local.clone().unwrap().rendering
    };
    assert_eq!(["yes", "no", "perhaps"].map(rendering), [Some(true), Some(false), None]);
}

#[test]
fn larger_documents_than_any_true_one_are_refused() {
    let many: String = (0..65).map(|n| dialog(&format!("id=\"{n}\""), "early")).collect();
    assert_eq!(DialogInfo::parse(&xml(1, "full", &many)), Err(DialogInfoError::TooLarge("dialogs")));
    let long = dialog(&format!("id=\"{}\"", "x".repeat(600)), "early");
    assert_eq!(DialogInfo::parse(&xml(1, "full", &long)), Err(DialogInfoError::TooLarge("a text")));
    let deep = "<a>".repeat(20) + &"</a>".repeat(20);
    assert_eq!(DialogInfo::parse(&xml(1, "full", &deep)), Err(DialogInfoError::TooLarge("levels")));
    let wide = "<a/>".repeat(9_000);
    assert_eq!(DialogInfo::parse(&xml(1, "full", &wide)), Err(DialogInfoError::TooLarge("elements")));
    assert_eq!(DialogInfo::parse(&vec![b' '; 70_000]), Err(DialogInfoError::TooLarge("bytes")));
}

#[test]
fn a_constant_id_is_one_call_after_another() {
    let mut table = DialogTable::default();
    let idle = dialog("id=\"105\"", "terminated");
    assert_eq!(changes(read(&mut table, 0, "full", &idle)), [], "nothing was there");
    let ringing = dialog("id=\"105\" call-id=\"a\" direction=\"recipient\"", "early");
    assert_eq!(changes(read(&mut table, 1, "full", &ringing)), [("105".to_owned(), DialogState::Early)]);
    assert_eq!(changes(read(&mut table, 2, "full", &ringing)), [], "told again");
    let talking = dialog("id=\"105\"", "confirmed");
    assert_eq!(changes(read(&mut table, 3, "full", &talking)), [("105".to_owned(), DialogState::Confirmed)]);
    let known: Vec<_> = table.dialogs().collect();
    assert_eq!(known.len(), 1);
    assert_eq!(known.first().unwrap().direction, Some(DialogDirection::Recipient), "kept while left out");
    assert_eq!(changes(read(&mut table, 4, "full", &idle)), [("105".to_owned(), OVER)]);
    assert_eq!(table.dialogs().count(), 0);
    // The next call of the same id, without an idle document between.
    read(&mut table, 5, "full", &ringing);
    let next = dialog("id=\"105\" call-id=\"b\" direction=\"recipient\"", "early");
    let both = changes(read(&mut table, 6, "full", &next));
    assert_eq!(both, [("105".to_owned(), DialogState::Early), ("105".to_owned(), OVER)]);
}

#[test]
fn a_call_that_waits_under_the_same_id_is_a_second_one() {
    let mut table = DialogTable::default();
    let keys = |reading: Reading| -> Vec<(DialogKey, bool)> {
        let Reading::Taken(changes) = reading else { panic!("it was not taken: {reading:?}") };
        let key = |change: DialogChange| match change {
            DialogChange::Now { key, .. } => (key, true),
            DialogChange::Over { key, .. } => (key, false),
        };
        changes.into_iter().map(key).collect()
    };
    let (talking, ringing) =
        (dialog("id=\"105\"", "confirmed"), dialog("id=\"105\" direction=\"recipient\"", "early"));
    let first = keys(read(&mut table, 1, "full", &talking))[0].0;
    let second = keys(read(&mut table, 2, "full", &ringing))[0].0;
    assert_ne!(first, second, "what was answered does not ring again");
    assert_eq!(table.dialogs().count(), 2);
    // It rings no more, and whether it was answered is not told.
    assert_eq!(keys(read(&mut table, 3, "full", &talking)), [(second, false)]);
    read(&mut table, 4, "full", &ringing);
    let over = keys(read(&mut table, 5, "full", &dialog("id=\"105\"", "terminated")));
    assert_eq!(over.iter().filter(|(_, lives)| !lives).count(), 2, "{over:?}");
    // With a Call-ID there is no doubt that it is the same one.
    let named = |state| dialog("id=\"7\" call-id=\"x\"", state);
    let one = keys(read(&mut table, 6, "full", &named("confirmed")))[0].0;
    assert_eq!(keys(read(&mut table, 7, "full", &named("early"))), [(one, true)]);
}

#[test]
fn what_a_full_document_leaves_out_is_over() {
    let mut table = DialogTable::default();
    let two = dialog("id=\"a\"", "confirmed") + &dialog("id=\"b\"", "early");
    read(&mut table, 9, "full", &two);
    let one = changes(read(&mut table, 10, "full", &dialog("id=\"a\"", "confirmed")));
    assert_eq!(one, [("b".to_owned(), OVER)]);
    // FreeSWITCH: no dialog is no call; and a PBX that begins to count anew.
    assert_eq!(changes(read(&mut table, 0, "full", "")), [("a".to_owned(), OVER)]);
}

#[test]
fn a_partial_document_counts_only_in_its_turn() {
    let mut table = DialogTable::default();
    let early = dialog("id=\"a\"", "early");
    assert_eq!(read(&mut table, 7, "partial", &early), Reading::Gap, "what was before is not known");
    read(&mut table, 7, "full", "");
    assert_eq!(changes(read(&mut table, 8, "partial", &early)).len(), 1);
    assert_eq!(read(&mut table, 8, "partial", &dialog("id=\"a\"", "terminated")), Reading::Stale);
    assert_eq!(read(&mut table, 10, "partial", &dialog("id=\"b\"", "early")), Reading::Gap);
    assert_eq!(table.dialogs().count(), 1, "nothing of it was taken");
    assert_eq!(changes(read(&mut table, 9, "partial", &dialog("id=\"b\"", "early"))).len(), 1);
    assert_eq!(table.dialogs().count(), 2, "what is left out goes on");
    read(&mut table, u32::MAX, "full", &early);
    assert_eq!(read(&mut table, 0, "partial", &early), Reading::Stale, "the count ends and does not wrap");
}

proptest! {
    /// Whatever comes, the table holds what the last full document and the partial ones after it say.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = DialogInfo::parse(&bytes);
        let _ = DialogInfo::parse(&xml(1, "full", &String::from_utf8_lossy(&bytes)));
    }

    #[test]
    fn full_documents_alone_say_what_there_is(
        courses in prop::collection::vec(prop::collection::btree_map(0..4_u8, 0..5_usize, 0..4), 1..12),
    ) {
        const STATES: [&str; 5] = ["trying", "proceeding", "early", "confirmed", "terminated"];
        let mut table = DialogTable::default();
        let mut live = std::collections::BTreeMap::new();
        for (version, course) in (0..).zip(&courses) {
            let text: String =
                course.iter().map(|(id, state)| dialog(&format!("id=\"{id}\""), STATES[*state])).collect();
            let Reading::Taken(changes) = read(&mut table, version, "full", &text) else {
                panic!("a full document is always taken");
            };
            for change in changes {
                match change {
                    DialogChange::Now { key, dialog } => { live.insert(key, dialog.id); }
                    DialogChange::Over { key, was, .. } => {
                        prop_assert_eq!(live.remove(&key), Some(was.id), "it was not there");
                    }
                }
            }
            let told: std::collections::BTreeSet<String> =
                course.iter().filter(|(_, state)| **state < 4).map(|(id, _)| id.to_string()).collect();
            let ids: std::collections::BTreeSet<String> = live.values().cloned().collect();
            prop_assert_eq!(&ids, &told);
            prop_assert_eq!(live.len(), table.dialogs().count());
            prop_assert_eq!(table.dialogs().map(|dialog| dialog.id.clone()).collect::<std::collections::BTreeSet<_>>(), told);
        }
    }
}
