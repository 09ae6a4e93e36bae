//! Story: an unknown caller whom nobody answers, on the lines of two agents, is one item with two attempts on both desks;
//! one agent takes it and the other is refused; an answered call closes it everywhere; a later miss opens a new one.

use serde_json::{Value, json};

use super::Office;
use super::server::{CUSTOMERS, NUMBER, OTHER_NUMBER, PASSWORD, SOON};
use crate::peers::http::send;
use crate::peers::{Answer, Browser, Customer, Scenario, Sipp, Tab, eventually};

const CALLER: &str = "+79219876543";

/// Adds a second agent with a line at the PBX's account 101 and no phone that could ring.
fn adds_olga(office: &mut Office) -> String {
    let olga = json!({"login": "olga", "name": "Ольга", "role": "agent", "password": PASSWORD});
    let id = office.server.create("/users", &olga)["id"].as_str().expect("an id").to_owned();
    office.server.create(
        "/lines",
        &json!({
            "name": "Second", "server": office.pbx.address().to_string(), "username": "101",
            "password": "secret-101", "user_id": id,
        }),
    );
    office.pbx.wait_registered("101", 1, SOON);
    id
}

fn gives_up(office: &Office) {
    let call = Customer::new(office.pbx.address(), CALLER).call(NUMBER);
    call.wait_ringing(SOON);
    assert_eq!(call.give_up(), 487);
}

/// The items in the order of the list, once the first of them fits.
fn items(office: &Office, what: &str, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
    eventually(what, SOON, || {
        let items = office.server.get("/missed")["items"].as_array()?.clone();
        items.first().is_some_and(&fits).then_some(items)
    })
}

fn counts(desk: &Tab<'_>, count: u64) {
    desk.wait_for(&format!("[data-testid=missed][data-count=\"{count}\"]"), SOON);
}

/// Waits for what the panel says of the call and closes the caller's card, if that came over the desk.
fn back_at_the_desk(desk: &Tab<'_>, panel: &str) {
    desk.wait_for(&format!("[data-testid=panel-state]{panel}"), SOON);
    if desk.count("[data-testid=card-close]") > 0 {
        desk.click("[data-testid=card-close]");
    }
}

fn told(desk: &Tab<'_>, kind: &str) -> Vec<Value> {
    let frames = desk.frames().into_iter().map(|(_, frame)| frame);
    frames.filter(|frame| frame["type"] == kind).map(|frame| frame["data"].clone()).collect()
}

/// Maria takes the item at her desk; both desks show it, and Olga is refused.
fn maria_takes_it(office: &Office, marias: &Tab<'_>, olgas: &Tab<'_>, id: &str) {
    marias.click("[data-testid=claim-button]");
    for desk in [marias, olgas] {
        desk.wait_for("[data-testid=missed-row][data-state=claimed]", SOON);
    }
    olgas.wait_text("Перезванивает Мария", SOON);
    marias.wait_text("За вами", SOON);
    counts(olgas, 0);
    let bearer = format!("Authorization: Bearer {}\r\n", office.server.log_in("olga"));
    let claim = format!("/api/v1/missed/{id}/claim");
    let refused = send(office.server.http, "POST", &claim, "", &bearer).expect("an answer");
    assert_eq!(refused.status, 409, "{}", refused.text());
    marias.reload();
    counts(marias, 1);
}

#[test]
fn a_missed_caller_is_claimed_by_one_and_closed_by_an_answered_call() {
    let mut office = Office::open(Answer::Manual);
    let olga = adds_olga(&mut office);
    // Nobody is logged in while the first call is missed.
    gives_up(&office);
    let browser = Browser::start();
    let marias = office.desk(&browser, "maria");
    counts(&marias, 1);
    let olgas = Office::desk_of(&browser, "olga", "olga", office.server.http);
    counts(&olgas, 0);

    let second = Customer::new(office.pbx.address(), CALLER).call(OTHER_NUMBER);
    assert_eq!(second.wait_final(SOON), 480);
    let found = items(&office, "the second attempt is counted", |item| item["attempts"] == 2);
    let [item] = found.as_slice() else { panic!("one caller, one item: {found:?}") };
    assert_eq!((&item["number"], &item["state"]), (&json!(CALLER), &json!("open")), "{item}");
    let mut called = vec![office.agent_id.clone(), olga];
    called.sort();
    assert_eq!(item["user_ids"], json!(called), "{item}");
    back_at_the_desk(&olgas, "[data-how=missed]");
    for desk in [&marias, &olgas] {
        counts(desk, 1);
        desk.wait_for("[data-testid=missed-row][data-attempts=\"2\"][data-state=open]", SOON);
    }
    let shown = marias.text("[data-testid=missed-number]");
    assert!(shown.contains("921") && shown.contains("987-65-43"), "in the national way: {shown}");

    let id = item["id"].as_str().expect("an id").to_owned();
    maria_takes_it(&office, &marias, &olgas, &id);

    let call = Customer::new(office.pbx.address(), CALLER).call(NUMBER);
    call.wait_ringing(SOON);
    eventually("the phone rings again", SOON, || (office.phone.count("CALL_INCOMING") == 2).then_some(()));
    office.phone.answer();
    call.wait_talking(SOON);
    back_at_the_desk(&marias, "[data-state=talking]");
    let closed = items(&office, "the talk closes it", |item| item["state"] == "closed");
    assert_eq!(closed.len(), 1, "{closed:?}");
    assert_eq!(closed[0]["closed_by"], json!(office.agent_id), "{closed:?}");
    for desk in [&marias, &olgas] {
        counts(desk, 0);
        desk.wait_gone("[data-testid=missed-row]", SOON);
        let told = told(desk, "missed.closed");
        assert_eq!(told, closed, "each desk was told once");
    }
    call.hang_up();

    gives_up(&office);
    let again = items(&office, "a later miss opens a new item", |item| item["state"] == "open");
    assert_eq!((again.len(), &again[0]["attempts"]), (2, &json!(1)), "{again:?}");
    assert_ne!(again[0]["id"], json!(id));
    back_at_the_desk(&marias, "[data-how=missed]");
    counts(&marias, 1);
    counts(&olgas, 0);
    assert_eq!(olgas.count("[data-testid=missed-row]"), 0, "the call of another's line is not shown");
    let replayed = office.server.command(&["replay"], "");
    assert!(replayed.contains(" 0 differences"), "{replayed}");
}

/// The same as it is meant: two misses, claimed and called back by one press, answered, closed on both desks; a later miss
/// opens a new item.
#[test]
fn a_missed_caller_who_is_called_back_is_closed_on_both_desks() {
    let mut office = Office::open(Answer::Manual);
    adds_olga(&mut office);
    let customer = Sipp::phone(Scenario::Answers);
    office.pbx.bind("110", &customer.uri());
    let misses = |number: &str| Customer::new(office.pbx.address(), CUSTOMERS[0]).call(number);
    let first = misses(NUMBER);
    first.wait_ringing(SOON);
    assert_eq!(first.give_up(), 487);
    assert_eq!(misses(OTHER_NUMBER).wait_final(SOON), 480);
    let found = items(&office, "two attempts", |item| item["attempts"] == 2);
    assert_eq!((found.len(), &found[0]["number"]), (1, &json!(CUSTOMERS[0])), "{found:?}");

    let browser = Browser::start();
    let marias = office.desk(&browser, "maria");
    let olgas = Office::desk_of(&browser, "olga", "olga", office.server.http);
    for desk in [&marias, &olgas] {
        desk.wait_for("[data-testid=missed-row][data-attempts=\"2\"][data-state=open]", SOON);
    }
    marias.click("[data-testid=callback-button]");
    olgas.wait_for("[data-testid=missed-row][data-state=claimed]", SOON);
    office.phone.wait_nth("CALL_INCOMING", 2, SOON);
    office.phone.answer();
    marias.wait_for("[data-testid=panel-state][data-state=talking]", SOON);
    let closed = items(&office, "the talk closes it", |item| item["state"] == "closed");
    assert_eq!((closed.len(), &closed[0]["closed_by"]), (1, &json!(office.agent_id)), "{closed:?}");
    for desk in [&marias, &olgas] {
        desk.wait_gone("[data-testid=missed-row]", SOON);
    }
    marias.click("[data-testid=hangup-button]");
    let call = eventually("the call back has ended", SOON, || {
        let calls = office.server.get("/interactions?direction=outbound");
        let it = calls["items"][0].clone();
        (it["state"] == "ended").then_some(it)
    });
    assert_eq!(
        (&call["outcome"], &call["callee_number"]),
        (&json!("answered"), &json!(CUSTOMERS[0])),
        "{call}"
    );
    assert_eq!(closed[0]["answered_interaction_id"], call["id"]);

    let last = misses(NUMBER);
    last.wait_ringing(SOON);
    assert_eq!(last.give_up(), 487);
    let again = items(&office, "a later miss opens a new item", |item| item["state"] == "open");
    assert_eq!((again.len(), &again[0]["attempts"]), (2, &json!(1)), "{again:?}");
    let replayed = office.server.command(&["replay"], "");
    assert!(replayed.contains(" 0 differences"), "{replayed}");
}
