//! The shapes that PBXes write, and what they come to.

use linecard_calls::{IdSource, UtcMillis};
use linecard_sip::dialog_info::{DialogChange, DialogInfo, DialogTable, Reading};
use linecard_store::lines::{DialFormat, LineDraft, LineMode};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;

fn line(extension: &str, prefix: Option<&str>) -> Line {
    let account = LineDraft {
        name: extension.to_owned(),
        server: "pbx.example".to_owned(),
        username: extension.to_owned(),
        password: "secret".to_owned(),
        auth_username: None,
        outbound_proxy: None,
        transport: None,
        websocket_path: None,
        mode: LineMode::DialogInfo,
        user_id: None,
        dial_format: DialFormat::Plus,
        dial_prefix: prefix.map(str::to_owned),
        caller_id: None,
        transfer: linecard_store::lines::LineTransfer::Here,
    };
    let mut ids = IdSource::new(ChaCha12Rng::seed_from_u64(1));
    Line { id: ids.make(UtcMillis(1)), account, version: 1, created_at: UtcMillis(1) }
}

fn seen(line: &Line, dialog: &ReportedDialog) -> Sighting {
    let mut ids = IdSource::new(ChaCha12Rng::seed_from_u64(2));
    let (id, leg) = (ids.make(UtcMillis(1)), ids.make(UtcMillis(1)));
    of_dialog(&DialPlan::default(), line, dialog, None, id, leg)
}

/// What a document of the corpus brings, its dialogs in order.
fn told(name: &str) -> Vec<ReportedDialog> {
    let path = format!("{}/../shared/corpora/dialog-info/{name}.xml", env!("CARGO_MANIFEST_DIR"));
    let body =
        std::fs::read(&path).unwrap_or_else(|error| panic!("the corpus file {path} is needed: {error}"));
    let mut document = DialogInfo::parse(&body).expect("a document");
    document.scope = linecard_sip::dialog_info::Scope::Full;
    match DialogTable::default().take(document) {
        Reading::Taken(changes) => changes
            .into_iter()
            .filter_map(|change| match change {
                DialogChange::Now { dialog, .. } => Some(dialog),
                DialogChange::Over { .. } => None,
            })
            .collect(),
        reading => panic!("a full document is taken: {reading:?}"),
    }
}

#[test]
fn each_pbx_writes_who_calls_in_its_own_way() {
    let asterisk = seen(&line("2001", None), &told("asterisk-ringing-with-remote")[0]);
    assert_eq!((asterisk.side, asterisk.stage), (Side::Called, SightingStage::Ringing));
    assert_eq!(asterisk.party.number.as_deref(), Some("+12025550100"));
    assert_eq!(asterisk.party.display.as_deref(), Some("Alice & Bob"));
    assert_eq!(
        (asterisk.reach, asterisk.did),
        (Reach::Outside, None),
        "the extension itself is no dialled number"
    );

    let silent = seen(&line("2001", None), &told("asterisk-ringing-no-remote")[0]);
    assert_eq!((silent.side, silent.party.number.as_deref()), (Side::Called, None));

    let freeswitch = seen(&line("1001", None), &told("freeswitch-partial-confirmed")[0]);
    assert_eq!((freeswitch.side, freeswitch.stage), (Side::Calling, SightingStage::Talking));
    assert_eq!(freeswitch.party.number.as_deref(), Some("1002"), "and not the code that picks the call up");
    assert_eq!(freeswitch.reach, Reach::Inside);
    let mut held = told("freeswitch-partial-confirmed")[0].clone();
    if let Some(local) = &mut held.local {
        local.rendering = Some(false);
    }
    assert_eq!(seen(&line("1001", None), &held).stage, SightingStage::Holding);

    let kamailio = seen(&line("alice", None), &told("kamailio-pua-early")[0]);
    assert_eq!(kamailio.sip_call_id.as_deref(), Some("a84b4c76e66710"));
    assert!(told("asterisk-idle").is_empty() && told("freeswitch-empty").is_empty());
}

fn dialog(
    direction: Option<DialogDirection>,
    state: DialogState,
    remote: &str,
    local: &str,
) -> ReportedDialog {
    let party =
        |identity: &str| Some(Participant { identity: Some(identity.to_owned()), ..Participant::default() });
    ReportedDialog {
        id: "1".to_owned(),
        call_id: None,
        local_tag: None,
        remote_tag: None,
        direction,
        state,
        local: party(local),
        remote: party(remote),
    }
}

#[test]
fn a_number_is_read_as_it_was_dialled_or_as_it_called() {
    let of = |prefix, direction, remote: &str| {
        let sighting = seen(
            &line("201", prefix),
            &dialog(Some(direction), DialogState::Early, remote, "sip:201@pbx.example"),
        );
        (sighting.party.number, sighting.reach)
    };
    let number = |text: &str| Some(text.to_owned());
    let calling = DialogDirection::Initiator;
    assert_eq!(of(None, calling, "sip:88312123456@pbx"), (number("+78312123456"), Reach::Outside));
    assert_eq!(of(Some("9"), calling, "sip:988312123456@pbx"), (number("+78312123456"), Reach::Outside));
    assert_eq!(
        of(Some("9"), calling, "sip:905@pbx"),
        (number("905"), Reach::Inside),
        "an extension that begins so"
    );
    assert_eq!(of(None, calling, "sip:112@pbx"), (number("112"), Reach::Special));
    assert_eq!(of(None, calling, "sip:*98@pbx"), (number("*98"), Reach::Special));
    assert_eq!(of(None, calling, "sip:reception@pbx"), (None, Reach::Outside));
    let called = DialogDirection::Recipient;
    assert_eq!(of(None, called, "sip:89101234567@pbx"), (number("+79101234567"), Reach::Outside));
    assert_eq!(of(None, called, "sip:anonymous@anonymous.invalid"), (None, Reach::Outside));
    assert_eq!(of(None, called, "sip:202@pbx"), (number("202"), Reach::Inside));
}

#[test]
fn who_called_is_guessed_only_where_nothing_is_told() {
    let side = |direction, state| {
        seen(&line("201", None), &dialog(direction, state, "sip:202@pbx", "sip:201@pbx")).side
    };
    assert_eq!(side(None, DialogState::Early), Side::Called);
    assert_eq!(side(None, DialogState::Confirmed), Side::Calling);
    assert_eq!(side(Some(DialogDirection::Recipient), DialogState::Confirmed), Side::Called);
}

#[test]
fn the_number_that_was_dialled_is_told_beside_the_extension() {
    let called = dialog(
        Some(DialogDirection::Recipient),
        DialogState::Early,
        "sip:+79101234567@pbx",
        "sip:+78312000000@pbx",
    );
    assert_eq!(seen(&line("201", None), &called).did.as_deref(), Some("+78312000000"));
}

#[test]
fn the_end_of_a_dialog_is_what_it_is_told_as() {
    let id = IdSource::new(ChaCha12Rng::seed_from_u64(3)).make(UtcMillis(1));
    let end = |state, cause| {
        let was = dialog(None, state, "sip:1@pbx", "sip:2@pbx");
        over(id, &was, Some(DialogState::Terminated { cause: Some(cause), status: Some(487) })).end
    };
    assert_eq!(end(DialogState::Early, TerminationCause::Cancelled), SightingEnd::Cancelled);
    assert_eq!(end(DialogState::Early, TerminationCause::Timeout), SightingEnd::RangOut);
    assert_eq!(end(DialogState::Confirmed, TerminationCause::Timeout), SightingEnd::Fault);
    assert_eq!(end(DialogState::Confirmed, TerminationCause::LocalBye), SightingEnd::HungUp);
    assert_eq!(
        over(id, &dialog(None, DialogState::Early, "sip:1@pbx", "sip:2@pbx"), None).end,
        SightingEnd::Untold
    );
}
