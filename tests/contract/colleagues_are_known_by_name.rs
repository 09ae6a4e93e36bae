//! `/people`: every log-in learns who works here, by name and nothing else.

use serde_json::{Value, json};

use super::server::Server;

#[test]
fn an_agent_knows_its_colleagues_by_name_alone() {
    let server = Server::start();
    let admin = server.admin();
    let (maria, _) = (server.agent(&admin, "maria"), server.supervisor(&admin, "anna"));
    let path = format!("/users/{}", maria.id);
    admin.change(&path, &json!({"name": "Мария Иванова", "extension": "201"}));

    let list = maria.show("/people");
    let names: Vec<&Value> = list["items"].as_array().expect("items").iter().map(|it| &it["name"]).collect();
    assert_eq!(
        (names, &list["total"]),
        (vec![&json!("anna"), &json!("Мария Иванова"), &json!("Admin")], &json!(3))
    );
    let herself = json!({"id": maria.id, "name": "Мария Иванова"});
    assert!(list["items"].as_array().expect("items").contains(&herself), "id and name, no more: {list}");
    let page = maria.show("/people?limit=1");
    let next = page["next"].as_str().expect("there is more");
    assert_eq!(maria.items(&format!("/people?limit=1&cursor={next}")), [herself], "in pages too");
    assert!(maria.get("/people?format=csv").text().contains("Мария Иванова"));
}

#[test]
fn an_agent_finds_to_whom_a_customer_can_be_handed_over() {
    let server = Server::start();
    let admin = server.admin();
    let (maria, anna) = (server.agent(&admin, "maria"), server.agent(&admin, "anna"));
    let named = json!({"name": "Анна-Мария Ёлкина", "extension": "202"});
    admin.change(&format!("/users/{}", anna.id), &named);
    let list = maria.show("/users/colleagues");
    let theirs =
        json!({"id": anna.id, "name": "Анна-Мария Ёлкина", "extension": "202", "state": "available"});
    assert!(list["items"].as_array().expect("items").contains(&theirs), "{list}");
    assert_eq!(list["total"], 2, "without herself: {list}");
    for (sought, finds) in [("елк", 1), ("анна", 1), ("20", 1), ("02", 0), ("кина", 0), ("", 2)] {
        let found = maria.show(&format!("/users/colleagues?q={}", escaped(sought)));
        assert_eq!(found["total"], finds, "{sought}: {found}");
    }
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
