//! Session descriptions (RFC 8866) and the offer/answer model (RFC 3264).
//!
//! A [`SessionDescription`] is lenient in what it reads and strict in what it writes; lines and attributes
//! that mean nothing here are kept in order. [`Audio`] is the typed view of an audio stream, and
//! [`LocalSession`] makes our offers and answers, with keys for SRTP by SDES where that is wanted. It deliberately sends
//! no media and knows no ICE and no DTLS: their attributes are carried, not interpreted.

mod audio;
mod crypto;
mod description;
mod exchange;
mod parse;
mod print;
mod recorded;

pub use audio::{Audio, Codec, Direction, Protocol, audio_of, audios_of};
pub use crypto::{Crypto, CryptoSuite, Encryption};
pub use description::{Attribute, Bandwidth, Connection, Line, Media, Origin, SessionDescription};
pub use exchange::{LocalAudio, LocalSession, NotAcceptable};
pub use parse::{SdpError, SdpErrorKind};
pub use recorded::{Awareness, RecordedStream, label_of, receivable};
