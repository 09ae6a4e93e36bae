//! vCard 2.1, 3.0 and 4.0, read by `calcard`.

use calcard::vcard::{VCard, VCardEntry, VCardParameterName, VCardProperty, VCardValue};
use calcard::{Entry as Part, Parser};

use super::{Entry, Imported, Refused, many_lines, one_line};
use crate::number::DialPlan;

/// Reads every card of a file; what is no card is refused in its place.
pub(super) fn read(text: &str, plan: &DialPlan) -> Vec<Entry> {
    let mut parser = Parser::new(text);
    let mut entries = Vec::new();
    for place in 1.. {
        let read = match parser.entry() {
            Part::VCard(card) => contact(&card, plan),
            Part::Eof => break,
            other => Err(Refused::Broken { why: what(&other).to_owned() }),
        };
        entries.push(Entry { place, read });
    }
    entries
}

fn what(part: &Part) -> &'static str {
    match part {
        Part::ICalendar(_) => "a calendar and no card",
        Part::UnterminatedComponent(_) => "the card has no END:VCARD",
        Part::TooManyComponents => "too many cards within cards",
        _ => "no vCard",
    }
}

fn contact(card: &VCard, plan: &DialPlan) -> Result<Imported, Refused> {
    let mut read = Imported::default();
    let mut structured = String::new();
    for entry in &card.entries {
        let texts: Vec<String> = entry.values.iter().filter_map(text_of).collect();
        let whole = one_line(&texts.join(" "));
        match &entry.name {
            _ if whole.is_empty() => {}
            VCardProperty::Fn => read.name = whole,
            VCardProperty::N => structured = spoken(&texts),
            VCardProperty::Org => read.company = texts.first().map(|name| one_line(name)),
            VCardProperty::Tel => {
                for number in &texts {
                    read.add_numbers(number, label_of(entry), plan);
                }
            }
            VCardProperty::Email => read.emails.push(whole),
            VCardProperty::Note => read.notes = Some(many_lines(&texts.join("\n"))),
            VCardProperty::Title | VCardProperty::Role => keep(&mut read, entry, whole),
            VCardProperty::Bday | VCardProperty::Url | VCardProperty::Nickname => {
                keep(&mut read, entry, whole)
            }
            // A postal address: street, locality, region, code, country, with two empty places before them.
            VCardProperty::Adr => read.region = texts.get(3).or(texts.get(4)).map(|place| one_line(place)),
            _ => {}
        }
    }
    if read.name.is_empty() {
        read.name = structured;
    }
    read.region = read.region.filter(|region| !region.is_empty());
    read.finish()
}

/// A property without a field of its own stays under its name.
fn keep(read: &mut Imported, entry: &VCardEntry, text: String) {
    read.custom.insert(entry.name.as_str().to_owned(), text);
}

/// `N` is family, given, additional, prefix, suffix (RFC 6350 section 6.2.2).
fn spoken(parts: &[String]) -> String {
    let part = |place: usize| parts.get(place).map(|part| one_line(part)).unwrap_or_default();
    let said = [part(1), part(2), part(0)];
    said.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn text_of(value: &VCardValue) -> Option<String> {
    value.as_text().map(str::to_owned)
}

fn label_of(entry: &VCardEntry) -> Option<&'static str> {
    let types = entry.params.iter().filter(|param| param.name == VCardParameterName::Type);
    let words: Vec<String> =
        types.filter_map(|param| param.value.as_text()).map(str::to_ascii_lowercase).collect();
    let known = [("cell", "mobile"), ("fax", "fax"), ("work", "work"), ("home", "home")];
    known.iter().find(|(word, _)| words.iter().any(|given| given == word)).map(|(_, label)| *label)
}
