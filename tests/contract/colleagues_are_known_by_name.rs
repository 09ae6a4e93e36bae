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
