//! Story 3: an unknown number becomes a contact while talking, with the calls that it made before; a colleague's next pop
//! names it. Behind a switchboard's number are four people: the agent picks one, the history follows, the company stays.

use serde_json::{Value, json};

use super::Office;
use super::server::{NUMBER, OTHER_NUMBER, PASSWORD, SOON, Storage};
use crate::peers::customer::CustomerCall;
use crate::peers::{Account, Answer, Baresip, Browser, Customer, PhoneOptions, Tab, eventually};

const STRANGER: &str = "+79219876543";
const SWITCHBOARD: &str = "+78312223344";

/// Adds a colleague with a line at the PBX's account 101 and a phone at 202.
fn adds_olga(office: &mut Office) -> Baresip {
    let options =
        PhoneOptions { answer: Answer::Manual, tone_hz: 700, expires_s: 60, ..PhoneOptions::default() };
    let phone = Baresip::start(office.pbx.address(), &Account::new("202"), &options);
    office.pbx.wait_registered("202", 1, SOON);
    let olga = json!({"login": "olga", "name": "Ольга", "role": "agent", "password": PASSWORD});
    let id = office.server.create("/users", &olga)["id"].as_str().expect("an id").to_owned();
    office.server.create(&format!("/users/{id}/devices"), &json!({"kind": "sip", "uri": "202"}));
    office.server.create(
        "/lines",
        &json!({
            "name": "Second", "server": office.pbx.address().to_string(), "username": "101",
            "password": "secret-101", "user_id": id,
        }),
    );
    office.pbx.wait_registered("101", 1, SOON);
    phone
}

/// Somebody calls and the agent answers: they talk when it returns.
fn talks(office: &Office, desk: &Tab<'_>, number: &str) -> CustomerCall {
    let before = office.phone.count("CALL_INCOMING");
    let call = Customer::new(office.pbx.address(), number).call(NUMBER);
    call.wait_ringing(SOON);
    eventually("the phone rings", SOON, || (office.phone.count("CALL_INCOMING") > before).then_some(()));
    office.phone.answer();
    call.wait_talking(SOON);
    desk.wait_for("[data-testid=panel-state][data-state=talking]", SOON);
    call
}

fn calls_of(office: &Office, filter: &str) -> Vec<Value> {
    let list = office.server.get(&format!("/interactions?{filter}"));
    list["items"].as_array().expect("items").clone()
}

/// Waits until all calls of a number are over and belong to a contact.
fn all_belong_to(office: &Office, number: &str, contact: &Value, count: usize) {
    let query = format!("number={}", number.replace('+', "%2B"));
    eventually("every call of the number has the contact", SOON, || {
        let calls = calls_of(office, &query);
        let theirs = |it: &Value| it["contact_id"] == *contact && it["state"] == "ended";
        (calls.len() == count && calls.iter().all(theirs)).then_some(())
    });
}

fn replays_alike(office: &Office) {
    let replayed = office.server.command(&["replay"], "");
    assert!(replayed.contains(" 0 differences"), "{replayed}");
}

#[test]
fn an_unknown_number_becomes_a_contact_while_talking_and_a_colleague_knows_it() {
    unknown_number_on(Storage::Sqlite);
}

#[test]
fn an_unknown_number_becomes_a_contact_while_talking_and_a_colleague_knows_it_on_postgresql() {
    unknown_number_on(Storage::postgres());
}

fn unknown_number_on(storage: Storage) {
    let mut office = Office::open_on(storage, Answer::Manual, "");
    let olgas_phone = adds_olga(&mut office);
    let browser = Browser::start();
    let marias = office.desk(&browser, "maria");
    let olgas = Office::desk_of(&browser, "olga", "olga", office.server.http);
    let earlier = Customer::new(office.pbx.address(), STRANGER).call(NUMBER);
    earlier.wait_ringing(SOON);
    assert_eq!(earlier.give_up(), 487);
    marias.wait_for("[data-testid=panel-state][data-how=missed]", SOON);

    let call = talks(&office, &marias, STRANGER);
    marias.fill("[data-testid=new-name]", "Ирина Крылова");
    marias.fill("[data-testid=new-company]", "ООО «Парус»");
    marias.click("[data-testid=new-save]");
    marias.wait_for("[data-testid=pop-company]", SOON);
    assert_eq!(marias.text("[data-testid=pop-name]"), "Ирина Крылова");
    let live = office.server.get("/calls")["items"][0].clone();
    let irina = live["contact_id"].clone();
    assert!(irina.is_string(), "the call under way has the contact: {live}");
    call.hang_up();
    all_belong_to(&office, STRANGER, &irina, 2);
    let missed = office.server.get("/missed")["items"][0].clone();
    assert_eq!(missed["contact_id"], irina, "the missed call is Irina's too: {missed}");
    let explained = calls_of(&office, "outcome=abandoned")[0]["id"].as_str().expect("an id").to_owned();
    let explained = office.server.get(&format!("/interactions/{explained}/explain"));
    let asked = explained["sentences"].as_array().expect("sentences").iter();
    let asked: Vec<_> = asked.filter(|it| it["key"] == "contact_looked_up").collect();
    assert_eq!(asked.len(), 2, "asked when it rang and when the contact was there: {explained}");

    let next = Customer::new(office.pbx.address(), STRANGER).call(OTHER_NUMBER);
    olgas_phone.wait_ringing(SOON);
    olgas.wait_for("[data-testid=panel-state][data-state=ringing]", SOON);
    olgas.wait_for("[data-testid=pop-company]", SOON);
    assert_eq!(olgas.text("[data-testid=pop-name]"), "Ирина Крылова");
    assert_eq!(next.give_up(), 487);
    all_belong_to(&office, STRANGER, &irina, 3);
    replays_alike(&office);
}

#[test]
fn one_of_four_behind_a_switchboard_is_picked_and_the_history_follows() {
    let office = Office::open(Answer::Manual);
    let company = office
        .server
        .create("/companies", &json!({"name": "ООО «Волга-Сервис»", "numbers": [{"number": SWITCHBOARD}]}));
    let people = ["Мария Иванова", "Пётр Сергеев", "Ольга Лебедева", "Глеб Орлов"].map(|name| {
        office.server.create("/contacts", &json!({"name": name, "company_id": company["id"]}))["id"].clone()
    });
    let petr = &people[1];
    let browser = Browser::start();
    let desk = office.desk(&browser, "maria");
    let call = talks(&office, &desk, SWITCHBOARD);
    assert_eq!(desk.count("[data-testid=candidate]"), 4);
    assert_eq!(desk.text("[data-testid=pop-name]"), "ООО «Волга-Сервис»");
    let id = petr.as_str().expect("an id");
    desk.click(&format!("[data-testid=candidate][data-contact-id=\"{id}\"]"));
    desk.wait_for("[data-testid=pop-company]", SOON);
    assert_eq!(desk.text("[data-testid=pop-name]"), "Пётр Сергеев");
    assert_eq!(desk.text("[data-testid=pop-company]"), "ООО «Волга-Сервис»", "the company stays");
    call.hang_up();
    all_belong_to(&office, SWITCHBOARD, petr, 1);
    for (at, person) in people.iter().enumerate() {
        let calls = calls_of(&office, &format!("contact_id={}", person.as_str().expect("an id")));
        assert_eq!(calls.len(), usize::from(at == 1), "the history follows to the one who was picked");
        let contact = office.server.get(&format!("/contacts/{}", person.as_str().expect("an id")));
        assert_eq!((&contact["company_id"], &contact["numbers"]), (&company["id"], &json!([])), "{contact}");
    }
    let id = company["id"].as_str().expect("an id");
    assert_eq!(calls_of(&office, &format!("company_id={id}")).len(), 1, "and is the company's still");

    // The next one who calls from there is asked about again, and is somebody new.
    let call = talks(&office, &desk, SWITCHBOARD);
    assert_eq!(desk.count("[data-testid=candidate]"), 4);
    desk.click("[data-testid=someone-new]");
    desk.fill("[data-testid=new-name]", "Зоя Павлова");
    desk.click("[data-testid=new-save]");
    desk.wait_text("Зоя Павлова", SOON);
    eventually("Zoya is one of the company's people", SOON, || {
        let zoya = office.server.get("/contacts?q=%D0%97%D0%BE%D1%8F")["items"][0].clone();
        (zoya["company_id"] == company["id"] && zoya["numbers"] == json!([])).then_some(())
    });
    call.hang_up();
    let calls = eventually("both calls are over", SOON, || {
        let calls = calls_of(&office, "outcome=answered");
        (calls.len() == 2).then_some(calls)
    });
    assert_ne!(calls[0]["contact_id"], calls[1]["contact_id"], "{calls:?}");
    assert!(calls[0]["contact_id"].is_string(), "{calls:?}");
    replays_alike(&office);
}
