//! User-to-User: what the caller's side hands over with the call, such as a customer's or a ticket's number (RFC 7433).

use super::headers::Headers;
use super::name::HeaderName;
use super::params::Params;
use super::scan::{Scan, unquote};

/// How many values of a request are read, and how long each may be.
const VALUES_MAX: usize = 3;
const VALUE_MAX: usize = 512;

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserToUser {
    /// As it came, parameters included, to be passed on.
    pub raw: Vec<u8>,
    /// What a person can read of it: the text that it carries, else its hexadecimal digits.
    pub text: String,
}

impl Headers {
    /// Gives what the caller's side hands over; values that cannot be read or are too long are left out.
    #[must_use]
    pub fn user_to_user(&self) -> Vec<UserToUser> {
        let values = self.get_all(&HeaderName::UserToUser).filter(|value| value.len() <= VALUE_MAX);
        values.filter_map(read).take(VALUES_MAX).collect()
    }
}

fn read(value: &[u8]) -> Option<UserToUser> {
    let mut scan = Scan::new(value);
    scan.skip_space();
    let quoted = scan.peek() == Some(b'"');
    let data = if quoted { unquote(scan.quoted().ok()?) } else { scan.token().ok()?.as_bytes().to_vec() };
    let params = Params::scan(&mut scan).ok()?;
    let encoding = params.get("encoding").unwrap_or_default().to_ascii_lowercase();
    let hex = match (encoding.as_str(), quoted) {
        ("hex", _) | ("", false) => from_hex(&data),
        _ => None,
    };
    let written = String::from_utf8_lossy(&data).into_owned();
    let text = hex.as_deref().and_then(readable).unwrap_or(written);
    let text: String = text.chars().filter(|char| !char.is_control()).collect();
    (!text.trim().is_empty()).then(|| UserToUser { raw: value.to_vec(), text: text.trim().to_owned() })
}

fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let whole = digits.len().is_multiple_of(2);
    let bytes = digits.chunks(2).map(|pair| Some(digit(pair.first()?)? * 16 + digit(pair.get(1)?)?));
    bytes.collect::<Option<Vec<u8>>>().filter(|_| whole)
}

/// Reads bytes as text, with or without the protocol discriminator of ISDN before it (ITU-T Q.931 section 4.5.30).
fn readable(bytes: &[u8]) -> Option<String> {
    let text = match bytes {
        [0 | 4, text @ ..] => text,
        text => text,
    };
    let text = std::str::from_utf8(text).ok()?;
    let printable = !text.is_empty() && text.chars().all(|char| !char.is_control());
    printable.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn texts(values: &[&str]) -> Vec<String> {
        let mut headers = Headers::new();
        for value in values {
            headers.push(HeaderName::UserToUser, *value);
        }
        headers.user_to_user().into_iter().map(|value| value.text).collect()
    }

    #[test]
    fn what_is_handed_over_is_read_as_text() {
        for (value, text) in [
            ("56a390f3d2b7310023a2;encoding=hex;purpose=foo", "56a390f3d2b7310023a2"),
            ("04435249443d3132333435;encoding=hex;purpose=isdn-uui", "CRID=12345"),
            ("00d09ad0bbd0b8d0b5d0bdd182;encoding=HEX", "Клиент"),
            ("7469636b65742d39;encoding=hex", "ticket-9"),
            ("7469636b65742d39", "ticket-9"),
            ("\"ticket 9; late\";content=crm", "ticket 9; late"),
            ("ticket-9;purpose=crm", "ticket-9"),
            ("abc;encoding=hex", "abc"),
        ] {
            assert_eq!(texts(&[value]), [text], "{value}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_what_is_read_is_passed_on_as_it_came() {
        let long = "a".repeat(VALUE_MAX + 1);
        assert_eq!(texts(&["", ";", "\"open", &long, "\" \""]), Vec::<String>::new());
        assert_eq!(texts(&["1x", "2x", "3x", "4x"]), ["1x", "2x", "3x"]);
        let mut headers = Headers::new();
        headers.push(HeaderName::UserToUser, "7469;encoding=hex;x=y");
        assert_eq!(headers.user_to_user().first().unwrap().raw, b"7469;encoding=hex;x=y");
    }
}
