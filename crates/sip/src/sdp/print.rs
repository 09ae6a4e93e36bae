//! Printing session descriptions (RFC 8866 section 9), strictly: the grammar's order, CRLF, no stray bytes.

use super::description::{Bandwidth, Connection, Line, Media, SessionDescription};
use super::parse::rank_of_line;

impl SessionDescription {
    /// Prints the description as a message body.
    ///
    /// Control characters in a value (they could begin a line of their own) are left out.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(512);
        push(&mut body, b'v', b"0");
        let origin = &self.origin;
        let fields = format!(
            "{} {} {} {}",
            origin.username,
            origin.session_id,
            origin.version,
            text(&origin.connection)
        );
        push(&mut body, b'o', fields.as_bytes());
        push(&mut body, b's', if self.name.is_empty() { b"-" } else { &self.name });
        push_lines(&mut body, &self.lines, |letter| rank_of_line(letter) == 0);
        if let Some(connection) = &self.connection {
            push(&mut body, b'c', text(connection).as_bytes());
        }
        push_bandwidths(&mut body, &self.bandwidths);
        if !self.lines.iter().any(|line| line.letter == b't') {
            push(&mut body, b't', b"0 0");
        }
        push_lines(&mut body, &self.lines, |letter| rank_of_line(letter) == 1);
        push_lines(&mut body, &self.lines, |letter| rank_of_line(letter) == 2);
        push_attributes(&mut body, &self.attributes);
        for media in &self.media {
            push_media(&mut body, media);
        }
        body
    }
}

fn push_media(body: &mut Vec<u8>, media: &Media) {
    let mut line = format!("{} {}", media.kind, media.port);
    if let Some(count) = media.port_count {
        line.push_str(&format!("/{count}"));
    }
    line.push(' ');
    line.push_str(&media.protocol);
    for format in &media.formats {
        line.push(' ');
        line.push_str(format);
    }
    push(body, b'm', line.as_bytes());
    push_lines(body, &media.lines, |letter| letter == b'i');
    for connection in &media.connections {
        push(body, b'c', text(connection).as_bytes());
    }
    push_bandwidths(body, &media.bandwidths);
    push_lines(body, &media.lines, |letter| letter != b'i');
    push_attributes(body, &media.attributes);
}

fn push_bandwidths(body: &mut Vec<u8>, bandwidths: &[Bandwidth]) {
    for bandwidth in bandwidths {
        push(body, b'b', format!("{}:{}", bandwidth.kind, bandwidth.value).as_bytes());
    }
}

fn push_attributes(body: &mut Vec<u8>, attributes: &[super::Attribute]) {
    for attribute in attributes {
        let mut value = attribute.name.clone().into_bytes();
        if let Some(given) = &attribute.value {
            value.push(b':');
            value.extend_from_slice(given);
        }
        push(body, b'a', &value);
    }
}

fn push_lines(body: &mut Vec<u8>, lines: &[Line], wanted: impl Fn(u8) -> bool) {
    for line in lines.iter().filter(|line| wanted(line.letter)) {
        push(body, line.letter, &line.value);
    }
}

fn push(body: &mut Vec<u8>, letter: u8, value: &[u8]) {
    body.extend_from_slice(&[letter, b'=']);
    body.extend(value.iter().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)));
    body.extend_from_slice(b"\r\n");
}

fn text(connection: &Connection) -> String {
    format!("{} {} {}", connection.network, connection.kind, connection.address)
}
