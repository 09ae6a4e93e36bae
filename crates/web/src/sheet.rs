//! A list as a CSV file (RFC 4180, UTF-8 with a byte order mark, by which Excel knows the encoding).
//!
//! A file is written page by page while it is read, so an export of any length needs the memory of one page.
//!
//! A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@`. Text that would is given an apostrophe before it,
//! also where a cell may begin inside the text for a program that splits at semicolons or lines, as Excel does in
//! Russian. A telephone number is no exception: `'+78312123456` keeps its plus and all its digits, where a bare
//! one would be shown as 7.83E+10. Numbers that JSON shows as numbers are left alone.

use std::future::Future;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use csv::{Terminator, WriterBuilder};
use futures_util::stream;
use linecard_store::page::{MAX_LIMIT, Page, PageRequest};
use serde::Serialize;
use serde_json::Value;

use crate::ApiError;

/// By this Excel knows that a file is UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// What a list is called as a file, and its columns.
pub(crate) struct Sheet {
    /// The file's name without its ending.
    pub(crate) name: &'static str,
    /// The fields of an item; `a.b` is the field `b` of the object `a`.
    pub(crate) columns: &'static [&'static str],
}

/// What is still to be written.
enum Rest<T> {
    First(Page<T>),
    From(PageRequest),
    Nothing,
}

/// Answers with a file of `first` and all the pages after it.
pub(crate) fn file<T, R>(
    sheet: &'static Sheet,
    first: Page<T>,
    read: impl Fn(PageRequest) -> R + Send + 'static,
) -> Response
where
    T: Serialize + Send + 'static,
    R: Future<Output = Result<Page<T>, ApiError>> + Send,
{
    let start = (Rest::First(first), read);
    let pages = stream::unfold(start, move |(rest, read)| async move {
        let (text, next) = match rest {
            Rest::Nothing => return None,
            Rest::First(page) => (written(sheet, true, &page), page.next),
            Rest::From(request) => match read(request).await {
                Ok(page) => (written(sheet, false, &page), page.next),
                // The status is long sent: only a body that breaks off can tell that the file is not whole.
                Err(error) => {
                    return Some((Err(broken(sheet, &format!("{error:?}"))), (Rest::Nothing, read)));
                }
            },
        };
        let rest = next.map_or(Rest::Nothing, |cursor| {
            Rest::From(PageRequest { cursor: Some(cursor), ..PageRequest::uncounted(MAX_LIMIT) })
        });
        Some((text.map_err(|error| broken(sheet, &error.to_string())), (rest, read)))
    });
    let kind = HeaderValue::from_static("text/csv; charset=utf-8");
    let name = HeaderValue::try_from(format!("attachment; filename=\"{}.csv\"", sheet.name));
    let name = name.unwrap_or(HeaderValue::from_static("attachment"));
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], Body::from_stream(pages))
        .into_response()
}

fn broken(sheet: &Sheet, why: &str) -> std::io::Error {
    tracing::warn!(list = sheet.name, %why, "an export breaks off");
    std::io::Error::other("the export breaks off")
}

/// Writes the rows of a page, below a header if it is the first.
fn written<T: Serialize>(sheet: &Sheet, is_first: bool, page: &Page<T>) -> Result<Bytes, csv::Error> {
    let begun = if is_first { BYTE_ORDER_MARK.as_bytes().to_vec() } else { Vec::new() };
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(begun);
    if is_first {
        writer.write_record(sheet.columns)?;
    }
    for item in &page.items {
        let item =
            serde_json::to_value(item).map_err(|error| csv::Error::from(std::io::Error::other(error)))?;
        writer.write_record(sheet.columns.iter().map(|column| cell(field(&item, column))))?;
    }
    let text = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(Bytes::from(text))
}

fn field<'a>(item: &'a Value, column: &str) -> &'a Value {
    column.split('.').fold(item, |value, name| value.get(name).unwrap_or(&Value::Null))
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => harmless(text),
        Value::Array(parts) => match parts.iter().map(short).collect::<Option<Vec<_>>>() {
            Some(parts) => harmless(&parts.join("; ")),
            None => harmless(&value.to_string()),
        },
        Value::Object(fields) if fields.is_empty() => String::new(),
        Value::Object(_) => harmless(&value.to_string()),
    }
}

/// Returns a part of a list as people write it: a text, or a telephone number with its label.
fn short(part: &Value) -> Option<String> {
    let number = part.get("number").and_then(Value::as_str);
    let text = part.as_str().or(number)?;
    match part.get("label").and_then(Value::as_str) {
        Some(label) => Some(format!("{text} ({label})")),
        None => Some(text.to_owned()),
    }
}

/// Puts an apostrophe before everything that a spreadsheet would take for the beginning of a formula: before the whole
/// text, blanks and all, and within it before the sign itself.
fn harmless(text: &str) -> String {
    let begins_formula = |letter: &char| matches!(letter, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠');
    let breaks = |letter: char| matches!(letter, ';' | '\t' | '\r' | '\n');
    let blank = |letter: char| letter.is_whitespace() || letter.is_control();
    let mut safe = String::with_capacity(text.len() + 1);
    let first = text.chars().find(|letter| !blank(*letter));
    if first.is_some_and(|letter| begins_formula(&letter)) || text.starts_with(['\t', '\r', '\n']) {
        safe.push('\'');
    }
    let mut may_begin = false;
    for letter in text.chars() {
        if may_begin && begins_formula(&letter) {
            safe.push('\'');
        }
        may_begin = breaks(letter) || may_begin && blank(letter);
        safe.push(letter);
    }
    safe
}
