//! What a column is, by its header in Russian or English as the usual programs write it (Excel tables of one's own,
//! Google and Outlook address books, amoCRM, Bitrix24).

use crate::keys::sort_key;

/// What the cells of a column are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Column {
    /// The whole name.
    Name,
    FirstName,
    MiddleName,
    LastName,
    Company,
    /// Numbers, perhaps all of one kind.
    Numbers(Option<&'static str>),
    Email,
    Source,
    Region,
    Industry,
    Notes,
    /// Something else, kept under this header.
    Custom(String),
}

/// Words that make a header one of ours; the longest that fits decides.
const WORDS: [(&str, Column); 47] = [
    ("имя", Column::FirstName),
    ("first name", Column::FirstName),
    ("given name", Column::FirstName),
    ("отчество", Column::MiddleName),
    ("middle name", Column::MiddleName),
    ("additional name", Column::MiddleName),
    ("фамилия", Column::LastName),
    ("last name", Column::LastName),
    ("surname", Column::LastName),
    ("family name", Column::LastName),
    ("фио", Column::Name),
    ("ф.и.о.", Column::Name),
    ("полное имя", Column::Name),
    ("имя и фамилия", Column::Name),
    ("контакт", Column::Name),
    ("контактное лицо", Column::Name),
    ("клиент", Column::Name),
    ("name", Column::Name),
    ("full name", Column::Name),
    ("display name", Column::Name),
    ("contact", Column::Name),
    ("компания", Column::Company),
    ("организация", Column::Company),
    ("фирма", Column::Company),
    ("company", Column::Company),
    ("company name", Column::Company),
    ("organization", Column::Company),
    ("organisation", Column::Company),
    ("источник", Column::Source),
    ("source", Column::Source),
    ("lead source", Column::Source),
    ("регион", Column::Region),
    ("город", Column::Region),
    ("область", Column::Region),
    ("region", Column::Region),
    ("city", Column::Region),
    ("отрасль", Column::Industry),
    ("сфера деятельности", Column::Industry),
    ("industry", Column::Industry),
    ("примечание", Column::Notes),
    ("примечания", Column::Notes),
    ("комментарий", Column::Notes),
    ("заметка", Column::Notes),
    ("заметки", Column::Notes),
    ("note", Column::Notes),
    ("notes", Column::Notes),
    ("comment", Column::Notes),
];

/// Parts of a header that make it one of numbers.
const NUMBER_PARTS: [&str; 9] =
    ["телефон", "тел.", "мобильный", "номер", "phone", "mobile", "cell", "tel", "fax"];

/// Parts of a header that say of which kind its numbers are.
const LABEL_PARTS: [(&str, &str); 10] = [
    ("мобил", "mobile"),
    ("сотов", "mobile"),
    ("mobile", "mobile"),
    ("cell", "mobile"),
    ("рабоч", "work"),
    ("work", "work"),
    ("business", "work"),
    ("домаш", "home"),
    ("home", "home"),
    ("fax", "fax"),
];

/// Tells what a column is.
pub(super) fn column(header: &str) -> Column {
    let key = sort_key(header);
    let bare = key.trim_end_matches(|letter: char| letter.is_ascii_digit() || " #№-:".contains(letter));
    if let Some((_, known)) = WORDS.iter().find(|(word, _)| *word == bare) {
        return known.clone();
    }
    if ["mail", "почта", "e-mail"].iter().any(|part| bare.contains(part)) && !bare.contains("type") {
        return Column::Email;
    }
    if NUMBER_PARTS.iter().any(|part| bare.contains(part)) && !is_about_a_number(bare) {
        return Column::Numbers(label(bare));
    }
    if bare.contains("факс") {
        return Column::Numbers(Some("fax"));
    }
    Column::Custom(super::one_line(header))
}

/// Google writes `Phone 1 - Type` beside `Phone 1 - Value`; a contract's number is no telephone.
fn is_about_a_number(key: &str) -> bool {
    ["type", "label", "тип", "договор", "счет", "заказ", "contract", "order", "account"]
        .iter()
        .any(|part| key.contains(part))
}

fn label(key: &str) -> Option<&'static str> {
    LABEL_PARTS.iter().find(|(part, _)| key.contains(part)).map(|(_, label)| *label)
}
