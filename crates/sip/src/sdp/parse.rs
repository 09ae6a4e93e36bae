//! Reading session descriptions (RFC 8866 section 5 and 9), leniently.
//!
//! Line ends may be CRLF, LF or CR; blanks at a line's end, blank lines, a missing `o=`, `s=` or `t=` and
//! any order within a section are accepted. Sizes are bounded and time is linear.

use super::description::{Attribute, Bandwidth, Connection, Line, Media, Origin, SessionDescription};

/// The largest description, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// The most lines.
const MAX_LINES: usize = 2_000;
/// The most `m=` sections.
const MAX_MEDIA: usize = 64;
/// The most formats of one `m=` line.
const MAX_FORMATS: usize = 128;

/// Where and why a description could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("session description, byte {offset}: {kind}")]
pub struct SdpError {
    /// Offset of the line in the body, in bytes.
    pub offset: usize,
    /// What is wrong there.
    pub kind: SdpErrorKind,
}

/// Why a description could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SdpErrorKind {
    /// Nothing that describes a session.
    #[error("no session is described")]
    Empty,
    /// Too many bytes, lines, sections or formats.
    #[error("too large")]
    TooLarge,
    /// A line that is not a letter, `=` and a value.
    #[error("not a line of a session description")]
    NotALine,
    /// `v=` is not 0.
    #[error("unknown version")]
    Version,
    /// `o=` lacks fields.
    #[error("malformed origin")]
    Origin,
    /// `c=` lacks fields.
    #[error("malformed connection")]
    Connection,
    /// `m=` lacks fields or its port is no port.
    #[error("malformed media")]
    Media,
}

impl SessionDescription {
    /// Parses a body.
    ///
    /// # Errors
    /// A body without a session, over the bounds, or with a line that can not be understood where its
    /// meaning matters: version, origin, connection, media.
    pub fn parse(body: &[u8]) -> Result<Self, SdpError> {
        if body.len() > MAX_BYTES {
            return Err(SdpError { offset: 0, kind: SdpErrorKind::TooLarge });
        }
        let mut reader = Reader::default();
        let mut offset = 0;
        for (number, raw) in body.split(|byte| matches!(byte, b'\n' | b'\r')).enumerate() {
            // CRLF makes an empty line of its own, so twice as many.
            if number > 2 * MAX_LINES {
                return Err(SdpError { offset, kind: SdpErrorKind::TooLarge });
            }
            reader.line(raw.trim_ascii_end()).map_err(|kind| SdpError { offset, kind })?;
            offset += raw.len() + 1;
        }
        reader.finish().map_err(|kind| SdpError { offset: 0, kind })
    }
}

#[derive(Default)]
struct Reader {
    origin: Option<Origin>,
    name: Option<Vec<u8>>,
    connection: Option<Connection>,
    bandwidths: Vec<Bandwidth>,
    lines: Vec<Line>,
    attributes: Vec<Attribute>,
    media: Vec<Media>,
    versioned: Option<()>,
}

impl Reader {
    fn line(&mut self, line: &[u8]) -> Result<(), SdpErrorKind> {
        let (letter, value) = match line {
            [] => return Ok(()),
            [letter, b'=', value @ ..] if letter.is_ascii_alphabetic() => (*letter, value),
            _ => return Err(SdpErrorKind::NotALine),
        };
        match letter {
            b'm' => {
                if self.media.len() >= MAX_MEDIA {
                    return Err(SdpErrorKind::TooLarge);
                }
                self.media.push(media_of(value).ok_or(SdpErrorKind::Media)??);
            }
            b'c' => {
                let connection = connection_of(value).ok_or(SdpErrorKind::Connection)?;
                match self.media.last_mut() {
                    Some(media) => media.connections.push(connection),
                    None => self.connection = Some(connection),
                }
            }
            b'v' if self.media.is_empty() => {
                self.versioned = Some(());
                if value.trim_ascii() != b"0" {
                    return Err(SdpErrorKind::Version);
                }
            }
            b'o' if self.media.is_empty() => {
                self.origin = Some(origin_of(value).ok_or(SdpErrorKind::Origin)?);
            }
            b's' if self.media.is_empty() => self.name = Some(value.trim_ascii().to_vec()),
            _ => self.plain_line(letter, value),
        }
        Ok(())
    }

    fn plain_line(&mut self, letter: u8, value: &[u8]) {
        let (attributes, bandwidths, lines) = match self.media.last_mut() {
            Some(media) => (&mut media.attributes, &mut media.bandwidths, &mut media.lines),
            None => (&mut self.attributes, &mut self.bandwidths, &mut self.lines),
        };
        let attribute = (letter == b'a').then(|| attribute_of(value)).flatten();
        let bandwidth = (letter == b'b').then(|| bandwidth_of(value)).flatten();
        match (attribute, bandwidth) {
            (Some(attribute), _) => attributes.push(attribute),
            (None, Some(bandwidth)) => bandwidths.push(bandwidth),
            (None, None) => lines.push(Line { letter, value: value.to_vec() }),
        }
    }

    fn finish(self) -> Result<SessionDescription, SdpErrorKind> {
        if self.versioned.is_none() && self.origin.is_none() && self.media.is_empty() {
            return Err(SdpErrorKind::Empty);
        }
        let mut lines = self.lines;
        if !lines.iter().any(|line| line.letter == b't') {
            lines.push(Line { letter: b't', value: b"0 0".to_vec() });
        }
        lines.sort_by_key(|line| rank_of_line(line.letter));
        let mut media = self.media;
        for section in &mut media {
            section.lines.sort_by_key(|line| u8::from(line.letter != b'i'));
        }
        Ok(SessionDescription {
            origin: self.origin.unwrap_or_else(unknown_origin),
            name: self.name.filter(|name| !name.is_empty()).unwrap_or_else(|| b"-".to_vec()),
            connection: self.connection,
            bandwidths: self.bandwidths,
            lines,
            attributes: self.attributes,
            media,
        })
    }
}

/// Ranks the plain lines of a session in the order of the grammar; unknown ones come last.
pub(super) fn rank_of_line(letter: u8) -> u8 {
    match letter {
        b'i' | b'u' | b'e' | b'p' => 0,
        b't' | b'r' | b'z' => 1,
        _ => 2,
    }
}

fn unknown_origin() -> Origin {
    Origin {
        username: "-".into(),
        session_id: "0".into(),
        version: "0".into(),
        connection: Connection::of(std::net::Ipv4Addr::UNSPECIFIED.into()),
    }
}

fn words(value: &[u8]) -> Option<std::str::SplitAsciiWhitespace<'_>> {
    std::str::from_utf8(value).ok().map(str::split_ascii_whitespace)
}

fn origin_of(value: &[u8]) -> Option<Origin> {
    let text = String::from_utf8_lossy(value);
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    // A user name may hold no blank, but some do: the last five fields are what counts.
    let [username @ .., session_id, version, network, kind, address] = fields.as_slice() else {
        return None;
    };
    let username = if username.is_empty() { "-".to_owned() } else { username.join("_") };
    Some(Origin {
        username,
        session_id: (*session_id).to_owned(),
        version: (*version).to_owned(),
        connection: Connection {
            network: (*network).to_owned(),
            kind: (*kind).to_owned(),
            address: (*address).to_owned(),
        },
    })
}

fn connection_of(value: &[u8]) -> Option<Connection> {
    let mut words = words(value)?;
    let connection = Connection {
        network: words.next()?.to_owned(),
        kind: words.next()?.to_owned(),
        address: words.next()?.to_owned(),
    };
    words.next().is_none().then_some(connection)
}

fn bandwidth_of(value: &[u8]) -> Option<Bandwidth> {
    let (kind, value) = std::str::from_utf8(value).ok()?.split_once(':')?;
    let (kind, value) = (kind.trim(), value.trim());
    let clean = !kind.is_empty() && !value.is_empty() && !kind.contains(|c: char| c.is_ascii_whitespace());
    clean.then(|| Bandwidth { kind: kind.to_owned(), value: value.to_owned() })
}

fn attribute_of(value: &[u8]) -> Option<Attribute> {
    let colon = value.iter().position(|byte| *byte == b':');
    let (name, value) = match colon {
        Some(colon) => (value.get(..colon)?, Some(value.get(colon + 1..)?.to_vec())),
        None => (value, None),
    };
    let name = std::str::from_utf8(name).ok()?;
    (!name.is_empty()).then(|| Attribute { name: name.to_owned(), value })
}

/// Reads `kind port[/count] protocol formats`; `None` is malformed, the inner error too large.
fn media_of(value: &[u8]) -> Option<Result<Media, SdpErrorKind>> {
    let mut words = words(value)?;
    let kind = words.next()?.to_owned();
    let port = words.next()?;
    let (port, port_count) = match port.split_once('/') {
        Some((port, count)) => (port, Some(count.parse().ok()?)),
        None => (port, None),
    };
    let port = port.parse().ok()?;
    let protocol = words.next()?.to_owned();
    let formats: Vec<String> = words.by_ref().take(MAX_FORMATS).map(str::to_owned).collect();
    if words.next().is_some() {
        return Some(Err(SdpErrorKind::TooLarge));
    }
    Some(Ok(Media {
        kind,
        port,
        port_count,
        protocol,
        formats,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        lines: Vec::new(),
        attributes: Vec::new(),
    }))
}
