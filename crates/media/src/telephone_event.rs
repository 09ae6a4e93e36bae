//! Telephone events (RFC 4733 section 2.3): keys pressed during a call, passed on like any other packet.
//!
//! Keys may be a card number or a PIN, so neither `Debug` nor any log shows which one it was.

use crate::MediaError;

/// One report of an event that goes on or has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TelephoneEvent {
    code: u8,
    /// The event has ended; this report is one of up to three (RFC 4733 section 2.5.1.4).
    pub ended: bool,
    /// Power in -dBm0, 0 to 63.
    pub volume: u8,
    /// Samples since the event began.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Makes an event report.
    #[must_use]
    pub fn new(code: u8, ended: bool, volume: u8, duration: u16) -> Self {
        Self { code, ended, volume: volume & 0x3f, duration }
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`MediaError::EventLength`] unless it is at least four bytes; what follows is redundancy that nobody
    /// here needs.
    pub fn parse(payload: &[u8]) -> Result<Self, MediaError> {
        match payload {
            [code, flags, high, low, ..] => Ok(Self {
                code: *code,
                ended: flags & 0x80 != 0,
                volume: flags & 0x3f,
                duration: u16::from_be_bytes([*high, *low]),
            }),
            short => Err(MediaError::EventLength { len: short.len() }),
        }
    }

    /// Writes the payload.
    #[must_use]
    pub fn to_payload(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, if self.ended { 0x80 } else { 0 } | self.volume, high, low]
    }

    /// Returns the event code: 0 to 9, 10 for `*`, 11 for `#`, 12 to 15 for A to D. Never to be logged.
    #[must_use]
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl std::fmt::Debug for TelephoneEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TelephoneEvent")
            .field("ended", &self.ended)
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_back_as_written() {
        let event = TelephoneEvent::new(11, true, 10, 800);
        assert_eq!(TelephoneEvent::parse(&event.to_payload()).unwrap(), event);
        assert!(TelephoneEvent::parse(&[1, 2, 3]).is_err());
    }

    #[test]
    fn the_key_never_shows_in_debug_output() {
        let shown = |code| format!("{:?}", TelephoneEvent::new(code, false, 10, 800));
        assert_eq!(shown(1), shown(9));
    }
}
