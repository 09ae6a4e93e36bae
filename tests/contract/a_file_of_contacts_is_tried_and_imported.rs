//! `/contacts/import`: a table is tried first and then taken over; each row says what became of it; what is no table is
//! refused in words. Only supervisors and administrators may.

use serde_json::{Value, json};

use super::clients::Client;
use super::server::Server;
use crate::peers::http::{Reply, send};

const TABLE: &str = "Имя;Компания;Телефон;Город\r\n\
                     Мария Иванова;ООО «Волга»;8 (831) 212-34-56;\r\n\
                     Пётр Сергеев;ооо «Волга»;8 (831) 212-34-57;\r\n\
                     мария иванова;;+7 831 212-34-56;\r\n\
                     ;;;Москва\r\n";

fn import(client: &Client, query: &str, body: &str, kind: &str) -> Reply {
    client.send("POST", &format!("/contacts/import{query}"), body, &format!("Content-Type: {kind}\r\n"))
}

fn counts(report: &Value) -> [&Value; 5] {
    ["dry_run", "added", "companies", "known", "refused"].map(|name| &report[name])
}

#[test]
fn a_table_is_tried_and_then_taken_over_once() {
    let server = Server::start();
    let admin = server.admin();
    let supervisor = server.supervisor(&admin, "anna");
    let tried = import(&supervisor, "?dry_run=true", TABLE, "text/csv; charset=utf-8");
    assert_eq!(tried.status, 200, "{}", tried.text());
    let tried = tried.json();
    assert_eq!(counts(&tried), [&json!(true), &json!(2), &json!(1), &json!(1), &json!(1)], "{tried}");
    let rows: Vec<_> = tried["rows"].as_array().expect("rows").iter().collect();
    let results: Vec<_> = rows.iter().map(|row| (row["place"].as_u64(), row["result"].as_str())).collect();
    let expected = [(2, "added"), (3, "added"), (4, "known"), (5, "refused")];
    assert_eq!(results, expected.map(|(place, result)| (Some(place), Some(result))), "{tried}");
    assert_eq!(rows[0]["numbers"], json!(["8 (831) 212-34-56"]), "{tried}");
    assert_eq!((&rows[3]["refusal"], &rows[3]["name"]), (&json!("nobody"), &Value::Null), "{tried}");
    assert!(rows[3]["reason"].as_str().expect("a reason").contains("neither a name"), "{tried}");
    assert_eq!(supervisor.show("/contacts")["total"], 0, "a dry run changes nothing");
    assert_eq!(supervisor.show("/companies")["total"], 0);

    let done = import(&supervisor, "", TABLE, "application/octet-stream").json();
    assert_eq!(counts(&done), [&json!(false), &json!(2), &json!(1), &json!(1), &json!(1)], "{done}");
    assert_eq!(done["rows"], tried["rows"], "as it was said before");
    let again = import(&admin, "", TABLE, "text/csv").json();
    assert_eq!(counts(&again), [&json!(false), &json!(0), &json!(0), &json!(3), &json!(1)], "{again}");
    let names: Vec<_> = admin.items("/contacts?sort=name").iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, [json!("Мария Иванова"), json!("Пётр Сергеев")]);
    assert_eq!(admin.show("/companies")["total"], 1);
}

#[test]
fn a_vcard_is_taken_too() {
    let server = Server::start();
    let admin = server.admin();
    let card =
        "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ольга Лебедева\r\nTEL;TYPE=CELL:+79161234567\r\nEND:VCARD\r\n";
    let done = import(&admin, "", card, "text/vcard").json();
    assert_eq!(done["added"], 1, "{done}");
    assert_eq!(admin.items("/contacts")[0]["numbers"][0]["e164"], "+79161234567");
}

#[test]
fn what_cannot_be_imported_is_refused_in_words() {
    let server = Server::start();
    let admin = server.admin();
    let agent = server.agent(&admin, "maria");
    let refused = import(&agent, "?dry_run=true", TABLE, "text/csv");
    assert_eq!(refused.status, 403, "{}", refused.text());
    for (body, why) in [
        ("", "the file is empty"),
        ("Артикул;Цена\r\n1;2\r\n", "no column names a person"),
        ("PK\u{3}\u{4}\0\0", "save the table as CSV"),
    ] {
        let refused = import(&admin, "", body, "text/csv");
        assert_eq!((refused.status, &refused.json()["field"]), (422, &json!("file")), "{}", refused.text());
        assert!(refused.json()["detail"].as_str().expect("a detail").contains(why), "{}", refused.text());
    }
    assert_eq!(import(&admin, "", "{}", "application/json").status, 415);
    assert_eq!(import(&admin, "?dry_run=perhaps", TABLE, "text/csv").status, 422);
    let mut many = String::from("Name;Phone\n");
    (0..20_001).for_each(|n| many.push_str(&format!("N{n};105\n")));
    let refused = import(&admin, "?dry_run=true", &many, "text/csv");
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("20001 rows"), "{}", refused.text());
    let huge = "x".repeat(8 * 1024 * 1024 + 1);
    let login = format!("Authorization: Bearer {}\r\n", admin.token);
    // The answer may come before the whole is sent, and the connection close.
    if let Ok(refused) = send(server.http, "POST", "/api/v1/contacts/import", &huge, &login) {
        assert_eq!(refused.status, 413, "{}", refused.text());
    }
    assert_eq!(admin.show("/contacts")["total"], 0);
}
