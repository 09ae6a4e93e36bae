//! Contacts from the files of other programs: CSV in any encoding and with any delimiter, Russian or English headers,
//! and vCard (RFC 6350, RFC 2426, version 2.1).
//!
//! Nothing is lost silently: a column that is not known becomes a custom field, and a row that cannot become a contact is
//! given back with its place and the reason. Deliberately no judgement whether somebody is known already: that takes the
//! database.

mod columns;
mod table;
mod text;
mod vcard;

use std::collections::BTreeMap;

use crate::number::{DialPlan, Number};

/// The longest name, in characters.
pub const NAME_CHARS_MAX: usize = 300;
/// The longest other text, in characters.
pub const TEXT_CHARS_MAX: usize = 20_000;
/// The longest e-mail address, in characters.
pub const EMAIL_CHARS_MAX: usize = 254;
/// The most numbers of one contact.
pub const NUMBERS_MAX: usize = 50;

/// A contact as a file tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// The name; of a row that has none, the company's, else the first number.
    pub name: String,
    /// The company's name.
    pub company: Option<String>,
    /// The numbers as written and what they mean.
    pub numbers: Vec<Number>,
    /// E-mail addresses.
    pub emails: Vec<String>,
    /// Where the contact came from.
    pub source: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The industry.
    pub industry: Option<String>,
    /// Free text.
    pub notes: Option<String>,
    /// Columns that have no field of their own, by their header.
    pub custom: BTreeMap<String, String>,
}

/// One row or card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The line of a table on which the row begins, or the place of a card in its file; both count from 1.
    pub place: u64,
    /// What it became.
    pub read: Result<Imported, Refused>,
}

/// Why a row cannot become a contact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nobody could be found by it.
    #[error("neither a name nor a company nor a number")]
    Nobody,
    /// A text is longer than a contact may have.
    #[error("{field} has more than {most} characters")]
    TooLong {
        /// Which one.
        field: &'static str,
        /// How many it may have.
        most: usize,
    },
    /// There are more numbers than a contact may have.
    #[error("more than {NUMBERS_MAX} numbers")]
    TooManyNumbers,
    /// The row has more cells than the table has columns: often a delimiter in a text without quotes.
    #[error(
        "{cells} cells in a table of {columns} columns; put quotes around a text with the delimiter in it"
    )]
    TooManyCells {
        /// The cells of the row.
        cells: usize,
        /// The columns of the table.
        columns: usize,
    },
    /// The file's format is broken here.
    #[error("cannot be read: {why}")]
    Broken {
        /// What the reader said.
        why: String,
    },
}

/// Why a whole file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// It is no text: a spreadsheet's own format, an archive.
    #[error("the file is no text; save the table as CSV, or the address book as vCard (.vcf)")]
    NoText,
    /// No column says whom a row is about.
    #[error("no column names a person, a company or a number; head one \"Имя\" or \"Name\", \"Телефон\" or \"Phone\" (found: {})", found.join(", "))]
    NoColumns {
        /// The headers.
        found: Vec<String>,
    },
}

/// Reads a file of contacts; whether it is CSV or vCard is seen from its text.
///
/// # Errors
/// When the whole file is of no use; single rows are refused in their place.
pub fn read(bytes: &[u8], plan: &DialPlan) -> Result<Vec<Entry>, ImportError> {
    let text = text::decode(bytes)?;
    if text.trim().is_empty() {
        return Err(ImportError::Empty);
    }
    let is_vcard = text.trim_start().get(..11).is_some_and(|begin| begin.eq_ignore_ascii_case("BEGIN:VCARD"));
    if is_vcard { Ok(vcard::read(&text, plan)) } else { table::read(&text, plan) }
}

impl Imported {
    /// Checks the whole and gives it a name if it has none.
    fn finish(mut self) -> Result<Self, Refused> {
        if self.name.is_empty() {
            let number = self.numbers.first().map(|number| number.number.clone());
            self.name = self.company.clone().or(number).ok_or(Refused::Nobody)?;
        }
        let texts = [
            ("the company", &self.company, NAME_CHARS_MAX),
            ("the source", &self.source, TEXT_CHARS_MAX),
            ("the region", &self.region, TEXT_CHARS_MAX),
            ("the industry", &self.industry, TEXT_CHARS_MAX),
            ("the note", &self.notes, TEXT_CHARS_MAX),
        ];
        let texts = texts.into_iter().filter_map(|(field, text, most)| Some((field, text.as_deref()?, most)));
        let emails = self.emails.iter().map(|email| ("an e-mail address", email.as_str(), EMAIL_CHARS_MAX));
        let custom = self.custom.values().map(|text| ("another column", text.as_str(), TEXT_CHARS_MAX));
        let name = [("the name", self.name.as_str(), NAME_CHARS_MAX)];
        for (field, text, most) in name.into_iter().chain(texts).chain(emails).chain(custom) {
            if text.chars().count() > most {
                return Err(Refused::TooLong { field, most });
            }
        }
        if self.numbers.len() > NUMBERS_MAX { Err(Refused::TooManyNumbers) } else { Ok(self) }
    }

    /// Adds the numbers of a field; one that says nothing of its kind gets that of its column.
    fn add_numbers(&mut self, field: &str, label: Option<&str>, plan: &DialPlan) {
        for mut number in plan.numbers(field) {
            let known = |other: &Number| other.e164 == number.e164 && other.extension == number.extension;
            if number.e164.is_some() && self.numbers.iter().any(known) {
                continue;
            }
            number.label = number.label.or_else(|| label.map(str::to_owned));
            self.numbers.push(number);
        }
    }
}

/// A text on one line, without control characters and marks that cannot be seen.
fn one_line(text: &str) -> String {
    let visible = text.chars().filter(|letter| !crate::keys::is_invisible(*letter));
    let spaced: String = visible.map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text that may have several lines, without other control characters.
fn many_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept: String = text.chars().filter(|letter| *letter == '\n' || !letter.is_control()).collect();
    kept.trim().to_owned()
}
