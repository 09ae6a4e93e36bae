//! CSV: the delimiter is the one that the header line has most of, cells may be quoted (RFC 4180).

use csv::{ReaderBuilder, StringRecord, Trim};

use super::columns::{Column, column};
use super::{Entry, ImportError, Imported, Refused, many_lines, one_line};
use crate::number::DialPlan;

const DELIMITERS: [u8; 4] = *b";,\t|";

/// Reads a table whose first line holds the headers.
pub(super) fn read(text: &str, plan: &DialPlan) -> Result<Vec<Entry>, ImportError> {
    let text = text.trim_start_matches(['\r', '\n']);
    // Excel's own way to name the delimiter.
    let (named, text) = match text.strip_prefix("sep=").and_then(|rest| rest.split_once('\n')) {
        Some((delimiter, rest)) => (delimiter.bytes().next(), rest),
        None => (None, text),
    };
    let mut reader = ReaderBuilder::new()
        .delimiter(named.unwrap_or_else(|| delimiter_of(text)))
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let headers = reader.headers().cloned().unwrap_or_default();
    let columns: Vec<Column> = headers.iter().map(column).collect();
    if !columns.iter().any(says_who) {
        return Err(ImportError::NoColumns { found: headers.iter().map(one_line).collect() });
    }
    let mut lines = Lines { text, at: 0, line: 1 + u64::from(named.is_some()) };
    let mut entries = Vec::new();
    let mut record = StringRecord::new();
    loop {
        let place = lines.of_row_from(reader.position().byte());
        let read = match reader.read_record(&mut record) {
            Ok(false) => return Ok(entries),
            Ok(true) if record.iter().all(str::is_empty) => continue,
            Ok(true) => contact(&columns, &record, plan),
            Err(error) => Err(Refused::Broken { why: error.to_string() }),
        };
        entries.push(Entry { place, read });
    }
}

/// Counts lines as an editor does; the reader's own count lags behind at CRLF and empty lines.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the first row at or behind a place of the text; places only rise.
    fn of_row_from(&mut self, byte: u64) -> u64 {
        let bytes = self.text.as_bytes();
        let place = usize::try_from(byte).unwrap_or(usize::MAX).min(bytes.len());
        let rest = bytes.get(place..).unwrap_or_default();
        let ends = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = bytes.get(self.at..place + ends).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.at = place + ends;
        self.line
    }
}

fn says_who(column: &Column) -> bool {
    matches!(
        column,
        Column::Name | Column::FirstName | Column::LastName | Column::Company | Column::Numbers(_)
    )
}

fn delimiter_of(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or_default();
    let mut quoted = false;
    let mut counts = [0_usize; DELIMITERS.len()];
    for byte in header.bytes() {
        match DELIMITERS.iter().position(|delimiter| *delimiter == byte) {
            _ if byte == b'"' => quoted = !quoted,
            Some(place) if !quoted => counts.iter_mut().skip(place).take(1).for_each(|count| *count += 1),
            _ => {}
        }
    }
    let most = DELIMITERS.iter().zip(counts).rev().max_by_key(|(_, count)| *count);
    most.map_or(b';', |(delimiter, _)| *delimiter)
}

fn contact(columns: &[Column], record: &StringRecord, plan: &DialPlan) -> Result<Imported, Refused> {
    let filled = record.iter().enumerate().filter(|(_, cell)| !cell.is_empty());
    let cells = filled.map(|(place, _)| place + 1).last().unwrap_or(0);
    if cells > columns.len() {
        return Err(Refused::TooManyCells { cells, columns: columns.len() });
    }
    let mut read = Imported::default();
    let (mut first, mut middle, mut last) = (String::new(), String::new(), String::new());
    for (column, cell) in columns.iter().zip(record).filter(|(_, cell)| !cell.is_empty()) {
        match column {
            Column::Name => append(&mut read.name, &one_line(cell)),
            Column::FirstName => append(&mut first, &one_line(cell)),
            Column::MiddleName => append(&mut middle, &one_line(cell)),
            Column::LastName => append(&mut last, &one_line(cell)),
            Column::Company => join(&mut read.company, &one_line(cell), ", "),
            Column::Numbers(label) => read.add_numbers(cell, *label, plan),
            Column::Email => read.emails.extend(addresses(cell)),
            Column::Source => join(&mut read.source, &one_line(cell), ", "),
            Column::Region => join(&mut read.region, &one_line(cell), ", "),
            Column::Industry => join(&mut read.industry, &one_line(cell), ", "),
            Column::Notes => join(&mut read.notes, &many_lines(cell), "\n"),
            Column::Custom(header) if header.is_empty() => join(&mut read.notes, &many_lines(cell), "\n"),
            Column::Custom(header) => {
                append(read.custom.entry(header.clone()).or_default(), &one_line(cell));
            }
        }
    }
    if read.name.is_empty() {
        // As people here are spoken to: first name, father's name, family name.
        for part in [first, middle, last] {
            append(&mut read.name, &part);
        }
    }
    read.finish()
}

fn append(text: &mut String, more: &str) {
    if !text.is_empty() && !more.is_empty() {
        text.push(' ');
    }
    text.push_str(more);
}

fn join(text: &mut Option<String>, more: &str, between: &str) {
    if more.is_empty() {
        return;
    }
    match text {
        Some(text) => {
            text.push_str(between);
            text.push_str(more);
        }
        None => *text = Some(more.to_owned()),
    }
}

fn addresses(cell: &str) -> impl Iterator<Item = String> {
    cell.split([',', ';', ' ', '\n']).map(one_line).filter(|address| !address.is_empty())
}
