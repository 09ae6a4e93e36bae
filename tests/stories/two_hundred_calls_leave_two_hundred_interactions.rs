//! Story 9: 200 calls at 20 a second. 200 interactions, none twice, no file missing or short.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::Office;
use super::server::{NUMBER, SOON};
use crate::peers::{Answer, Caller, Crowd, Scenario, Sipp, eventually};

const CALLS: usize = 200;
const TALK: Duration = Duration::from_secs(3);

#[test]
fn two_hundred_calls_at_twenty_a_second_are_all_there() {
    let mut office = Office::open(Answer::Auto);
    let phones = Sipp::phone(Scenario::Answers);
    office.pbx.bind("202", &phones.uri());
    let agent = office.server.get(&format!("/users/{}", office.agent_id));
    let device = agent["devices"][0]["id"].as_str().expect("a device").to_owned();
    let gone = office.server.request("DELETE", &format!("/users/{}/devices/{device}", office.agent_id), "");
    assert_eq!(gone.status, 204);
    office.adds_device("202");
    office.rings(&json!({"allow_call_waiting": true}));

    let callers = (0..CALLS)
        .map(|n| Caller {
            dials: NUMBER.to_owned(),
            number: format!("+7831212{n:04}"),
            name: format!("C{n}"),
        })
        .collect();
    let crowd = Crowd { callers, calls: 200, per_second: 20, talk: TALK, tone_hz: 440 };
    let mut customers = Sipp::customers(office.pbx.address(), Scenario::TalksThenHangsUp, &crowd);
    customers.wait_done(Duration::from_secs(60));

    let interactions = eventually("200 interactions have ended", SOON, || {
        let list = office.server.get("/interactions?limit=500");
        let items = list["items"].as_array()?.clone();
        (items.len() >= CALLS && items.iter().all(|it| it["state"] == "ended")).then_some(items)
    });
    assert_eq!(interactions.len(), CALLS, "one interaction a call");
    let callers: BTreeSet<&str> = interactions.iter().filter_map(|it| it["caller_number"].as_str()).collect();
    assert_eq!(callers.len(), CALLS, "none twice");
    for interaction in &interactions {
        assert_eq!(interaction["outcome"], "answered", "{interaction}");
        office.server.closed_recording(interaction).is_as_long_as(interaction);
    }
    office.server.command(&["replay"], "");
    office.server.command(&["recording", "verify", "--all"], "");
}
