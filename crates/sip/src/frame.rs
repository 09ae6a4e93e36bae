//! Messages out of a byte stream: TCP and TLS (RFC 3261 section 18.3, keep-alives of RFC 5626 section 3.5.1).
//!
//! Only Content-Length says where a message ends, so a stream whose Content-Length cannot be trusted is over:
//! answer if there is an answer, then close.

use crate::message::{
    Head, HeaderName, Message, ParseError, ParseErrorKind, Rejected, Response, body_length, parse_framed,
    rejection,
};

/// The most bytes that start line and headers may take.
pub const MAX_HEAD: usize = 64 * 1024;

/// The most bytes that a whole message may take.
pub const MAX_STREAM_MESSAGE: usize = 256 * 1024;

/// What came out of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// An acceptable message.
    Message(Message),
    /// A message that is not acceptable, though its end is known: answer if due and go on.
    Rejected(Rejected),
    /// A double CRLF: answer with one CRLF.
    KeepAlivePing,
    /// A single CRLF: the answer to our ping, or a stray line end. A ping that arrives in two pieces is seen
    /// as a pong first and then as the ping.
    KeepAlivePong,
}

/// The stream can no longer be split into messages: send the answer if there is one, and close.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stream lost: {error}")]
pub struct FramingError {
    /// What is wrong.
    pub error: ParseError,
    /// The answer to send before closing.
    pub response: Option<Response>,
}

#[derive(Debug, Clone)]
enum State {
    /// Between messages; true after a lone CRLF.
    Idle { after_line_end: bool },
    /// In a head, of which this many bytes hold no empty line.
    Head { searched: usize },
    /// The head is read; the message has this many bytes.
    Body { head: Box<Head>, total: usize },
    /// Nothing more comes out.
    Lost,
}

/// Splits a stream into messages. Give it bytes, then ask until it has no more.
#[derive(Debug, Clone)]
pub struct StreamFramer {
    buffer: Vec<u8>,
    start: usize,
    state: State,
}

impl Default for StreamFramer {
    fn default() -> Self {
        Self::new()
    }
}

impl StreamFramer {
    /// Makes a framer for a fresh connection.
    #[must_use]
    pub fn new() -> Self {
        Self { buffer: Vec::new(), start: 0, state: State::Idle { after_line_end: false } }
    }

    /// Takes bytes in. Ask [`StreamFramer::next`] until `None` before the next ones: then no more is ever held than
    /// one message of [`MAX_STREAM_MESSAGE`] and one piece.
    pub fn push(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Lost) {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Gives the number of bytes that wait for more.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Gives what is complete, or `None` until more bytes come. After an error it gives `None` for ever.
    #[allow(clippy::should_implement_trait)] // more may follow a `None`
    pub fn next(&mut self) -> Option<Result<Frame, FramingError>> {
        loop {
            match &mut self.state {
                State::Lost => return None,
                State::Idle { .. } => {
                    if let Some(frame) = self.keep_alive()? {
                        return Some(Ok(frame));
                    }
                    self.state = State::Head { searched: 0 };
                }
                State::Head { searched } => {
                    let waiting = self.buffer.get(self.start..).unwrap_or_default();
                    let Some(length) = head_length(waiting, *searched) else {
                        *searched = waiting.len();
                        if waiting.len() <= MAX_HEAD {
                            return None;
                        }
                        return Some(Err(self.lose(ParseErrorKind::TooLarge)));
                    };
                    if length > MAX_HEAD {
                        return Some(Err(self.lose(ParseErrorKind::TooLarge)));
                    }
                    if let Err(error) = self.read_head(length) {
                        return Some(Err(error));
                    }
                }
                State::Body { total, .. } => {
                    let total = *total;
                    if self.buffered() < total {
                        return None;
                    }
                    return Some(Ok(self.complete(total)));
                }
            }
        }
    }

    /// Eats a keep-alive; the outer `None` means that more bytes are needed.
    fn keep_alive(&mut self) -> Option<Option<Frame>> {
        let State::Idle { after_line_end } = self.state else {
            return Some(None);
        };
        let waiting = self.buffer.get(self.start..).unwrap_or_default();
        let (length, frame) = match waiting {
            [] | [b'\r'] => return None,
            [b'\r', b'\n', b'\r', b'\n', ..] => (4, Frame::KeepAlivePing),
            [b'\r', b'\n', ..] if after_line_end => (2, Frame::KeepAlivePing),
            [b'\r', b'\n', ..] => (2, Frame::KeepAlivePong),
            _ => return Some(None),
        };
        self.state = State::Idle { after_line_end: frame == Frame::KeepAlivePong };
        self.consume(length);
        Some(Some(frame))
    }

    fn read_head(&mut self, length: usize) -> Result<(), FramingError> {
        let head = Head::read(self.buffer.get(self.start..self.start + length).unwrap_or_default());
        // A header line that cannot be read may have been the Content-Length.
        let body = match head.fault.clone() {
            Some(error) => Err(error),
            None => body_length(&head.headers),
        };
        let fault = |kind| ParseError::new(kind, 0).in_header(HeaderName::ContentLength.as_str());
        let total = match body {
            Err(error) => Err(error),
            Ok(None) => Err(fault(ParseErrorKind::Missing)),
            Ok(Some(body)) => Ok(length.saturating_add(body)),
        };
        match total {
            Ok(total) if total <= MAX_STREAM_MESSAGE => {
                self.state = State::Body { head: Box::new(head), total };
                Ok(())
            }
            Ok(_) => Err(self.lose_after(&head, fault(ParseErrorKind::TooLarge))),
            Err(error) => Err(self.lose_after(&head, error)),
        }
    }

    fn complete(&mut self, total: usize) -> Frame {
        let idle = State::Idle { after_line_end: false };
        let State::Body { head, .. } = std::mem::replace(&mut self.state, idle) else {
            return Frame::KeepAlivePong;
        };
        let body = self.buffer.get(self.start + head.length..self.start + total).unwrap_or_default();
        let frame = match parse_framed(*head, body) {
            Ok(message) => Frame::Message(message),
            Err(rejected) => Frame::Rejected(rejected),
        };
        self.consume(total);
        frame
    }

    /// Moves on; the buffer is moved down only when half of it is used, which keeps the whole linear.
    fn consume(&mut self, length: usize) {
        self.start += length;
        if self.start * 2 >= self.buffer.len() {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
    }

    fn lose_after(&mut self, head: &Head, error: ParseError) -> FramingError {
        let Rejected { error, response } = rejection(head, error);
        self.forget();
        FramingError { error, response }
    }

    fn lose(&mut self, kind: ParseErrorKind) -> FramingError {
        self.forget();
        FramingError { error: ParseError::new(kind, 0), response: None }
    }

    fn forget(&mut self) {
        self.state = State::Lost;
        self.buffer = Vec::new();
        self.start = 0;
    }
}

/// Finds the end of the head, looking only where nobody has looked yet.
fn head_length(bytes: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(3);
    let place = bytes.get(from..)?.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(from + place + 4)
}
