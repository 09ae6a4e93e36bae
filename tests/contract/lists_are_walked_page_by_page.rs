//! Lists: `{items, total, next}`, newest first; a walk that rows are added to meanwhile gives nothing twice.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::clients::{Client, id};
use super::server::Server;

/// Adds a row to a list and returns its id.
type Add<'a> = Box<dyn FnMut() -> String + 'a>;

/// Walks a list to its end and returns the ids in order; `meanwhile` happens after each page.
fn walk(client: &Client, path: &str, limit: usize, mut meanwhile: impl FnMut()) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.show(&format!("{path}?limit={limit}{cursor}"));
        let items = page["items"].as_array().expect("items");
        ids.extend(items.iter().map(id));
        meanwhile();
        match &page["next"] {
            Value::Null => return ids,
            next => {
                assert_eq!(items.len(), limit, "only the last page may be short");
                cursor = format!("&cursor={}", next.as_str().expect("an opaque text").replace(':', "%3A"));
            }
        }
        assert!(ids.len() < 1_000, "the walk ends");
    }
}

#[test]
fn a_walk_gives_every_row_once_and_the_newest_first_while_rows_are_added() {
    let server = Server::start();
    let admin = server.admin();
    let mut evidence = server.evidence();
    let mut count = 0;
    let mut lists: [(&str, Add<'_>); 4] = [
        ("/contacts", Box::new(|| id(&admin.create("/contacts", &json!({"name": "Пётр"}))))),
        ("/companies", Box::new(|| id(&admin.create("/companies", &json!({"name": "ООО"}))))),
        ("/lines", Box::new(|| id(&admin.add_line(server.http, "100", None)))),
        (
            "/interactions",
            Box::new(|| {
                count += 1;
                // Two in a second: the id makes the order total.
                let call = evidence.call("01900000-0000-7000-8000-000000000000", count / 2);
                evidence.save(&call, Vec::new());
                call.id.to_string()
            }),
        ),
    ];
    for (path, add) in &mut lists {
        let made: Vec<String> = (0..7).map(|_| add()).collect();
        assert_eq!(admin.show(path)["total"], 7, "{path}");
        let newest_first: Vec<String> = made.iter().rev().cloned().collect();
        for limit in [1, 3, 7, 500] {
            assert_eq!(walk(&admin, path, limit, || {}), newest_first, "{path} by {limit}");
        }
        let mut added = BTreeSet::new();
        let walked = walk(&admin, path, 2, || {
            added.insert(add());
        });
        assert_eq!(walked, newest_first, "{path}: what is added meanwhile belongs before the first page");
        assert_eq!(added.len(), 4);
        assert_eq!(admin.show(path)["total"], 11, "{path}");
        assert_eq!(admin.show(path)["items"].as_array().map(Vec::len), Some(11), "50 by default");
    }
}

#[test]
fn a_row_deleted_between_two_pages_hides_no_other() {
    let server = Server::start();
    let admin = server.admin();
    let made: Vec<String> =
        (0..6).map(|n| id(&admin.create("/contacts", &json!({"name": format!("N{n}")})))).collect();
    let first = admin.show("/contacts?limit=2");
    // The last of the page that was read, on which the cursor stands, and the first of the next.
    for gone in [&made[4], &made[3]] {
        assert_eq!(admin.delete(&format!("/contacts/{gone}"), 1).status, 204);
    }
    let next = first["next"].as_str().expect("more").replace(':', "%3A");
    let rest: Vec<String> = admin.items(&format!("/contacts?cursor={next}")).iter().map(id).collect();
    assert_eq!(rest, [made[2].clone(), made[1].clone(), made[0].clone()]);
}

#[test]
fn a_limit_is_one_to_500_and_50_when_left_out() {
    let server = Server::start();
    let admin = server.admin();
    for n in 0..51 {
        admin.create("/companies", &json!({"name": format!("N{n}")}));
    }
    let page = admin.show("/companies");
    assert_eq!(page["items"].as_array().map(Vec::len), Some(50));
    assert_eq!(page["total"], 51);
    assert!(page["next"].is_string());
    assert_eq!(admin.items("/companies?limit=500").len(), 51);
    for limit in ["0", "501"] {
        let refused = admin.get(&format!("/companies?limit={limit}"));
        assert_eq!((refused.status, &refused.json()["field"]), (422, &json!("limit")), "{}", refused.text());
    }
    for cursor in ["x", "1", "1:';--", "a:b"] {
        let refused = admin.get(&format!("/companies?cursor={}", cursor.replace(';', "%3B")));
        assert_eq!((refused.status, &refused.json()["field"]), (422, &json!("cursor")), "{}", refused.text());
    }
}
