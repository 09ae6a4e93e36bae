//! `/companies`.

use serde_json::{Value, json};

use super::clients::id;
use super::server::Server;

#[test]
fn a_company_is_made_changed_found_and_deleted_and_its_people_stay() {
    let server = Server::start();
    let admin = server.admin();
    let agent = server.agent(&admin, "maria");
    let card = json!({"name": "ООО «Берёзка»", "numbers": [{"number": "8 831 430-00-00", "label": "main"}],
        "region": "НН", "industry": "mill", "notes": "-", "custom": {"inn": "5250"}});
    let made = agent.create("/companies", &card);
    for field in ["name", "region", "industry", "notes", "custom"] {
        assert_eq!(made[field], card[field], "{field}");
    }
    assert_eq!(made["numbers"][0]["e164"], "+78314300000");
    let company = id(&made);
    let path = format!("/companies/{company}");
    assert_eq!(agent.show(&path), made);
    let person = agent.create("/contacts", &json!({"name": "Анна", "company_id": company}));

    let found = agent.show("/contacts/match?number=88314300000");
    let first = &found["candidates"][0];
    assert_eq!(first["contact"]["id"], person["id"], "{found}");
    assert_eq!(first["level"], "company", "{found}");
    assert_eq!(first["contact"]["company_name"], "ООО «Берёзка»", "{found}");

    // ооо
    let listed = agent.show("/companies?q=%D0%BE%D0%BE%D0%BE");
    let with_person = {
        let mut with_person = made.clone();
        with_person["contact_count"] = json!(1);
        with_person
    };
    assert_eq!((&listed["total"], &listed["items"][0]), (&json!(1), &with_person), "{listed}");
    let changed = agent.change(&path, &json!({"name": "Берёзка", "region": null}));
    assert_eq!((&changed["name"], &changed["region"]), (&json!("Берёзка"), &Value::Null));
    // береЗКА
    assert_eq!(agent.items("/companies?q=%D0%B1%D0%B5%D1%80%D0%B5%D0%97%D0%9A%D0%90").len(), 1);
    assert_eq!(agent.patch(&path, 1, &json!({"name": "X"})).status, 412);
    assert_eq!(agent.delete(&path, 2).status, 204);
    assert_eq!(agent.get(&path).status, 404);
    let left = agent.show(&format!("/contacts/{}", id(&person)));
    assert_eq!(left["company_id"], Value::Null, "the person stays, the company is gone: {left}");
}
