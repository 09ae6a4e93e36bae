//! A table of another program is imported beside a running server: tried first, then taken over, and taken over again
//! without doubles; a customer of it who calls is known.

use serde_json::Value;

use super::Office;
use super::server::{NUMBER, SOON};
use crate::peers::{Answer, Customer, eventually};

/// As Russian Excel writes it: Windows-1251, semicolons, CRLF. The last row is nobody.
const TABLE: &str = "Фамилия;Имя;Компания;Телефон;Город\r\n\
                     Иванова;Мария;ООО «Волга»;8 (831) 212-34-56, 8-916-123-45-67;Нижний Новгород\r\n\
                     Сергеев;Пётр;ооо «Волга»;8 (831) 212-34-57;\r\n\
                     ;;;;Москва\r\n";

fn windows_1251(text: &str) -> Vec<u8> {
    let byte = |letter: char| match letter {
        'А'..='я' => u8::try_from(u32::from(letter) - 0x410 + 0xc0).expect("a byte"),
        'ё' => 0xb8,
        '«' => 0xab,
        '»' => 0xbb,
        letter => u8::try_from(u32::from(letter)).expect("ASCII"),
    };
    text.chars().map(byte).collect()
}

fn total(office: &Office, path: &str) -> i64 {
    office.server.get(path)["total"].as_i64().expect("a total")
}

#[test]
fn a_table_is_tried_taken_over_and_its_people_are_known_when_they_call() {
    let office = Office::open(Answer::Manual);
    let file = office.server.folder.path().join("клиенты.csv");
    std::fs::write(&file, windows_1251(TABLE)).expect("the table is written");
    let import = |more: &[&str]| {
        let path = file.display().to_string();
        let (code, text) = office.server.ask(&[&["import", "contacts", path.as_str()], more].concat(), "");
        assert_eq!(code, 1, "one row is refused: {text}");
        assert!(text.contains("4: refused: neither a name nor a company nor a number"), "{text}");
        text
    };
    let text = import(&["--dry-run"]);
    let last = text.lines().last().expect("a line");
    assert_eq!(last, "2 contacts would be added, 1 companies would be added, 0 are there already, 1 refused");
    assert_eq!(
        (total(&office, "/contacts"), total(&office, "/companies")),
        (0, 0),
        "a dry run changes nothing"
    );
    let text = import(&[]);
    assert!(
        text.ends_with("2 contacts added, 1 companies added, 0 are there already, 1 refused\n"),
        "{text}"
    );
    let text = import(&[]);
    assert!(
        text.ends_with("0 contacts added, 0 companies added, 2 are there already, 1 refused\n"),
        "{text}"
    );
    assert_eq!((total(&office, "/contacts"), total(&office, "/companies")), (2, 1), "nobody twice");

    let maria = office.server.get("/contacts?q=мария")["items"][0].clone();
    assert_eq!(maria["name"], "Мария Иванова", "{maria}");
    assert_eq!(maria["numbers"][1]["e164"], "+79161234567", "{maria}");
    let company = maria["company_id"].as_str().expect("a company");
    assert_eq!(office.server.get(&format!("/companies/{company}"))["name"], "ООО «Волга»");
    let call = Customer::new(office.pbx.address(), "+79161234567").call(NUMBER);
    call.wait_ringing(SOON);
    let known = eventually("the caller is known", SOON, || {
        let live = office.server.get("/calls");
        live["items"][0]["contact_id"].as_str().map(|id| Value::from(id.to_owned()))
    });
    assert_eq!(known, maria["id"]);
    call.give_up();
}

#[test]
fn a_file_that_cannot_be_imported_is_refused_by_one_line() {
    let office = Office::open(Answer::Manual);
    let folder = office.server.folder.path();
    std::fs::write(folder.join("prices.csv"), "Артикул;Цена\n1;2\n").expect("written");
    std::fs::write(folder.join("book.xlsx"), b"PK\x03\x04\0\0").expect("written");
    let cases = [
        ("prices.csv", "no column names a person, a company or a number"),
        ("book.xlsx", "save the table as CSV"),
        ("missing.csv", "cannot be read"),
    ];
    for (file, why) in cases {
        let path = folder.join(file).display().to_string();
        let (code, text) = office.server.ask(&["import", "contacts", &path], "");
        assert_eq!(code, 1, "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() == 1 && lines[0].contains(file) && lines[0].contains(why), "{text}");
    }
}
