//! Story 8, first half: another program locks the database for 30 s. The talk goes on, a new call rings with its pop, and
//! afterwards the ledger is complete and agrees with the interactions.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::Office;
use super::server::{NUMBER, SOON, Storage};
use crate::peers::{Answer, Browser, Customer, eventually};

const LOCKED: Duration = Duration::from_secs(30);

/// A write lock held by another program.
pub(super) struct Lock {
    runtime: tokio::runtime::Runtime,
    connection: SqliteConnection,
}

impl Lock {
    pub(super) fn take(database: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let connection = runtime.block_on(async {
            let options = SqliteConnectOptions::new().filename(database).busy_timeout(SOON);
            let mut connection = options.connect().await.expect("the database opens");
            sqlx::query("BEGIN EXCLUSIVE").execute(&mut connection).await.expect("the lock");
            connection
        });
        Self { runtime, connection }
    }

    pub(super) fn release(self) {
        let Self { runtime, connection } = self;
        runtime.block_on(async { connection.close().await.expect("the lock is given back") });
    }
}

/// A note about the first call, which has ended: its author is told that it shows later, and what the call has come to
/// is not taken back. Returns the interaction's path.
fn a_note_is_kept(office: &Office) -> String {
    let first = office.server.get("/interactions")["items"][1].clone();
    let path = format!("/interactions/{}", first["id"].as_str().expect("an id"));
    let reply = office.server.request("PATCH", &path, &json!({"notes": "обещал перезвонить"}).to_string());
    assert_eq!(reply.status, 503, "{}", reply.json());
    let detail = reply.json()["detail"].as_str().expect("a reason").to_owned();
    assert!(detail.contains("the change is kept"), "{detail}");
    assert_eq!(office.server.get(&path), first, "it is as it was");
    path
}

#[test]
fn a_talk_and_a_new_call_go_on_while_the_database_is_locked() {
    let office = Office::open_on(Storage::Sqlite, Answer::Manual, "");
    let browser = Browser::start();
    let (desk, first) = office.talks_to_maria(&browser);

    let lock = Lock::take(&office.server.data().join("linecard.db"));
    let locked_at = Instant::now();
    let heard = first.rtp().received_count();
    first.rtp().wait_received(heard + 100, Duration::from_secs(4));
    first.hang_up();
    desk.wait_for("[data-testid=panel-state][data-state=ended]", SOON);

    let second = Customer::new(office.pbx.address(), b"+78312123456").speaking(440).call(NUMBER);
    let called_at = Instant::now();
    second.wait_ringing(Duration::from_secs(2));
    desk.wait_for("[data-testid=panel-state][data-state=ringing]", Duration::from_secs(2));
    desk.wait_text("Мария Иванова", SOON);
    assert!(called_at.elapsed() < Duration::from_secs(3), "the pop took {:?}", called_at.elapsed());
    office.phone.wait_nth("CALL_INCOMING", 2, SOON);
    office.phone.answer();
    second.wait_talking(Duration::from_secs(3));
    second.rtp().wait_received(50, SOON);
    second.hang_up();
    // Neither call can be saved; what is known of them is shown all the same.
    let shown = eventually("both calls are shown as ended before the database has them", SOON, || {
        let list = office.server.get("/interactions");
        let ended = list["items"].as_array()?.iter().filter(|it| it["state"] == "ended").count();
        (ended == 2).then_some(list)
    });
    assert_eq!(shown["total"], 2, "each call once");
    for interaction in shown["items"].as_array().expect("items") {
        let id = interaction["id"].as_str().expect("an id");
        assert_eq!(&office.server.get(&format!("/interactions/{id}")), interaction);
        let why = office.server.get(&format!("/interactions/{id}/explain"));
        assert_eq!((&why["rule"], &why["outcome"]), (&json!("connected"), &json!("answered")), "{why}");
    }
    assert!(locked_at.elapsed() < LOCKED, "the lock was still held");
    let noted = a_note_is_kept(&office);
    std::thread::sleep(LOCKED.saturating_sub(locked_at.elapsed()));
    lock.release();
    eventually("the note shows", SOON, || {
        (office.server.get(&noted)["notes"] == "обещал перезвонить").then_some(())
    });

    let interactions = eventually("both interactions are saved", SOON, || {
        let list = office.server.get("/interactions");
        let ended = list["items"].as_array()?.iter().filter(|it| it["state"] == "ended").count();
        (ended == 2).then_some(list)
    });
    for interaction in interactions["items"].as_array().expect("items") {
        assert_eq!(interaction["outcome"], "answered", "{interaction}");
    }
    assert_eq!(interactions["total"], 2, "one interaction a call");
    eventually("the ledger has everything", SOON, || {
        let settled = office.server.rows("SELECT CAST(COUNT(*) AS TEXT) FROM calls WHERE settled");
        (settled == ["2"]).then_some(())
    });
    let places = office.server.rows("SELECT CAST(seq AS TEXT) FROM signals ORDER BY rowid");
    let expected: Vec<String> = (1..=places.len()).map(|place| place.to_string()).collect();
    assert!(places.len() > 20 && places == expected, "the ledger is complete and in order: {places:?}");
    office.server.command(&["replay"], "");
    office.server.command(&["recording", "verify", "--all"], "");
}
