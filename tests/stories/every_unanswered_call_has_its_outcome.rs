//! Story 3: nobody answers; the caller gives up; the agent is busy; the agent declines: each call leaves one
//! interaction with its outcome, and `explain` says why.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Office;
use super::server::{NUMBER, SOON};
use crate::peers::customer::CustomerCall;
use crate::peers::{Answer, Baresip, Customer, Scenario, Sipp, eventually};

const CUSTOMER: &str = "+78312123456";

fn calls(office: &Office) -> CustomerCall {
    Customer::new(office.pbx.address(), CUSTOMER).call(NUMBER)
}

/// What every call that nobody answered has in common.
fn never_talked(interaction: &Value) {
    assert_eq!(interaction["caller_number"], CUSTOMER, "{interaction}");
    assert_eq!(interaction["answered_at"], Value::Null, "{interaction}");
    assert_eq!(interaction["talk_ms"], 0, "{interaction}");
    assert_eq!(interaction["recording_ids"], json!([]), "{interaction}");
}

/// Asks `explain` about an interaction; the verdict has to hold `why`, the sentences before it `seen`.
fn explained(office: &Office, interaction: &Value, why: &str, seen: &[&str]) {
    let text = office.server.explain(interaction["id"].as_str().expect("an id"));
    let verdict = text.lines().find_map(|line| line.strip_prefix("verdict: ")).expect("a verdict");
    assert!(verdict.contains(why), "{why:?} in {text}");
    for what in seen {
        assert!(text.contains(what), "{what:?} in {text}");
    }
}

/// Nothing is left of the call, and the ledger says the same again.
fn nothing_is_left(office: &Office) {
    let live = office.server.get("/calls");
    assert_eq!(live["items"], json!([]), "{live}");
    let text = office.server.command(&["replay"], "");
    assert!(text.contains(" 0 differences"), "{text}");
}

#[test]
fn nobody_answers() {
    let office = Office::open(Answer::Manual);
    office.rings(&json!({"ring_timeout_ms": 3_000}));
    let call = calls(&office);
    call.wait_ringing(SOON);
    let ringing_since = Instant::now();
    assert_eq!(call.wait_final(SOON), 480);
    let rang = ringing_since.elapsed();
    assert!(rang > Duration::from_millis(2_500) && rang < Duration::from_secs(5), "rang for {rang:?}");
    office.phone.wait_closed(SOON);

    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "no_answer", "{interaction}");
    assert_eq!(interaction["sip_status"], 480, "{interaction}");
    assert_eq!(interaction["hangup_by"], "system", "{interaction}");
    let ringing_ms = interaction["ringing_ms"].as_i64().expect("ringing_ms");
    assert!((3_000..4_000).contains(&ringing_ms), "{interaction}");
    never_talked(&interaction);
    explained(&office, &interaction, "the ring time was over", &["together for 3000 ms"]);
    nothing_is_left(&office);
}

#[test]
fn the_caller_gives_up() {
    let office = Office::open(Answer::Manual);
    let call = calls(&office);
    call.wait_ringing(SOON);
    office.phone.wait_ringing(SOON);
    assert_eq!(call.give_up(), 487);
    office.phone.wait_closed(Duration::from_secs(2));

    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "abandoned", "{interaction}");
    assert_eq!(interaction["sip_status"], 487, "{interaction}");
    assert_eq!(interaction["hangup_by"], "caller", "{interaction}");
    never_talked(&interaction);
    explained(&office, &interaction, "the caller left", &["the caller gave up", "The phone rings (180)"]);
    nothing_is_left(&office);
}

#[test]
fn the_agents_phone_is_busy() {
    let office = Office::open(Answer::Busy);
    let call = calls(&office);
    assert_eq!(call.wait_final(SOON), 486);

    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "busy", "{interaction}");
    assert_eq!(interaction["sip_status"], 486, "{interaction}");
    assert_eq!(interaction["hangup_by"], "system", "{interaction}");
    never_talked(&interaction);
    explained(&office, &interaction, "a device was busy", &["The leg was refused with 486"]);
    nothing_is_left(&office);
}

#[test]
fn the_agent_is_in_a_call() {
    let office = Office::open(Answer::Auto);
    let first = Customer::new(office.pbx.address(), "+78312777777").call(NUMBER);
    first.wait_talking(SOON);
    let second = calls(&office);
    assert_eq!(second.wait_final(SOON), 486);
    let interaction = ended_of(&office, CUSTOMER);
    assert_eq!(interaction["outcome"], "busy", "{interaction}");
    assert_eq!(interaction["user_id"], json!(office.agent_id), "{interaction}");
    assert_eq!(interaction["legs"].as_array().map(Vec::len), Some(1), "no device rang: {interaction}");
    never_talked(&interaction);
    explained(&office, &interaction, "the user had another call", &["takes one call at a time"]);
    office.phone.wait_established(SOON);
    assert!(office.phone.count("CALL_INCOMING") <= 1, "the phone was left alone");
    assert_eq!(office.server.get("/calls")["items"].as_array().map(Vec::len), Some(1));

    first.hang_up();
    assert_eq!(ended_of(&office, "+78312777777")["outcome"], "answered");
    nothing_is_left(&office);
}

/// Waits until the only interaction with this caller has ended.
fn ended_of(office: &Office, number: &str) -> Value {
    eventually("the interaction has ended", SOON, || {
        let list = office.server.get("/interactions");
        let of_caller = |it: &&Value| it["caller_number"] == number;
        let found: Vec<_> = list["items"].as_array()?.iter().filter(of_caller).collect();
        assert!(found.len() <= 1, "one call, one interaction: {found:?}");
        found.first().filter(|it| it["state"] == "ended").map(|it| (*it).clone())
    })
}

#[test]
fn the_agent_declines_on_one_of_two_devices() {
    let mut office = Office::open(Answer::Manual);
    let declines = Sipp::phone(Scenario::Declines);
    office.pbx.bind("202", &declines.uri());
    office.adds_device("202");
    let call = calls(&office);
    assert_eq!(call.wait_final(SOON), 486);
    stopped(&office.phone);

    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "rejected", "{interaction}");
    assert_eq!(interaction["sip_status"], 486, "{interaction}");
    assert_eq!(interaction["hangup_by"], "agent", "{interaction}");
    never_talked(&interaction);
    explained(&office, &interaction, "the user declined", &["The leg was refused with 603"]);
    nothing_is_left(&office);
}

/// The phone does not ring, or not any more.
fn stopped(phone: &Baresip) {
    eventually("the phone is quiet", Duration::from_secs(2), || {
        (phone.count("CALL_INCOMING") == phone.count("CALL_CLOSED")).then_some(())
    });
}

#[test]
fn the_caller_speaks_no_codec_that_can_be_passed_on() {
    let office = Office::open(Answer::Auto);
    let customer = Customer::new(office.pbx.address(), CUSTOMER).offering("96 iLBC/8000");
    assert_eq!(customer.call(NUMBER).wait_final(SOON), 488);

    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "failed", "{interaction}");
    assert_eq!(interaction["sip_status"], 488, "{interaction}");
    assert_eq!(interaction["hangup_by"], "system", "{interaction}");
    assert_eq!(office.phone.count("CALL_INCOMING"), 0, "no phone rings for a talk that cannot be");
    never_talked(&interaction);
    explained(&office, &interaction, "G.711, G.722 or Opus", &["offered no codec"]);
    nothing_is_left(&office);
}
