//! Message bodies of one or several parts (RFC 5621, RFC 2046 section 5.1): what each part is, and its bytes as sent.
//!
//! It deliberately decodes nothing: SIP is clean for 8 bits, and a transfer encoding other than the identity is refused.

use crate::message::{HeaderName, Headers, Params, Scan, readable};

/// The most parts of a body, nested ones included.
const PARTS_MAX: usize = 16;

/// How deep bodies may lie in each other.
const DEPTH_MAX: usize = 3;

/// The most header lines of a part.
const HEADERS_MAX: usize = 32;

/// The longest boundary (RFC 2046 section 5.1.1).
const BOUNDARY_MAX: usize = 70;

/// One part of a body; a body without parts is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// The media type in small letters without parameters, such as `application/sdp`.
    pub media_type: String,
    /// What it is for (Content-Disposition) in small letters without parameters, when that is said.
    pub disposition: Option<String>,
    /// Whether a reader that does not know it may leave it aside (RFC 5621 section 8.3).
    pub handling: Handling,
    /// Its bytes as sent.
    pub content: &'a [u8],
}

/// Whether a part that is not understood may be left aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// The request fails without it; what a part without the parameter asks for.
    Required,
    /// It may be left aside.
    Optional,
}

/// Why a body cannot be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// A multipart body names no boundary, or one that cannot be.
    #[error("its Content-Type names no boundary")]
    NoBoundary,
    /// The boundary does not stand in the body.
    #[error("the boundary that its Content-Type names does not stand in it")]
    NoParts,
    /// The last boundary is missing: something was cut off.
    #[error("its last boundary is missing")]
    Cut,
    /// A part's headers do not end, or a line of them is none.
    #[error("the headers of a part cannot be read")]
    Headers,
    /// More parts or levels than any true one has.
    #[error("it has too many parts")]
    TooMany,
    /// A part is encoded.
    #[error("a part has a transfer encoding")]
    Encoded,
}

/// Takes the body of a message apart; an empty one has no parts.
///
/// # Errors
/// When it says that it has several parts and is not written so.
pub fn parts_of<'a>(headers: &Headers, body: &'a [u8]) -> Result<Vec<Part<'a>>, BodyError> {
    let mut parts = Vec::new();
    if !body.is_empty() {
        let get = |name: &HeaderName| headers.get(name).map(<[u8]>::to_vec);
        let described = Described {
            kind: get(&HeaderName::ContentType),
            disposition: get(&HeaderName::ContentDisposition),
        };
        take(&described, body, 0, &mut parts)?;
    }
    Ok(parts)
}

/// What the headers of a body or part say of it.
struct Described {
    kind: Option<Vec<u8>>,
    disposition: Option<Vec<u8>>,
}

fn take<'a>(
    described: &Described,
    content: &'a [u8],
    depth: usize,
    parts: &mut Vec<Part<'a>>,
) -> Result<(), BodyError> {
    let kind = described.kind.as_deref().unwrap_or(b"text/plain");
    let (media_type, params) = split(kind);
    if media_type.starts_with("multipart/") {
        if depth >= DEPTH_MAX {
            return Err(BodyError::TooMany);
        }
        let boundary = params.unquoted("boundary").filter(|it| (1..=BOUNDARY_MAX).contains(&it.len()));
        let boundary = boundary.ok_or(BodyError::NoBoundary)?;
        for raw in sections(content, boundary.as_bytes())? {
            let (described, content) = described_part(raw)?;
            take(&described, content, depth + 1, parts)?;
        }
        return Ok(());
    }
    if parts.len() >= PARTS_MAX {
        return Err(BodyError::TooMany);
    }
    let disposition = described.disposition.as_deref().map(split);
    let optional = disposition.as_ref().and_then(|(_, params)| params.unquoted("handling"));
    let optional = optional.is_some_and(|handling| handling.eq_ignore_ascii_case("optional"));
    parts.push(Part {
        media_type,
        disposition: disposition.map(|(kind, _)| kind),
        handling: if optional { Handling::Optional } else { Handling::Required },
        content,
    });
    Ok(())
}

/// Splits a value into what stands before its parameters and them; parameters that cannot be read are none.
fn split(value: &[u8]) -> (String, Params) {
    let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
    let (kind, params) = value.split_at_checked(end).unwrap_or((value, &[]));
    // `type / subtype` may have spaces around the slash.
    let kind: String = readable(kind).chars().filter(|char| !char.is_whitespace()).collect();
    (kind.to_ascii_lowercase(), Params::scan(&mut Scan::new(params)).unwrap_or_default())
}

/// Cuts the sections between the boundaries out; what stands before the first and behind the last one is nothing.
fn sections<'a>(content: &'a [u8], boundary: &[u8]) -> Result<Vec<&'a [u8]>, BodyError> {
    let mut sections = Vec::new();
    let mut from: Option<usize> = None;
    let mut at = 0;
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let begins = at;
        at += line.len();
        let Some(delimiter) = delimiter(line, boundary) else { continue };
        if let Some(from) = from {
            let section = content.get(from..begins).unwrap_or_default();
            sections.push(without_line_end(section));
        }
        if sections.len() > PARTS_MAX {
            return Err(BodyError::TooMany);
        }
        match delimiter {
            Delimiter::Last if sections.is_empty() => return Err(BodyError::NoParts),
            Delimiter::Last => return Ok(sections),
            Delimiter::Next => from = Some(at),
        }
    }
    Err(if from.is_some() { BodyError::Cut } else { BodyError::NoParts })
}

enum Delimiter {
    Next,
    Last,
}

/// Reads a line as a boundary: two hyphens, the boundary, two more behind the last part, blanks.
fn delimiter(line: &[u8], boundary: &[u8]) -> Option<Delimiter> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
    match rest.trim_ascii_end() {
        b"" => Some(Delimiter::Next),
        b"--" => Some(Delimiter::Last),
        _ => None,
    }
}

/// The line end before a boundary belongs to the boundary.
fn without_line_end(section: &[u8]) -> &[u8] {
    let section = section.strip_suffix(b"\n").unwrap_or(section);
    section.strip_suffix(b"\r").unwrap_or(section)
}

/// Reads a part's headers and gives what follows the empty line behind them.
fn described_part(section: &[u8]) -> Result<(Described, &[u8]), BodyError> {
    let mut lines: Vec<(String, Vec<u8>)> = Vec::new();
    let mut at = 0;
    for line in section.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        let text = without_line_end(line);
        if text.is_empty() {
            let value = |name: &str| {
                let found = lines.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.clone())
            };
            let encoding = value("Content-Transfer-Encoding");
            let plain = |encoding: &Vec<u8>| {
                let encoding = encoding.trim_ascii();
                [&b"binary"[..], b"8bit", b"7bit"].iter().any(|it| encoding.eq_ignore_ascii_case(it))
            };
            if !encoding.as_ref().is_none_or(plain) {
                return Err(BodyError::Encoded);
            }
            let described = Described {
                kind: value("Content-Type").or_else(|| value("c")),
                disposition: value("Content-Disposition"),
            };
            return Ok((described, section.get(at..).unwrap_or_default()));
        }
        if lines.len() >= HEADERS_MAX {
            return Err(BodyError::TooMany);
        }
        match (text.first(), lines.last_mut()) {
            // A folded line goes on with the one before.
            (Some(b' ' | b'\t'), Some((_, value))) => value.extend_from_slice(text),
            _ => lines.push(header(text)?),
        }
    }
    Err(BodyError::Headers)
}

fn header(line: &[u8]) -> Result<(String, Vec<u8>), BodyError> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(BodyError::Headers)?;
    let (name, value) = line.split_at_checked(colon).ok_or(BodyError::Headers)?;
    let name = std::str::from_utf8(name).map_err(|_| BodyError::Headers)?.trim().to_owned();
    Ok((name, value.get(1..).unwrap_or_default().trim_ascii().to_vec()))
}
