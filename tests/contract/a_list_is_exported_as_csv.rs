//! `?format=csv` on lists: a header, one record a row, RFC 4180 quoting, and no cell that a spreadsheet would run.

use serde_json::{Value, json};

use super::clients::id;
use super::server::Server;

/// Reads CSV as RFC 4180 section 2 says: records end with CRLF or LF, a quote within quotes is doubled.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut letters = text.trim_start_matches('\u{feff}').chars().peekable();
    let mut quoted = false;
    while let Some(letter) = letters.next() {
        match (letter, quoted) {
            ('"', true) if letters.peek() == Some(&'"') => cell.extend(letters.next()),
            ('"', _) => quoted = !quoted,
            (',', false) => record.push(std::mem::take(&mut cell)),
            ('\r', false) if letters.peek() == Some(&'\n') => {}
            ('\n', false) => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            (other, _) => cell.push(other),
        }
    }
    assert!(!quoted && record.is_empty() && cell.is_empty(), "the last record is whole: {text:?}");
    records
}

#[test]
fn the_reader_of_this_test_reads_csv() {
    let read = records("a,b\r\n\"1,\"\"x\"\"\r\n2\",\n");
    assert_eq!(read, [vec!["a".to_owned(), "b".to_owned()], vec!["1,\"x\"\r\n2".to_owned(), String::new()]]);
}

#[test]
fn every_list_is_exported_with_a_header_and_a_record_for_each_row() {
    let server = Server::start();
    let admin = server.admin();
    let agent = server.agent(&admin, "maria");
    let mut evidence = server.evidence();
    let mut call = evidence.call(&agent.id, 0);
    let recording = evidence.record(&mut call, 20);
    evidence.save(&call, vec![recording]);
    admin.create("/contacts", &json!({"name": "Пётр", "numbers": [{"number": "88312123456"}]}));
    admin.create("/companies", &json!({"name": "ООО"}));
    admin.add_line(server.http, "100", None);
    for list in
        ["/users", "/lines", "/contacts", "/companies", "/interactions", "/recordings", "/missed", "/audit"]
    {
        let reply = admin.get(&format!("{list}?format=csv"));
        assert_eq!(reply.status, 200, "{list}: {}", reply.text());
        let kind = reply.header("Content-Type").unwrap_or_default().to_owned();
        assert!(kind.starts_with("text/csv"), "{list}: {kind}");
        let read = records(&reply.text());
        let rows = admin.items(list);
        assert_eq!(read.len(), rows.len() + 1, "{list}: {read:?}");
        let header = &read[0];
        assert!(header.iter().any(|cell| cell == "id"), "{list}: {header:?}");
        let place = header.iter().position(|cell| cell == "id").expect("an id");
        for (record, row) in read[1..].iter().zip(&rows) {
            assert_eq!(record.len(), header.len(), "{list}: {record:?}");
            assert_eq!(record[place], id(row), "{list}: in the list's order");
        }
    }
    assert_eq!(records(&agent.get("/interactions?format=csv").text()).len(), 2, "an agent's own");
    let other = server.agent(&admin, "olga");
    assert_eq!(records(&other.get("/interactions?format=csv").text()).len(), 1, "and no other's");
    assert_eq!(agent.get("/users?format=csv").status, 403);
    let filtered = admin.get("/interactions?format=csv&outcome=busy");
    assert_eq!(records(&filtered.text()).len(), 1, "a filter holds: {}", filtered.text());
    for format in ["xml", "CSV;DROP"] {
        let refused = admin.get(&format!("/contacts?format={format}"));
        assert_eq!((refused.status, &refused.json()["field"]), (422, &json!("format")), "{}", refused.text());
    }
}

#[test]
fn a_cell_is_text_and_never_a_formula() {
    let server = Server::start();
    let admin = server.admin();
    let hostile = [
        "=1+1",
        "=HYPERLINK(\"http://evil.example\",\"x\")",
        "+7 831 212-34-56",
        "-2+3",
        "@SUM(A1)",
        "\"quoted\", and; more",
        " =1+1",
    ];
    for name in hostile {
        admin.create("/contacts", &json!({"name": name, "notes": "first\nsecond, \"third\""}));
    }
    let reply = admin.get("/contacts?format=csv");
    let read = records(&reply.text());
    let place = |field: &str| {
        read[0].iter().position(|cell| cell == field).unwrap_or_else(|| panic!("{field}: {:?}", read[0]))
    };
    let (name, notes) = (place("name"), place("notes"));
    assert_eq!(read.len(), hostile.len() + 1);
    for record in &read[1..] {
        assert_eq!(record[notes], "first\nsecond, \"third\"", "line breaks, commas and quotes survive");
        let first = record[name].chars().next().expect("a name");
        assert!(
            !['=', '+', '-', '@', '\t', '\r'].contains(&first),
            "a spreadsheet would run {:?}",
            record[name]
        );
    }
    for (record, typed) in read[1..].iter().zip(hostile.iter().rev()) {
        assert!(record[name].ends_with(typed), "nothing else is changed: {:?} was {typed:?}", record[name]);
    }
}

#[test]
fn an_export_walks_like_its_list() {
    let server = Server::start();
    let admin = server.admin();
    for n in 0..5 {
        admin.create("/contacts", &json!({"name": format!("N{n}")}));
    }
    let limited = records(&admin.get("/contacts?format=csv&limit=2").text());
    assert_eq!(limited.len(), 3, "a limit that is given holds: {limited:?}");
    let found = records(&admin.get("/contacts?format=csv&q=n3").text());
    assert_eq!(found.len(), 2, "so does a search: {found:?}");
    let items: Vec<Value> = admin.items("/contacts");
    assert_eq!(items.len(), 5);
}
