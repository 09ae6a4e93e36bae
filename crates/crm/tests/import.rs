//! Files as people export them: every encoding and delimiter that occurs, Russian and English headers, vCard of every
//! version; and files that are none.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use linecard_crm::DialPlan;
use linecard_crm::import::{Entry, ImportError, Imported, Refused, read};
use proptest::prelude::*;

fn plan() -> DialPlan {
    DialPlan::default()
}

fn entries(bytes: &[u8]) -> Vec<Entry> {
    read(bytes, &plan()).expect("a file of contacts")
}

fn contacts(text: &str) -> Vec<Imported> {
    entries(text.as_bytes()).into_iter().map(|entry| entry.read.expect("a contact")).collect()
}

fn e164(contact: &Imported) -> Vec<Option<&str>> {
    contact.numbers.iter().map(|number| number.e164.as_deref()).collect()
}

#[test]
fn a_russian_table_is_read_in_each_encoding_that_excel_writes() {
    let text = "Фамилия;Имя;Отчество;Компания;Мобильный телефон;Рабочий телефон;E-mail;Город;Комментарий;№ договора\r\n\
                Иванова;Мария;Петровна;ООО «Волга»;8 (916) 123-45-67;8 (831) 212-34-56 доб. 12;m@volga.example;\
                Нижний Новгород;\"звонить до обеда;\nне по средам\";48/2\r\n";
    let cp1251 = encoding_rs::WINDOWS_1251.encode(text).0.into_owned();
    let utf16 = |big: bool| -> Vec<u8> {
        let unit = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(unit).collect()
    };
    let marked = |mark: &[u8], bytes: Vec<u8>| [mark, &bytes].concat();
    let files = [
        text.as_bytes().to_vec(),
        marked(b"\xef\xbb\xbf", text.as_bytes().to_vec()),
        cp1251,
        marked(b"\xff\xfe", utf16(false)),
        marked(b"\xfe\xff", utf16(true)),
        utf16(false),
        utf16(true),
    ];
    for (place, file) in files.iter().enumerate() {
        let found = entries(file);
        assert_eq!((found.len(), found[0].place), (1, 2), "file {place}");
        let maria = found[0].read.clone().unwrap();
        assert_eq!(maria.name, "Мария Петровна Иванова", "file {place}");
        assert_eq!(maria.company.as_deref(), Some("ООО «Волга»"));
        assert_eq!(e164(&maria), [Some("+79161234567"), Some("+78312123456")]);
        assert_eq!(maria.numbers[1].extension.as_deref(), Some("12"));
        let labels: Vec<_> = maria.numbers.iter().map(|number| number.label.as_deref()).collect();
        assert_eq!(labels, [Some("mobile"), Some("work")]);
        assert_eq!(maria.emails, ["m@volga.example"]);
        assert_eq!(maria.region.as_deref(), Some("Нижний Новгород"));
        assert_eq!(maria.notes.as_deref(), Some("звонить до обеда;\nне по средам"));
        assert_eq!(maria.custom["№ договора"], "48/2", "a column that is not known is kept");
    }
}

#[test]
fn the_delimiter_is_seen_and_may_be_named() {
    let rows = [
        "Name,Phone,Company\nAnn,+1 202 555 0100,\"Acme, Inc.\"",
        "Name;Phone;Company\nAnn;+1 202 555 0100;Acme, Inc.",
        "Name\tPhone\tCompany\nAnn\t+1 202 555 0100\tAcme, Inc.",
        "Name|Phone|Company\nAnn|+1 202 555 0100|Acme, Inc.",
        "sep=;\nName;Phone;Company\nAnn;+1 202 555 0100;Acme, Inc.",
    ];
    for row in rows {
        let [ann] = contacts(row).try_into().unwrap();
        assert_eq!((ann.name.as_str(), ann.company.as_deref()), ("Ann", Some("Acme, Inc.")), "{row}");
        assert_eq!(e164(&ann), [Some("+12025550100")], "{row}");
    }
    assert_eq!(entries(rows[4].as_bytes())[0].place, 3, "the line in the file");
    assert_eq!(
        contacts("Телефон\n105")[0].numbers[0].extension.as_deref(),
        Some("105"),
        "one column needs none"
    );
}

#[test]
fn the_address_books_of_google_and_outlook_are_known() {
    let google = "First Name,Last Name,Organization Name,E-mail 1 - Value,Phone 1 - Label,Phone 1 - Value,Phone 2 - Value\n\
                  Анна,Соколова,АО «Прибой»,anna@priboy.example,Mobile,+7 903 555-01-23,8 495 765-43-21 ::: 8 495 765-43-22\n";
    let anna = &contacts(google)[0];
    assert_eq!(anna.name, "Анна Соколова");
    assert_eq!(anna.emails, ["anna@priboy.example"]);
    assert_eq!(e164(anna)[0], Some("+79035550123"));
    assert_eq!(anna.custom["Phone 1 - Label"], "Mobile", "a label is no number");
    assert_eq!(anna.custom["Organization Name"], "АО «Прибой»");
    let outlook = "\"Title\",\"First Name\",\"Middle Name\",\"Last Name\",\"Company\",\"Business Phone\",\"Mobile Phone\",\"E-mail Address\",\"E-mail Type\"\n\
                   \"\",\"Boris\",\"\",\"Klimov\",\"Prism\",\"+7 495 123-45-02\",\"+7 916 000-00-02\",\"b@prism.example\",\"SMTP\"\n";
    let boris = &contacts(outlook)[0];
    assert_eq!((boris.name.as_str(), boris.company.as_deref()), ("Boris Klimov", Some("Prism")));
    let labels: Vec<_> = boris.numbers.iter().filter_map(|number| number.label.as_deref()).collect();
    assert_eq!(labels, ["work", "mobile"]);
    assert_eq!((boris.emails.len(), boris.custom["E-mail Type"].as_str()), (1, "SMTP"));
}

#[test]
fn a_row_that_is_nobody_is_refused_in_its_place_and_the_others_stay() {
    let text = format!(
        "Имя;Телефон;Город\nАнна;84951234567;\n;;Москва\n\nБез номера;;\n;8 495 123-45-68;\nX;1;Y;лишнее\n{};1;\n",
        "я".repeat(301)
    );
    let found = entries(text.as_bytes());
    let places: Vec<u64> = found.iter().map(|entry| entry.place).collect();
    assert_eq!(places, [2, 3, 5, 6, 7, 8], "an empty line is no row");
    assert_eq!(found[1].read, Err(Refused::Nobody));
    assert_eq!(found[2].read.as_ref().unwrap().name, "Без номера");
    assert_eq!(
        found[3].read.as_ref().unwrap().name,
        "8 495 123-45-68",
        "a number is a name if nothing else is"
    );
    assert_eq!(found[4].read, Err(Refused::TooManyCells { cells: 4, columns: 3 }));
    assert_eq!(found[5].read, Err(Refused::TooLong { field: "the name", most: 300 }));
    let why = found[4].read.as_ref().unwrap_err().to_string();
    assert!(why.contains("4 cells in a table of 3 columns") && why.contains("quotes"), "{why}");
}

#[test]
fn cards_of_every_version_are_read() {
    let text = "BEGIN:VCARD\r\nVERSION:2.1\r\n\
        N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=98=D0=B2=D0=B0=D0=BD=D0=BE=D0=B2=D0=B0;=D0=9C=D0=B0=D1=80=D0=B8=D1=8F;;;\r\n\
        TEL;CELL:+7 916 123-45-67\r\nTEL;WORK;VOICE:8 (831) 212-34-56\r\nEND:VCARD\r\n\
        BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Пётр Сергеев\r\nN:Сергеев;Пётр;;;\r\nORG:ООО «Волга»;Отдел продаж\r\nTITLE:директор\r\n\
        TEL;TYPE=CELL,VOICE:+7-903-555-01-23\r\nEMAIL;TYPE=INTERNET:p@volga.example\r\nADR:;;Ильинская 1;Нижний Новгород;;603000;Россия\r\n\
        NOTE:звонить\\nпосле обеда\r\nEND:VCARD\r\n\
        BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ольга\r\nTEL;VALUE=uri;TYPE=\"voice,home\":tel:+7-831-212-34-57\r\nEND:VCARD\r\n\
        BEGIN:VCARD\r\nVERSION:3.0\r\nNOTE:nobody\r\nEND:VCARD\r\n";
    let found = entries(text.as_bytes());
    assert_eq!(found.len(), 4);
    let card = |place: usize| found[place].read.clone().unwrap();
    let (maria, petr, olga) = (card(0), card(1), card(2));
    assert_eq!(
        (maria.name.as_str(), e164(&maria)),
        ("Мария Иванова", vec![Some("+79161234567"), Some("+78312123456")])
    );
    assert_eq!((petr.name.as_str(), petr.company.as_deref()), ("Пётр Сергеев", Some("ООО «Волга»")));
    assert_eq!(
        (petr.region.as_deref(), petr.custom["TITLE"].as_str()),
        (Some("Нижний Новгород"), "директор")
    );
    assert_eq!(
        (petr.notes.as_deref(), petr.emails),
        (Some("звонить\nпосле обеда"), vec!["p@volga.example".to_owned()])
    );
    assert_eq!((olga.name.as_str(), e164(&olga)), ("Ольга", vec![Some("+78312123457")]));
    assert_eq!((found[3].place, &found[3].read), (4, &Err(Refused::Nobody)));
}

#[test]
fn a_file_that_is_no_file_of_contacts_says_what_to_do() {
    let refused = |bytes: &[u8]| read(bytes, &plan()).unwrap_err();
    assert_eq!(refused(b""), ImportError::Empty);
    assert_eq!(refused(b" \r\n\t"), ImportError::Empty);
    assert_eq!(refused(b"PK\x03\x04\x14\0\x06\0"), ImportError::NoText);
    let found = vec!["Артикул".to_owned(), "Цена".to_owned()];
    assert_eq!(refused("Артикул;Цена\n1;2".as_bytes()), ImportError::NoColumns { found });
    assert!(refused("a;b\n1;2".as_bytes()).to_string().contains("\"Телефон\" or \"Phone\" (found: a, b)"));
}

proptest! {
    #[test]
    fn any_bytes_end_in_contacts_or_reasons(bytes in proptest::collection::vec(any::<u8>(), 0..400), table in any::<bool>()) {
        let head: &[u8] = if table { "Имя;Телефон\n".as_bytes() } else { b"BEGIN:VCARD\nVERSION:3.0\n" };
        for file in [bytes.clone(), [head, &bytes].concat()] {
            for entry in read(&file, &plan()).into_iter().flatten() {
                if let Ok(contact) = entry.read {
                    prop_assert!(!contact.name.trim().is_empty() && !contact.name.contains(char::is_control));
                }
            }
        }
    }
}
