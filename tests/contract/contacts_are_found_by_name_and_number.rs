//! `/contacts` and `/contacts/match`.

use serde_json::{Value, json};

use super::clients::{Client, id};
use super::server::Server;

/// Percent-encodes a query's value.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn found(client: &Client, q: &str) -> Vec<String> {
    let mut ids: Vec<String> = client.items(&format!("/contacts?q={}", encoded(q))).iter().map(id).collect();
    ids.sort_unstable();
    ids
}

fn matched(client: &Client, number: &str) -> Vec<Value> {
    let path = format!("/contacts/match?number={}", encoded(number));
    client.show(&path)["candidates"].as_array().expect("candidates").clone()
}

#[test]
fn a_contact_keeps_what_it_was_given() {
    let server = Server::start();
    let admin = server.admin();
    let agent = server.agent(&admin, "maria");
    let company = id(&agent.create("/companies", &json!({"name": "ООО «Ромашка»"})));
    let card = json!({"name": "Пётр Королёв", "company_id": company, "responsible_id": agent.id,
        "numbers": [{"number": "8 (831) 212-34-56", "label": "work"}, {"number": "105"}],
        "emails": ["petr@example.com"], "source": "fair", "region": "Нижний Новгород", "industry": "steel",
        "notes": "перезвонить\nутром", "custom": {"size": 40}});
    let made = agent.create("/contacts", &card);
    for field in
        ["name", "company_id", "responsible_id", "emails", "source", "region", "industry", "notes", "custom"]
    {
        assert_eq!(made[field], card[field], "{field}");
    }
    assert_eq!(
        made["numbers"],
        json!([
            {"number": "8 (831) 212-34-56", "e164": "+78312123456", "extension": null, "label": "work"},
            {"number": "105", "e164": null, "extension": "105", "label": null},
        ])
    );
    let path = format!("/contacts/{}", id(&made));
    assert_eq!(agent.show(&path), made);
    let changed = agent.change(&path, &json!({"notes": null, "numbers": []}));
    assert_eq!((&changed["notes"], &changed["numbers"]), (&Value::Null, &json!([])));
    assert_eq!(changed["name"], "Пётр Королёв", "what was left out stays");
    assert_eq!(matched(&agent, "+78312123456"), Vec::<Value>::new(), "a removed number finds nobody");
    assert_eq!(agent.patch(&path, 1, &json!({"name": "X"})).status, 412);
    assert_eq!(agent.delete(&path, 1).status, 412);
    assert_eq!(agent.delete(&path, 2).status, 204);
    assert_eq!(agent.get(&path).status, 404);
}

#[test]
fn a_name_is_found_in_any_case_and_without_its_dots() {
    let server = Server::start();
    let admin = server.admin();
    let petr = id(&admin.create("/contacts", &json!({"name": "Пётр Королёв"})));
    let semyon = id(&admin.create("/contacts", &json!({"name": "СЕМЕН КОРОЛЕВ"})));
    admin.create("/contacts", &json!({"name": "100% Anna_B"}));
    let both = {
        let mut both = vec![petr.clone(), semyon.clone()];
        both.sort_unstable();
        both
    };
    for q in ["королёв", "КОРОЛЕВ", "Королев", "корол"] {
        assert_eq!(found(&admin, q), both, "{q}");
    }
    for q in ["пётр", "петр", "ПЁТР КОРОЛЕВ", " петр  королев ", "Пе\u{0308}тр"]
    {
        assert_eq!(found(&admin, q), vec![petr.clone()], "{q}");
    }
    assert_eq!(found(&admin, "семён"), vec![semyon]);
    for q in ["оролёв", "%", "_", "К%", "Корол_в", "'; DROP TABLE contacts; --"] {
        assert_eq!(found(&admin, q), Vec::<String>::new(), "{q}: nothing of it is a pattern");
    }
    assert_eq!(found(&admin, "100%").len(), 1);
    assert_eq!(found(&admin, " ").len(), 3, "an empty search finds all");
}

#[test]
fn a_number_is_matched_in_any_spelling_with_level_and_reasons() {
    let server = Server::start();
    let admin = server.admin();
    let petr =
        id(&admin.create("/contacts", &json!({"name": "Пётр", "numbers": [{"number": "+7 831 212-34-56"}]})));
    for spelling in [
        "+78312123456",
        "88312123456",
        "8 (831) 212-34-56",
        "8-831-212-34-56",
        "81078312123456",
        "tel:+7-831-212-34-56",
    ] {
        let candidates = matched(&admin, spelling);
        assert_eq!(candidates.len(), 1, "{spelling}: {candidates:?}");
        let first = &candidates[0];
        assert_eq!(first["contact"]["id"], petr, "{spelling}: {first}");
        assert_eq!(first["level"], "exact", "{spelling}: {first}");
        let score = first["score"].as_f64().expect("a score");
        assert!((0.0..=1.0).contains(&score), "{first}");
        assert!(
            first["reasons"].as_array().is_some_and(|it| it.iter().all(Value::is_string) && !it.is_empty())
        );
        for field in ["id", "name", "company_name", "responsible_id"] {
            assert!(first["contact"].get(field).is_some(), "{field}: {first}");
        }
    }
    let last_digits = matched(&admin, "2123456");
    assert_eq!(last_digits[0]["level"], "suffix", "{last_digits:?}");
    for stranger in ["+78312123457", "105", "anonymous", "", "123"] {
        assert_eq!(matched(&admin, stranger), Vec::<Value>::new(), "{stranger}");
    }
    let twin = json!({"name": "Анна", "numbers": [{"number": "88312123456", "label": "home"}]});
    admin.create("/contacts", &twin);
    assert_eq!(matched(&admin, "+78312123456").len(), 2, "both are shown, nobody is chosen");
}

#[test]
fn a_card_that_cannot_be_kept_is_refused_by_its_field() {
    let server = Server::start();
    let admin = server.admin();
    let nobody = "01900000-0000-7000-8000-000000000000";
    let many: Vec<Value> = (0..51).map(|n| json!({"number": format!("8312{n:06}")})).collect();
    let cases = [
        ("name", json!("")),
        ("name", json!("a\u{0}b")),
        ("name", json!("я".repeat(301))),
        ("emails", json!(["a\r\nb"])),
        ("numbers", json!(many)),
        ("id", json!(nobody)),
    ];
    for (field, value) in cases {
        let mut card = json!({"name": "Пётр"});
        card[field] = value;
        let reply = admin.post("/contacts", &card);
        assert_eq!(reply.status, 422, "{field}: {}", reply.text());
        let blamed = reply.json()["field"].as_str().unwrap_or_default().to_owned();
        assert_eq!(blamed, field, "{}", reply.text());
    }
    assert_eq!(admin.show("/contacts")["total"], 0);
}
