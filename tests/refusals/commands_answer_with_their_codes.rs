//! `explain`, `replay`, `recording verify` and `user add`: 0 when all is well, 1 when the thing asked about is not, 2 when the
//! question is wrong; each with one line that says so.

use std::path::PathBuf;

use linecard_calls::RecordingState;

use super::place::{Place, refused};
use crate::contract::Evidence;
use crate::peers::program::Ended;

const NOBODY: &str = "01900000-0000-7000-8000-000000000000";
const USER_ADD: [&str; 7] = ["user", "add", "--login", "maria", "--role", "agent", "--password-stdin"];

impl Place {
    /// Makes the database, as the first start does.
    fn with_database() -> (Self, Evidence) {
        let place = Self::new();
        let made = place.run(&USER_ADD, "a long password\n");
        assert_eq!(made.code, 0, "{made:?}");
        let url = format!("sqlite://{}", place.data().join("linecard.db").display());
        let evidence = Evidence::open(&url, place.data().join("recordings"));
        (place, evidence)
    }
}

/// Not well: code 1, and what was found is on stdout.
fn unwell(ended: &Ended) -> &str {
    assert_eq!((ended.code, ended.stderr.as_str()), (1, ""), "{ended:?}");
    &ended.stdout
}

#[test]
fn a_user_is_added_once_and_with_a_password_worth_the_name() {
    let place = Place::new();
    let made = place.run(&USER_ADD, "a long password\n");
    assert_eq!((made.code, made.stderr.as_str()), (0, ""), "{made:?}");
    assert_eq!(made.stdout.trim().len(), 36, "the id and nothing else: {made:?}");

    let taken = refused(&place.run(&USER_ADD, "another password\n"), 1);
    assert!(
        taken.contains("--login") && taken.contains("maria") && taken.contains("already in use"),
        "{taken}"
    );
    for password in ["", "\n", "short\n", "1234567\r\n"] {
        let line = refused(&place.run(&USER_ADD, password), 2);
        assert!(line.starts_with("--password-stdin: write at least 8"), "{password:?}: {line}");
    }
    let odd = place
        .run(&["user", "add", "--login", " ", "--role", "agent", "--password-stdin"], "a long password\n");
    assert!(refused(&odd, 2).starts_with("--login: "), "{odd:?}");
    let boss = place
        .run(&["user", "add", "--login", "x", "--role", "boss", "--password-stdin"], "a long password\n");
    assert_eq!(boss.code, 2, "{boss:?}");
    assert!(boss.stderr.contains("agent, supervisor or admin"), "{boss:?}");
}

#[test]
fn without_a_database_a_question_is_refused_and_none_is_made() {
    let place = Place::new();
    for arguments in [&["replay"][..], &["explain", NOBODY], &["recording", "verify", "--all"]] {
        let line = refused(&place.run(arguments, ""), 1);
        assert!(line.contains("there is no database at") && line.contains("server.data_dir"), "{line}");
    }
    assert!(!place.data().exists(), "a question makes nothing");
}

#[test]
fn an_empty_ledger_is_well_and_unknown_ids_are_not() {
    let (place, _evidence) = Place::with_database();
    let replay = place.run(&["replay"], "");
    assert_eq!((replay.code, replay.stdout.trim()), (0, "0 calls folded, 0 differences"), "{replay:?}");
    let all = place.run(&["recording", "verify", "--all"], "");
    assert_eq!((all.code, all.stdout.trim()), (0, "0 recordings are well, 0 are not"), "{all:?}");

    let unknown = place.run(&["explain", NOBODY], "");
    assert_eq!(unwell(&unknown).trim(), format!("there is no interaction {NOBODY}"));
    let line = refused(&place.run(&["recording", "verify", NOBODY], ""), 1);
    assert_eq!(line, format!("there is no recording {NOBODY}"));
    for arguments in
        [["explain", "x"].as_slice(), &["recording", "verify", "x"], &["recording", "verify", "../../x"]]
    {
        let line = refused(&place.run(arguments, ""), 2);
        assert!(line.contains("copy it from the list"), "{line}");
    }
}

#[test]
fn a_damaged_recording_is_named_and_a_sound_one_passes_beside_it() {
    let (place, mut evidence) = Place::with_database();
    let mut record = |damage: &dyn Fn(PathBuf)| {
        let mut call = evidence.call(NOBODY, 0);
        let recording = evidence.record(&mut call, 500);
        evidence.save(&call, vec![recording.clone()]);
        damage(place.data().join("recordings").join(format!("{}.wav", recording.id)));
        recording.id.to_string()
    };
    let sound = record(&|_| {});
    let flipped = record(&|path| {
        let mut bytes = std::fs::read(&path).expect("the file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).expect("the file");
    });
    let truncated = record(&|path| {
        let file = std::fs::File::options().write(true).open(&path).expect("the file");
        file.set_len(file.metadata().expect("its length").len() - 1_000).expect("it is cut");
    });
    let missing = record(&|path| std::fs::remove_file(path).expect("the file"));
    let replaced = record(&|path| std::fs::write(path, "RIFF, not really").expect("the file"));

    let well = place.run(&["recording", "verify", &sound], "");
    assert_eq!((well.code, well.stderr.as_str()), (0, ""), "{well:?}");
    assert!(well.stdout.contains("ok  500 ms"), "{well:?}");
    for (id, what) in
        [(&flipped, "flipped"), (&truncated, "truncated"), (&missing, "missing"), (&replaced, "replaced")]
    {
        let ended = place.run(&["recording", "verify", id], "");
        let text = unwell(&ended);
        assert!(text.contains(&format!("{id}  NOT OK  ")), "{what}: {text}");
        assert!(text.contains("0 recordings are well, 1 are not"), "{what}: {text}");
    }
    let ended = place.run(&["recording", "verify", "--all"], "");
    let text = unwell(&ended);
    assert!(text.contains("1 recordings are well, 4 are not"), "{text}");
    assert!(text.contains(&format!("{sound}  ok")), "{text}");
}

#[test]
fn what_the_ledger_does_not_say_is_a_difference() {
    let (place, mut evidence) = Place::with_database();
    let mut call = evidence.call(NOBODY, 0);
    let failed = evidence.recording_without_file(&mut call, RecordingState::Failed);
    evidence.save(&call, vec![failed]);
    let replay = place.run(&["replay"], "");
    let text = unwell(&replay);
    assert!(text.contains(&call.call_id.to_string()) && text.contains("the ledger makes none"), "{text}");
    assert!(text.contains("1 differences"), "{text}");
    let explained = place.run(&["explain", &call.id.to_string()], "");
    assert!(unwell(&explained).contains("the ledger holds no evidence"), "{explained:?}");
    let verified = place.run(&["recording", "verify", "--all"], "");
    assert!(unwell(&verified).contains("the recording failed"), "{verified:?}");
}
