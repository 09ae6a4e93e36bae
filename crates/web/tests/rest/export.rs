//! Lists as CSV files.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use futures_util::StreamExt;
use linecard_calls::{RecordingState, Role};
use serde_json::{Value, json};

use crate::support::{Answer, Desk, NOW, Person, add_missed, add_recorded, ended, pass, request, save};

/// Reads a file: its header and its rows.
fn rows(answer: &Answer) -> (Vec<String>, Vec<Vec<String>>) {
    assert_eq!(answer.status, StatusCode::OK, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    let text = answer.body.strip_prefix("\u{feff}".as_bytes()).expect("a byte order mark");
    assert!(text.ends_with(b"\r\n"), "lines end as RFC 4180 says");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text);
    let mut rows: Vec<Vec<String>> =
        reader.records().map(|row| row.expect("a sound row").iter().map(str::to_owned).collect()).collect();
    (rows.remove(0), rows)
}

/// Returns the cells of one column.
fn column(answer: &Answer, name: &str) -> Vec<String> {
    let (header, rows) = rows(answer);
    let place =
        header.iter().position(|column| column == name).unwrap_or_else(|| panic!("{name} in {header:?}"));
    rows.into_iter().map(|row| row[place].clone()).collect()
}

async fn add_contact(desk: &Desk, person: &Person, contact: &Value) {
    let answer = desk.post(person, "/contacts", contact).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&answer.body));
}

/// A desk with at least one row in every list, and the paths of the lists.
async fn full_desk() -> (Desk, Person, Vec<String>) {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    let devices = format!("/users/{}/devices", admin.id);
    add_contact(&desk, &admin, &json!({"name": "Пётр", "numbers": [{"number": "105"}]})).await;
    let line = json!({"server": "pbx.example", "username": "201", "password": "secret"});
    for (path, body) in [
        ("/companies", json!({"name": "Ромашка", "numbers": []})),
        ("/lines", line),
        (devices.as_str(), json!({"kind": "sip", "uri": "201"})),
        (devices.as_str(), json!({"kind": "phone", "name": "Desk"})),
    ] {
        assert_eq!(desk.post(&admin, path, &body).await.status, StatusCode::CREATED, "{path}");
    }
    desk.calls(Some(admin.id), "+79030000001");
    add_recorded(&mut desk, &admin, RecordingState::Finished).await;
    add_missed(&mut desk, &admin).await;
    let paths = [
        "/users",
        "/users/colleagues",
        "/people",
        "/sessions",
        "/lines",
        "/lines/standings",
        "/contacts",
        "/companies",
        "/calls",
        "/interactions",
        "/recordings",
        "/missed",
        "/audit",
    ];
    let paths = paths.into_iter().map(str::to_owned).chain([devices]).collect();
    (desk, admin, paths)
}

#[tokio::test]
async fn every_list_is_exported_with_every_field_of_its_items() {
    let (desk, admin, paths) = full_desk().await;
    let router = include_str!("../../src/router.rs");
    let lists = router.matches("::list)").count() + router.matches("users::devices)").count();
    assert_eq!(
        paths.len(),
        lists,
        "a list is exported here that the router does not have, or the other way round"
    );
    for path in paths {
        let items = desk.get(&admin, &path).await.items();
        // Of devices each kind has its own fields.
        let objects = items.iter().map(|item| item.as_object().expect("an object"));
        let fields: BTreeSet<String> = objects.flat_map(|object| object.keys().cloned()).collect();
        let file = desk.get(&admin, &format!("{path}?format=csv")).await;
        let (header, rows) = rows(&file);
        let columns: BTreeSet<String> =
            header.iter().map(|column| column.split('.').next().unwrap_or(column).to_owned()).collect();
        assert_eq!((columns, rows.len()), (fields, items.len()), "{path}");
        assert!(!header.iter().any(|column| column.contains("password")), "{path}");
        let name = path.rsplit('/').next().expect("a name");
        assert_eq!(file.header("content-disposition"), format!("attachment; filename=\"{name}.csv\""));
        let ids = column(&file, if path == "/calls" { "call_id" } else { "id" });
        let shown =
            items.iter().map(|it| it["id"].as_str().or(it["call_id"].as_str()).expect("an id").to_owned());
        assert_eq!(ids, shown.collect::<Vec<_>>(), "{path}");
        for format in ["xml", "CSV", ""] {
            let refused = desk.get(&admin, &format!("{path}?format={format}")).await;
            assert_eq!(refused.problem(422).as_deref(), Some("format"), "{path} {format}");
        }
    }
}

#[tokio::test]
async fn a_list_without_rows_is_exported_as_its_header() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    let (header, rows) = rows(&desk.get(&admin, "/contacts?format=csv").await);
    assert_eq!((header[1].as_str(), rows.len()), ("name", 0));
}

#[tokio::test]
async fn an_export_gives_the_whole_list_and_a_limit_gives_a_page() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    for round in 0..1_203_i64 {
        let it = ended(&mut desk, Some(admin.id), NOW.plus_ms(round / 3));
        save(&desk.store, &[it]).await;
    }
    let file = desk.get(&admin, "/interactions?format=csv").await;
    let all = column(&file, "id");
    let walked = walk(&desk, &admin).await;
    assert_eq!((all.len(), &all), (1_203, &walked), "the same rows in the same order as the pages of JSON");
    let page = desk.get(&admin, "/interactions?format=csv&limit=10").await;
    assert_eq!(column(&page, "id"), all[..10]);
    let next = desk.get(&admin, "/interactions?limit=10").await.json()["next"].clone();
    let next = next.as_str().expect("more");
    let rest = desk.get(&admin, &format!("/interactions?format=csv&cursor={next}")).await;
    assert_eq!(column(&rest, "id"), all[10..]);
    let part = desk.get(&admin, &format!("/interactions?format=csv&from={}", NOW.plus_ms(400))).await;
    assert_eq!(column(&part, "id"), all[..3], "a filter holds for a file too");
}

async fn walk(desk: &Desk, person: &Person) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = desk.get(person, &format!("/interactions?limit=500{cursor}")).await;
        all.extend(page.items().iter().map(|it| it["id"].as_str().expect("an id").to_owned()));
        match page.json()["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn a_large_export_is_read_while_it_is_sent_and_breaks_off_when_it_cannot_go_on() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    let many: Vec<_> =
        (0..1_203_i64).map(|round| ended(&mut desk, Some(admin.id), NOW.plus_ms(round))).collect();
    save(&desk.store, &many).await;
    let asked = || request(Method::GET, "/interactions?format=csv", Some(&admin), "");
    let mut chunks = desk.raw(asked()).await.into_body().into_data_stream();
    let mut sizes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        sizes.push(chunk.expect("a sound chunk").iter().filter(|byte| **byte == b'\n').count());
    }
    assert_eq!(sizes, [501, 500, 203], "lines of each page, the header with the first");

    let mut chunks = desk.raw(asked()).await.into_body().into_data_stream();
    assert!(chunks.next().await.expect("a first page").is_ok());
    desk.stop();
    assert!(
        chunks.next().await.expect("an end that is told").is_err(),
        "half a file is not passed off as a whole"
    );
    assert!(chunks.next().await.is_none());
    desk.send(asked()).await.problem(503);
}

#[tokio::test]
async fn what_a_spreadsheet_would_run_is_made_text() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    let cases = [
        ("=HYPERLINK(\"http://evil.example\")", "'=HYPERLINK(\"http://evil.example\")"),
        ("+1+1", "'+1+1"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),
        ("ООО;=1", "ООО;'=1"),
        ("ООО; @a", "ООО; '@a"),
        ("a=b+c-d@e", "a=b+c-d@e"),
        ("Иванова-Петрова, \"Мария\"", "Иванова-Петрова, \"Мария\""),
    ];
    for (name, _) in cases {
        pass(1);
        add_contact(&desk, &admin, &json!({ "name": name })).await;
    }
    let mut names = column(&desk.get(&admin, "/contacts?format=csv").await, "name");
    names.reverse();
    assert_eq!(names, cases.map(|(_, cell)| cell));
}

#[tokio::test]
async fn notes_and_fields_of_ones_own_are_made_text_too() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    let notes = [
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"),
        ("строка\n=1", "строка\n'=1"),
        ("строка\nещё", "строка\nещё"),
    ];
    for (notes, cell) in notes {
        add_contact(&desk, &admin, &json!({"name": "Пётр", "notes": notes, "custom": {"k": "a;=1"}})).await;
        let file = desk.get(&admin, "/contacts?format=csv").await;
        assert!(column(&file, "notes").contains(&cell.to_owned()), "{notes:?}");
        assert_eq!(column(&file, "custom")[0], r#"{"k":"a;'=1"}"#);
        for cell in rows(&file).1.concat() {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
        }
    }
}

#[tokio::test]
async fn numbers_are_written_as_people_read_them() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    let numbers = json!([{"number": "+78312123456"}, {"number": "+7 903 000-00-01", "label": "мобильный"}, {"number": "105"}]);
    let contact = json!({"name": "Пётр", "numbers": numbers, "emails": ["a@example.org", "b@example.org"]});
    add_contact(&desk, &admin, &contact).await;
    let file = desk.get(&admin, "/contacts?format=csv").await;
    assert_eq!(column(&file, "numbers"), ["'+78312123456; '+7 903 000-00-01 (мобильный); 105"]);
    assert_eq!(column(&file, "emails"), ["a@example.org; b@example.org"]);
    assert_eq!(
        (column(&file, "source"), column(&file, "version")),
        (vec![String::new()], vec!["1".to_owned()])
    );
    desk.calls(Some(admin.id), "+78312123456");
    let calls = desk.get(&admin, "/interactions?format=csv").await;
    assert_eq!(column(&calls, "caller_number"), ["'+78312123456"]);
    assert_eq!(column(&calls, "answered_at"), [""]);
}

#[tokio::test]
async fn an_agent_exports_what_an_agent_sees() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    let (anna, boris) = (desk.person("anna", Role::Agent).await, desk.person("boris", Role::Agent).await);
    let (hers, _) = add_recorded(&mut desk, &anna, RecordingState::Finished).await;
    let (his, _) = add_recorded(&mut desk, &boris, RecordingState::Finished).await;
    desk.calls(Some(boris.id), "+79030000001");
    assert_eq!(column(&desk.get(&anna, "/interactions?format=csv").await, "id"), [hers.as_str()]);
    assert_eq!(column(&desk.get(&anna, "/recordings?format=csv").await, "interaction_id"), [hers.as_str()]);
    assert_eq!(column(&desk.get(&anna, "/calls?format=csv").await, "call_id").len(), 0);
    let all = column(&desk.get(&admin, "/recordings?format=csv").await, "interaction_id");
    assert_eq!(all, [his, hers]);
    for path in ["/users?format=csv", "/lines?format=csv"] {
        desk.get(&anna, path).await.problem(403);
    }
    desk.send(request(Method::GET, "/contacts?format=csv", None, "")).await.problem(401);
}
