//! Who is ours, who called and whose voice is where, from documents as vendors write them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use linecard_calls::{
    DirectionEvidence, IdSource, LineId, PartyRole, Reach, Side, UserId, UtcMillis, Voices,
};
use linecard_crm::DialPlan;
use linecard_sip::siprec::{Metadata, RecordedSession};
use linecard_store::lines::{DialFormat, Line, LineDraft, LineMode};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;

const NOW: UtcMillis = UtcMillis(1_796_000_000_000);

fn id<T: linecard_calls::Id>(seed: u64) -> T {
    IdSource::new(ChaCha12Rng::seed_from_u64(seed)).make(NOW)
}

fn line(seed: u64, server: &str, username: &str, mode: LineMode, user_id: Option<UserId>) -> Line {
    let account = LineDraft {
        name: username.to_owned(),
        server: server.to_owned(),
        username: username.to_owned(),
        password: String::new(),
        auth_username: None,
        outbound_proxy: None,
        transport: None,
        websocket_path: None,
        mode,
        user_id,
        dial_format: DialFormat::Plus,
        dial_prefix: None,
        caller_id: None,
        transfer: linecard_store::lines::LineTransfer::Here,
    };
    let id: LineId = id(seed);
    Line { id, account, version: 1, created_at: NOW }
}

/// An SBC's line, and the lines of extensions 201 and 202 at a PBX.
struct Office {
    recorder: Line,
    directory: Directory,
    anna: UserId,
}

impl Office {
    fn open() -> Self {
        let recorder = line(1, "sbc.example", "rec", LineMode::Siprec, None);
        let (anna, boris): (UserId, UserId) = (id(11), id(12));
        let lines = [
            recorder.clone(),
            line(2, "pbx.example", "201", LineMode::DialogInfo, Some(anna)),
            line(3, "pbx.example", "202", LineMode::DialogInfo, Some(boris)),
        ];
        Self { recorder, directory: Directory::of_lines(lines), anna }
    }

    fn read_with(&self, documents: &[&str], seen: Option<Side>) -> Reading {
        let mut session = RecordedSession::default();
        for document in documents {
            session.take(Metadata::parse(document.as_bytes()).unwrap());
        }
        let plan = DialPlan::default();
        let known = |_: &str, _: &str| seen;
        let around = Surroundings {
            plan: &plan,
            directory: &self.directory,
            line: &self.recorder,
            settled: None,
            seen: &known,
        };
        Reading::of(&session, &around, NOW)
    }

    fn read(&self, documents: &[&str]) -> Reading {
        self.read_with(documents, None)
    }
}

/// Writes a document: of each party its address, when it came, and the label of its stream.
fn told(parties: &[(&str, &str, &str)]) -> String {
    let mut text = "<recording><session session_id='s'/>".to_owned();
    for (nth, (aor, since, label)) in parties.iter().enumerate() {
        text += &format!(
            "<participant participant_id='p{nth}'><nameID aor='{aor}'/></participant>\
             <stream stream_id='st{nth}'><label>{label}</label></stream>\
             <participantsessionassoc participant_id='p{nth}'><associate-time>{since}</associate-time>\
             </participantsessionassoc><participantstreamassoc participant_id='p{nth}'><send>st{nth}</send>\
             </participantstreamassoc>"
        );
    }
    text + "</recording>"
}

const EARLY: &str = "2026-11-30T09:00:00Z";
const LATE: &str = "2026-11-30T09:00:05Z";

fn labels(names: &[&str]) -> Vec<Option<String>> {
    names.iter().map(|name| Some((*name).to_owned())).collect()
}

#[test]
fn the_extension_is_ours_and_the_other_one_the_customer() {
    let office = Office::open();
    let it = office.read(&[&told(&[("sip:201@10.0.0.1", LATE, "b"), ("tel:+78312123456", EARLY, "a")])]);
    assert_eq!(it.ours.len(), 1);
    let ours = &it.ours[0];
    assert_eq!((ours.extension.as_str(), ours.server.as_str()), ("201", "pbx.example"));
    assert_eq!((ours.user, ours.side, ours.reach), (Some(office.anna), Side::Called, Reach::Outside));
    assert_eq!(ours.party.number.as_deref(), Some("+78312123456"));
    assert_eq!(it.direction_by, DirectionEvidence::JoinedFirst);
    let roles: Vec<PartyRole> = it.parties.iter().map(|party| party.role).collect();
    assert_eq!(roles, [PartyRole::Agent, PartyRole::Customer]);
    let voices = vec![(1, Voice::Customer), (0, Voice::Agent)];
    assert_eq!(it.voices(&labels(&["b", "a"])), (Voices::Separate, voices));
}

#[test]
fn who_called_is_told_by_extensions_then_by_the_pbx_then_by_who_came_first() {
    let office = Office::open();
    let by = |it: &Reading| (it.side, it.direction_by);
    let agent_first = told(&[("sip:201@pbx.example", EARLY, "1"), ("sip:+78312123456@t", LATE, "2")]);
    let it = office.read(&[&agent_first]);
    assert_eq!(by(&it), (Side::Calling, DirectionEvidence::JoinedFirst));
    assert_eq!(it.ours[0].side, Side::Calling);
    let it = office.read_with(&[&agent_first], Some(Side::Called));
    assert_eq!(by(&it), (Side::Called, DirectionEvidence::SeenElsewhere));
    let extension = agent_first.replacen(
        "<nameID aor='sip:201@pbx.example'/>",
        "<nameID aor='sip:201@pbx.example'/><extensiondata xmlns:a='urn:acme'><a:callingParty>true</a:callingParty></extensiondata>",
        1,
    );
    let it = office.read_with(&[&extension], Some(Side::Called));
    assert_eq!(by(&it), (Side::Calling, DirectionEvidence::Extension));
    let together = told(&[("sip:201@pbx.example", EARLY, "1"), ("sip:+78312123456@t", EARLY, "2")]);
    assert_eq!(by(&office.read(&[&together])), (Side::Called, DirectionEvidence::Nothing));
}

#[test]
fn an_internal_call_has_two_ends_and_the_one_who_called_is_heard_left() {
    let office = Office::open();
    let it =
        office.read(&[&told(&[("sip:201@pbx.example", EARLY, "1"), ("sip:202@pbx.example", EARLY, "2")])]);
    let ends: Vec<(&str, Side, Option<&str>)> =
        it.ours.iter().map(|one| (one.extension.as_str(), one.side, one.party.number.as_deref())).collect();
    assert_eq!(ends, [("201", Side::Calling, Some("202")), ("202", Side::Called, Some("201"))]);
    let voices = vec![(0, Voice::Customer), (1, Voice::Agent)];
    assert_eq!(it.voices(&labels(&["1", "2"])).1, voices);
}

#[test]
fn after_a_transfer_the_second_agent_is_there_and_heard_right() {
    let office = Office::open();
    let first = told(&[("sip:+78312123456@t", EARLY, "1"), ("sip:201@pbx.example", LATE, "2")]);
    let moved = "<recording><datamode>partial</datamode><participant participant_id='p9'>\
                 <nameID aor='sip:202@pbx.example'/></participant><stream stream_id='st9'><label>3</label></stream>\
                 <participantsessionassoc participant_id='p1'><disassociate-time>2026-11-30T09:02:00Z</disassociate-time>\
                 </participantsessionassoc><participantstreamassoc participant_id='p9'><send>st9</send>\
                 </participantstreamassoc></recording>";
    let it = office.read(&[&first, moved]);
    assert_eq!(it.ours.iter().map(|one| one.extension.as_str()).collect::<Vec<_>>(), ["202"]);
    assert_eq!(it.parties[1].disassociated_at, "2026-11-30T09:02:00Z".parse().ok());
    let voices = vec![(0, Voice::Customer), (2, Voice::Agent)];
    assert_eq!(it.voices(&labels(&["1", "2", "3"])).1, voices);
}

#[test]
fn where_nobody_is_known_the_internal_number_is_ours_else_the_last_one() {
    let office = Office::open();
    let it = office.read(&[&told(&[("sip:305@other", EARLY, "1"), ("sip:+78312123456@t", EARLY, "2")])]);
    assert_eq!((it.ours[0].extension.as_str(), it.ours[0].user), ("305", None));
    let it = office.read(&[&told(&[("sip:+79101234567@t", EARLY, "1"), ("sip:+78312123456@t", EARLY, "2")])]);
    assert_eq!(it.ours[0].party.number.as_deref(), Some("+79101234567"));
    let alone = office.read(&[&told(&[("sip:+78312123456@t", EARLY, "1")])]);
    assert_eq!((alone.ours.len(), alone.ours[0].extension.as_str()), (1, "rec"));
}

#[test]
fn a_caller_who_keeps_the_number_back_has_none() {
    let office = Office::open();
    let hidden = told(&[("sip:anonymous@anonymous.invalid", EARLY, "1"), ("sip:201@pbx.example", LATE, "2")]);
    let it = office.read(&[&hidden]);
    assert_eq!((&it.ours[0].party.number, it.ours[0].party.is_withheld()), (&None, true));
}

#[test]
fn streams_that_no_document_assigns_take_the_sides_that_are_free() {
    let office = Office::open();
    let bare = "<recording><participant participant_id='a'><nameID aor='tel:+78312123456'/></participant>\
                <participant participant_id='b'><nameID aor='sip:201@pbx.example'/></participant></recording>";
    let it = office.read(&[bare]);
    assert_eq!(it.voices(&[None, None]).1, vec![(0, Voice::Customer), (1, Voice::Agent)]);
    assert_eq!(it.voices(&[None]), (Voices::Mixed, vec![(0, Voice::Both)]));
}
