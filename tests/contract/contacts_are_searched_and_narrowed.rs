//! Lists of contacts and companies: searched by numbers too, narrowed, ordered; the calls of a company.

use serde_json::{Value, json};

use super::clients::{Client, id};
use super::server::Server;

fn names(client: &Client, path: &str) -> Vec<String> {
    client.items(path).iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn a_list_is_searched_by_a_number_in_any_spelling_whole_or_in_part() {
    let server = Server::start();
    let admin = server.admin();
    let agent = server.agent(&admin, "maria");
    let numbers = json!([{"number": "8 (831) 212-34-56 доб. 12"}, {"number": "105"}]);
    agent.create("/contacts", &json!({"name": "Пётр", "numbers": numbers}));
    agent.create("/contacts", &json!({"name": "Анна", "numbers": [{"number": "+7 916 000-00-00"}]}));
    let company = json!({"name": "Ромашка", "numbers": [{"number": "+7 495 123-45-67"}]});
    let romashka = id(&agent.create("/companies", &company));
    agent.create("/contacts", &json!({"name": "Олег", "company_id": romashka}));
    for q in ["+78312123456", "8 831 212-34-56", "8(831)21", "+7831", "3456", "105", "tel:+7-831-212-34-56"] {
        assert_eq!(names(&agent, &format!("/contacts?q={}", encoded(q))), ["Пётр"], "{q}");
    }
    assert_eq!(names(&agent, "/contacts?q=84951234567"), ["Олег"], "by the number of the company");
    assert_eq!(names(&agent, "/companies?q=84951234567"), ["Ромашка"]);
    assert_eq!(names(&agent, "/companies?q=83121234"), Vec::<String>::new());
    let sheet = agent.get("/contacts?format=csv&q=8(831)21").text();
    assert!(sheet.contains("Пётр") && !sheet.contains("Анна"), "the file has what is found: {sheet}");
}

#[test]
fn a_list_is_narrowed_and_ordered() {
    let server = Server::start();
    let admin = server.admin();
    let agent = server.agent(&admin, "maria");
    let company = id(&agent.create("/companies", &json!({"name": "Ромашка"})));
    for (name, company_id, responsible_id) in [
        ("ёлкин", Some(&company), Some(&agent.id)),
        ("Яков", Some(&company), None),
        ("Абрам", None, Some(&agent.id)),
        ("Ежов", None, None),
    ] {
        agent.create(
            "/contacts",
            &json!({"name": name, "company_id": company_id, "responsible_id": responsible_id}),
        );
    }
    assert_eq!(names(&agent, "/contacts"), ["Ежов", "Абрам", "Яков", "ёлкин"], "newest first unless said");
    assert_eq!(names(&agent, "/contacts?sort=name"), ["Абрам", "Ежов", "ёлкин", "Яков"]);
    assert_eq!(names(&agent, &format!("/contacts?company_id={company}")), ["Яков", "ёлкин"]);
    let mine = format!("/contacts?responsible_id={}&sort=name", agent.id);
    assert_eq!(names(&agent, &mine), ["Абрам", "ёлкин"]);
    assert_eq!(names(&agent, &format!("{mine}&company_id={company}&q=ел")), ["ёлкин"]);
    let first = agent.show("/contacts?sort=name&limit=3");
    let next = first["next"].as_str().expect("one more page");
    assert_eq!(names(&agent, &format!("/contacts?sort=name&limit=3&cursor={}", encoded(next))), ["Яков"]);
    let foreign = agent.get(&format!("/contacts?cursor={}", encoded(next)));
    assert_eq!(foreign.status, 422, "a cursor of another order: {}", foreign.text());
    let refused = agent.get("/contacts?sort=name;DROP");
    assert_eq!(refused.status, 422, "{}", refused.text());
    let people = agent.items("/contacts?sort=name");
    assert_eq!((&people[0]["company_name"], &people[3]["company_name"]), (&Value::Null, &json!("Ромашка")));
    let company = agent.show(&format!("/companies/{company}"));
    assert_eq!(company["contact_count"], 2);
    for card in people.iter().chain([&company]) {
        let made = card["created_at"].as_str().unwrap_or_default();
        assert!(made.starts_with("20") && made.ends_with('Z'), "a time for people: {card}");
    }
}

#[test]
fn the_calls_of_a_company_are_found_and_an_agent_sees_its_own() {
    let server = Server::start();
    let admin = server.admin();
    let (maria, olga) = (server.agent(&admin, "maria"), server.agent(&admin, "olga"));
    let company = json!({"name": "Ромашка", "numbers": [{"number": "+78312123456"}]});
    let company = id(&admin.create("/companies", &company));
    let person = id(&admin.create("/contacts", &json!({"name": "Пётр", "company_id": company})));
    let mut evidence = server.evidence();
    let mut with_person = evidence.call(&maria.id, 1_000);
    with_person.contact_id = Some(person.parse().expect("an id"));
    with_person.caller_number = Some("+79160000000".to_owned());
    let mut from_switchboard = evidence.call(&olga.id, 2_000);
    from_switchboard.caller_number = Some("+78312123456".to_owned());
    let mut other = evidence.call(&maria.id, 3_000);
    other.caller_number = Some("+79990000000".to_owned());
    for call in [&with_person, &from_switchboard, &other] {
        evidence.save(call, Vec::new());
    }
    let path = format!("/interactions?company_id={company}");
    let ids = |client: &Client| client.items(&path).iter().map(id).collect::<Vec<_>>();
    assert_eq!(ids(&admin), [from_switchboard.id.to_string(), with_person.id.to_string()]);
    assert_eq!(ids(&maria), [with_person.id.to_string()]);
    assert_eq!(ids(&olga), [from_switchboard.id.to_string()]);
}
