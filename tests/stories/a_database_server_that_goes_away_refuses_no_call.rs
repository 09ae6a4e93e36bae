//! Story 8 on PostgreSQL: the database's server stops in mid-call and comes back. The talk goes on, a new call rings with
//! its pop and is answered, the signals wait in the spool, and afterwards the ledger is complete and in order.

use std::time::Duration;

use xtask::postgres::{Cluster, Database};

use super::Office;
use super::server::{NUMBER, SOON, Storage};
use crate::peers::{Answer, Browser, Customer, eventually};

#[test]
fn a_talk_and_a_new_call_go_on_while_the_server_of_the_database_is_away() {
    let mut cluster = Cluster::start().expect("a cluster of the story's own");
    let storage = Storage::Postgres(Database::make_in(&cluster).expect("a database"));
    let office = Office::open_on(storage, Answer::Manual, "");
    let browser = Browser::start();
    let (desk, first) = office.talks_to_maria(&browser);

    cluster.stop();
    let heard = first.rtp().received_count();
    first.rtp().wait_received(heard + 100, Duration::from_secs(4));
    first.hang_up();
    desk.wait_for("[data-testid=panel-state][data-state=ended]", SOON);

    let second = Customer::new(office.pbx.address(), b"+78312123456").speaking(440).call(NUMBER);
    second.wait_ringing(Duration::from_secs(2));
    desk.wait_for("[data-testid=panel-state][data-state=ringing]", Duration::from_secs(2));
    let shown = desk.text("[data-testid=pop-number]");
    assert!(shown.contains("212-34-56"), "the pop needs no database: {shown}");
    office.phone.wait_nth("CALL_INCOMING", 2, SOON);
    office.phone.answer();
    second.wait_talking(Duration::from_secs(3));
    second.rtp().wait_received(50, SOON);
    second.hang_up();
    desk.wait_for("[data-testid=panel-state][data-state=ended]", SOON);
    let spool = office.server.data().join("spool/signals.jsonl");
    let spooled = || std::fs::read_to_string(&spool).expect("the spool").lines().count();
    assert!(spooled() > 10, "both calls' signals wait in the spool: {}", spooled());

    cluster.start_again().expect("it starts again");
    eventually("both calls are in the database", SOON, || {
        let settled = office.server.rows("SELECT CAST(COUNT(*) AS TEXT) FROM calls WHERE settled");
        (settled == ["2"]).then_some(())
    });
    assert_eq!(spooled(), 0, "the spool is drained");
    let interactions = office.server.get("/interactions");
    assert_eq!(interactions["total"], 2, "one interaction a call");
    for interaction in interactions["items"].as_array().expect("items") {
        assert_eq!(interaction["outcome"], "answered", "{interaction}");
    }
    // Rows of a table that nothing was deleted from lie in the order in which they were written.
    let places = office.server.rows("SELECT CAST(seq AS TEXT) FROM signals ORDER BY ctid");
    let expected: Vec<String> = (1..=places.len()).map(|place| place.to_string()).collect();
    assert!(places.len() > 20 && places == expected, "the ledger is complete and in order: {places:?}");
    office.server.command(&["replay"], "");
    office.server.command(&["recording", "verify", "--all"], "");
}
