//! What went over the wire in one session, as parsed messages with their numbers: all that checks may claim stands here.

use linecard_sip::message::{CSeq, HeaderName, Headers, Message, Method, Request, Response, parse_datagram};
use linecard_web::doctor::Evidence;

use super::chart::Exchange;

/// Messages that are kept of one session; a peer cannot make it more.
const KEPT_MAX: usize = 400;
/// The letters of a header that are shown as evidence.
const SHOWN_MAX: usize = 300;

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// Its place in the exchange.
    pub(super) number: u32,
    /// When, in ms since the look began.
    pub(super) at_ms: u64,
    /// Whether it is ours.
    pub(super) sent: bool,
    pub(super) message: Message,
}

/// The messages of a session, in order.
pub(super) struct Transcript {
    exchange: Exchange,
    entries: Vec<Entry>,
}

impl Transcript {
    pub(super) fn new(exchange: Exchange) -> Self {
        Self { exchange, entries: Vec::new() }
    }

    /// Writes down what was sent.
    pub(super) fn sent(&mut self, payload: &[u8]) {
        if let Ok(message) = parse_datagram(payload) {
            self.put(true, payload, message);
        }
    }

    /// Writes down what was received.
    pub(super) fn received(&mut self, payload: &[u8], message: Message) {
        self.put(false, payload, message);
    }

    fn put(&mut self, sent: bool, payload: &[u8], message: Message) {
        let (number, at_ms) = self.exchange.put(sent, payload);
        if self.entries.len() < KEPT_MAX {
            self.entries.push(Entry { number, at_ms, sent, message });
        }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The final answer to the request with this branch.
    pub(super) fn final_answer(&self, branch: &str) -> Option<&Response> {
        self.entries.iter().filter(|entry| !entry.sent).find_map(|entry| {
            let response = entry.response().filter(|response| response.status.is_final())?;
            let via = response.headers.top_via().ok()?;
            (via.branch() == Some(branch)).then_some(response)
        })
    }
}

impl Entry {
    pub(super) fn request(&self) -> Option<&Request> {
        match &self.message {
            Message::Request(request) => Some(request),
            Message::Response(_) => None,
        }
    }

    pub(super) fn response(&self) -> Option<&Response> {
        match &self.message {
            Message::Response(response) => Some(response),
            Message::Request(_) => None,
        }
    }

    pub(super) fn headers(&self) -> &Headers {
        match &self.message {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }

    /// The request of ours with this method.
    pub(super) fn asks(&self, method: &Method) -> Option<&Request> {
        self.request().filter(|request| self.sent && request.method == *method)
    }

    /// The answer to a request of ours with this method.
    pub(super) fn answers(&self, method: &Method) -> Option<&Response> {
        let response = self.response().filter(|_| !self.sent)?;
        let CSeq { method: answered, .. } = response.headers.cseq().ok()?;
        (answered == *method).then_some(response)
    }

    pub(super) fn is_of_call(&self, call_id: &str) -> bool {
        self.headers().call_id().is_ok_and(|own| own == call_id)
    }

    /// Points at a header of this message; none when it has no such header.
    pub(super) fn evidence(&self, name: &HeaderName) -> Option<Evidence> {
        let values: Vec<String> = self.headers().options_of(name);
        (!values.is_empty()).then(|| self.shows(name.as_str(), &values.join(", ")))
    }

    /// Points at a place in this message.
    pub(super) fn shows(&self, place: &str, value: &str) -> Evidence {
        let letters = value.chars().filter(|letter| !letter.is_control());
        let value = letters.take(SHOWN_MAX).collect();
        Evidence { message: Some(self.number), place: place.to_owned(), value }
    }
}

/// Entries as a session would have them, from texts; for tests of what is read out of them.
#[cfg(test)]
pub(super) fn entries_of(texts: &[(bool, &str)]) -> Vec<Entry> {
    let entry = |(index, (sent, text)): (usize, &(bool, &str))| {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let lines: Vec<&str> = head.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let body: String = body.lines().map(|line| format!("{}\r\n", line.trim())).collect();
        let length = body.len();
        let payload = format!("{}\r\nContent-Length: {length}\r\n\r\n{body}", lines.join("\r\n"));
        let message =
            parse_datagram(payload.as_bytes()).unwrap_or_else(|error| panic!("{error:?}: {payload}"));
        let number = u32::try_from(index).unwrap() + 1;
        Entry { number, at_ms: u64::from(number) * 10, sent: *sent, message }
    };
    texts.iter().enumerate().map(entry).collect()
}
