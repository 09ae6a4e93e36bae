//! Story 6: a backup is taken while customers call, then the machine is lost. Another one takes the backup: the same
//! interactions, every recording as it was, the calls of that moment closed as interrupted, and the next call is answered.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::Office;
use super::a_locked_database_delays_no_call::Lock;
use super::server::{NUMBER, SOON, Storage};
use crate::peers::{Answer, Caller, Crowd, Customer, Scenario, Sipp, eventually};

const CALLS: u32 = 60;
const TALK: Duration = Duration::from_secs(3);

/// A second of a recording, in bytes.
const SECOND: usize = 8_000 * 2 * 2;

#[test]
fn a_lost_machine_comes_back_from_a_backup_under_load() {
    comes_back(Storage::Sqlite, Storage::Sqlite);
}

#[test]
fn a_lost_machine_comes_back_from_a_backup_under_load_on_postgresql() {
    comes_back(Storage::postgres(), Storage::postgres());
}

#[test]
fn a_backup_of_sqlite_comes_back_on_postgresql() {
    comes_back(Storage::Sqlite, Storage::postgres());
}

#[test]
fn a_backup_of_postgresql_comes_back_on_sqlite() {
    comes_back(Storage::postgres(), Storage::Sqlite);
}

/// The database is locked by another program: the talk is in the spool alone.
#[test]
fn what_only_the_spool_has_comes_back_too() {
    let mut office = Office::open(Answer::Auto);
    let lock = Lock::take(&office.server.data().join("linecard.db"));
    let call = Customer::new(office.pbx.address(), "+78312120007").speaking(440).call(NUMBER);
    call.wait_talking(SOON);
    call.rtp().wait_received(50, SOON);
    assert_eq!(call.hang_up(), 200);
    let ended = office.server.ended_interaction();
    let recording = ended["recording_ids"][0].as_str().expect("a recording");
    let file = office.server.recording_file(recording);
    let talk = eventually("the recording is whole", SOON, || std::fs::read(&file).ok());
    assert!(office.server.data().join("spool/signals.jsonl").metadata().expect("the spool").len() > 0);
    let archive = office.server.folder.path().join("linecard.tar.zst");
    office.server.command(&["backup", &archive.display().to_string()], "");
    assert!(office.server.rows("SELECT id FROM interactions").is_empty(), "the database has none of it");
    office.server.program.kill();
    lock.release();

    office.server.lose_and_restore(&archive, Storage::Sqlite);
    let restored = office.server.ended_interaction();
    for field in ["id", "caller_number", "started_at", "answered_at", "user_id", "recording_ids"] {
        assert_eq!(restored[field], ended[field], "{field}: {restored}");
    }
    let kept = std::fs::read(office.server.recording_file(recording)).expect("the recording's file");
    assert!(kept == talk, "{} of {} bytes", kept.len(), talk.len());
    office.server.command(&["replay"], "");
    let verified = office.server.command(&["recording", "verify", "--all"], "");
    assert!(verified.contains("1 recordings are well"), "{verified}");
}

fn comes_back(from: Storage, to: Storage) {
    let mut office = Office::open_on(from, Answer::Auto, "");
    let contact = office.knows("Мария Иванова", "+7 831 212-00-07");
    let phones = Sipp::phone(Scenario::Answers);
    office.pbx.bind("202", &phones.uri());
    let desk_phone = office.server.get(&format!("/users/{}", office.agent_id))["devices"][0]["id"].clone();
    removes_device(&office, &desk_phone);
    let soft_phone = office.adds_device("202");
    office.rings(&json!({"allow_call_waiting": true}));
    let callers = (0..CALLS)
        .map(|n| Caller {
            dials: NUMBER.to_owned(),
            number: format!("+7831212{n:04}"),
            name: format!("C{n}"),
        })
        .collect();
    let crowd = Crowd { callers, calls: CALLS, per_second: 8, talk: TALK, tone_hz: 440 };
    let mut customers = Sipp::customers(office.pbx.address(), Scenario::TalksThenHangsUp, &crowd);

    let before = eventually("calls have ended, others are under way", SOON, || {
        let items = interactions(&office);
        let count = |state: &str| items.values().filter(|it| it["state"] == state).count();
        (count("ended") >= 10 && count("live") >= 5).then_some(items)
    });
    let archive = office.server.folder.path().join("linecard.tar.zst");
    let told = office.server.command(&["backup", &archive.display().to_string()], "");
    assert!(told.contains("is being written: kept as far as it was on the disk"), "{told}");
    customers.wait_done(Duration::from_secs(60));
    the_load_was_not_harmed(&office);
    let files = files_of(&office, &before);
    drop(customers);

    office.server.lose_and_restore(&archive, to);
    everything_is_back(&office, &before, &files);
    let known = office.server.get(&format!("/contacts/{contact}"));
    assert_eq!(known["name"], "Мария Иванова", "{known}");
    office.server.command(&["replay"], "");
    office.server.command(&["recording", "verify", "--all"], "");
    removes_device(&office, &soft_phone.into());
    office.adds_device("201");
    the_next_call_is_answered_and_saved(&mut office);
}

fn removes_device(office: &Office, device: &Value) {
    let device = device.as_str().expect("a device");
    let gone = office.server.request("DELETE", &format!("/users/{}/devices/{device}", office.agent_id), "");
    assert_eq!(gone.status, 204, "{gone:?}");
}

fn interactions(office: &Office) -> BTreeMap<String, Value> {
    let list = office.server.get("/interactions?limit=500");
    let items = list["items"].as_array().expect("a list").iter();
    items.map(|it| (it["id"].as_str().expect("an id").to_owned(), it.clone())).collect()
}

/// What a call was apart from how its legs were heard, which may be told a moment after its end.
fn unmeasured(interaction: &Value) -> Value {
    let mut it = interaction.clone();
    for leg in it["legs"].as_array_mut().expect("legs") {
        leg["quality"] = Value::Null;
    }
    it
}

fn the_load_was_not_harmed(office: &Office) {
    let all = eventually("every call has ended", SOON, || {
        let items = interactions(office);
        (items.len() == CALLS as usize && items.values().all(|it| it["state"] == "ended")).then_some(items)
    });
    for it in all.values() {
        assert_eq!(it["outcome"], "answered", "{it}");
        let length = office.server.closed_recording(it).duration_ms();
        let talk_ms = u64::try_from(it["talk_ms"].as_i64().expect("talk_ms")).expect("not negative");
        assert!(length.abs_diff(talk_ms) <= 500, "file {length} ms, talk {talk_ms} ms: {it}");
    }
}

/// The file of each recording.
fn files_of(office: &Office, interactions: &BTreeMap<String, Value>) -> BTreeMap<String, Vec<u8>> {
    let recordings = interactions.values().filter_map(|it| it["recording_ids"][0].as_str());
    let read = |id: &str| std::fs::read(office.server.recording_file(id)).expect("the recording's file");
    recordings.map(|id| (id.to_owned(), read(id))).collect()
}

fn everything_is_back(office: &Office, before: &BTreeMap<String, Value>, files: &BTreeMap<String, Vec<u8>>) {
    let (after, mut longest) = (interactions(office), 0);
    for (id, was) in before {
        let is = after.get(id).unwrap_or_else(|| panic!("lost: {was}"));
        let recording = was["recording_ids"][0].as_str();
        if was["state"] == "ended" {
            assert_eq!(unmeasured(is), unmeasured(was), "what had ended is as it was");
            let id = recording.expect("a recording");
            assert!(std::fs::read(office.server.recording_file(id)).ok().as_ref() == files.get(id), "{id}");
            continue;
        }
        assert_eq!(is["state"], "ended", "{is}");
        assert!(is["outcome"] == "interrupted" || is["outcome"] == "answered", "{is}");
        let Some(id) = recording.filter(|_| is["outcome"] == "interrupted") else { continue };
        office.server.closed_recording(is);
        longest = longest.max(begins_alike(&office.server.recording_file(id), &files[id]));
    }
    assert!(longest >= SECOND, "{longest} bytes of a talk under way were kept");
    let ended = after.values().filter(|it| it["outcome"] == "answered").count();
    let interrupted = after.values().filter(|it| it["outcome"] == "interrupted").count();
    assert!(ended >= 10 && interrupted >= 1, "{ended} ended, {interrupted} were under way");
}

/// What was kept of a talk under way is how the talk began; returns its length.
fn begins_alike(kept: &Path, whole: &[u8]) -> usize {
    const HEADER: usize = 44;
    let kept = std::fs::read(kept).expect("the recording's file");
    assert!(kept.len() >= HEADER && kept.len() <= whole.len(), "{} of {} bytes", kept.len(), whole.len());
    assert!(kept[HEADER..] == whole[HEADER..kept.len()], "the samples are the same");
    kept.len()
}

fn the_next_call_is_answered_and_saved(office: &mut Office) {
    office.pbx.wait_registered("100", 1, SOON);
    let known: Vec<String> = interactions(office).into_keys().collect();
    let call = Customer::new(office.pbx.address(), "+78312120007").speaking(440).call(NUMBER);
    call.wait_talking(SOON);
    call.rtp().wait_received(50, SOON);
    assert_eq!(call.hang_up(), 200);
    let saved = eventually("the call is saved", SOON, || {
        interactions(office)
            .into_values()
            .find(|it| !known.iter().any(|id| it["id"] == id.as_str()) && it["state"] == "ended")
    });
    assert_eq!(saved["outcome"], "answered", "{saved}");
    assert!(saved["contact_id"].is_string(), "the caller is known: {saved}");
    assert!(office.server.closed_recording(&saved).duration_ms() >= 900);
    office.server.command(&["replay"], "");
    office.server.command(&["recording", "verify", "--all"], "");
}
