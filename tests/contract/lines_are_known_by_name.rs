//! `/lines/standings`: every log-in learns which lines there are and whether they are registered, and nothing of accounts.

use serde_json::json;

use super::desk::Desk;
use super::socket::SOON;
use crate::peers::eventually;

#[test]
fn an_agent_knows_the_lines_by_name_and_how_they_stand() {
    let desk = Desk::open();
    let nobodys = desk.admin.add_line("127.0.0.1:9".parse().expect("an address"), "102", None);
    let standings = eventually("one is registered", SOON, || {
        let items = desk.agent.items("/lines/standings");
        items.iter().any(|line| line["state"] == "registered").then_some(items)
    });
    let own = desk.admin.show(&format!("/lines/{}", desk.line_id));
    let known = json!({
        "id": desk.line_id, "name": own["name"], "user_id": desk.agent.id, "state": "registered",
        "since": own["registration"]["since"],
    });
    assert!(standings.contains(&known), "no more than that: {standings:?}");
    let other = standings.iter().find(|line| line["id"] == nobodys["id"]).expect("a line of nobody's too");
    assert!(["trying", "failed"].contains(&other["state"].as_str().expect("a state")), "{other}");
    assert_eq!((standings.len(), &other["user_id"]), (2, &json!(null)));
    assert!(desk.agent.get("/lines/standings?format=csv").text().contains("id,name,user_id,state,since"));
}
