//! What a browser is sent after its beginning: a queue with bounded room, filled by the hub and read by one socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::port::NumberedFrame;

/// Why no more frames come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// More frames waited than there was room for, so some are missing from here on.
    TooSlow,
    /// Nobody sends any more.
    Stopping,
}

/// The end that is filled.
#[derive(Debug)]
pub struct Outlet {
    frames: mpsc::Sender<Arc<NumberedFrame>>,
    overflown: Arc<AtomicBool>,
}

/// The end that is read.
#[derive(Debug)]
pub struct Stream {
    frames: mpsc::Receiver<Arc<NumberedFrame>>,
    overflown: Arc<AtomicBool>,
}

/// Makes both ends of a queue in which at most `room` frames wait.
#[must_use]
pub fn stream(room: usize) -> (Outlet, Stream) {
    let (sender, receiver) = mpsc::channel(room);
    let overflown = Arc::new(AtomicBool::new(false));
    (Outlet { frames: sender, overflown: Arc::clone(&overflown) }, Stream { frames: receiver, overflown })
}

impl Outlet {
    /// Adds a frame; `false` when this was in vain, since nobody reads or there is no room: then nothing may follow.
    #[must_use]
    pub fn send(&self, frame: &Arc<NumberedFrame>) -> bool {
        match self.frames.try_send(Arc::clone(frame)) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.overflown.store(true, Ordering::Relaxed);
                false
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }

    /// Tells whether anybody reads.
    #[must_use]
    pub fn is_read(&self) -> bool {
        !self.frames.is_closed()
    }
}

impl Stream {
    /// Returns how many frames wait to be read.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.frames.len()
    }

    /// Waits for the next frame.
    ///
    /// # Errors
    /// When none follows without a gap.
    pub async fn next(&mut self) -> Result<Arc<NumberedFrame>, Ended> {
        // What still waits would only be read to be told then that the rest is missing.
        if self.overflown.load(Ordering::Relaxed) {
            return Err(Ended::TooSlow);
        }
        match self.frames.recv().await {
            Some(frame) => Ok(frame),
            None if self.overflown.load(Ordering::Relaxed) => Err(Ended::TooSlow),
            None => Err(Ended::Stopping),
        }
    }
}

#[cfg(test)]
mod tests {
    use linecard_calls::{AlarmKind, AlarmView, Cursor, Event, Frame, UtcMillis};

    use super::*;

    fn frame(seq: u64) -> Arc<NumberedFrame> {
        let alarm = AlarmView { alarm: AlarmKind::StunSilent, subject: None, text: String::new() };
        let cursor = Cursor { epoch: "e".to_owned(), seq };
        Arc::new(
            NumberedFrame::new(&Frame::new(cursor, UtcMillis(0), Event::AlarmRaised(alarm))).expect("JSON"),
        )
    }

    #[tokio::test]
    async fn what_is_sent_comes_in_order_until_nobody_sends() {
        let (outlet, mut stream) = stream(2);
        assert!(outlet.send(&frame(1)) && outlet.send(&frame(2)));
        drop(outlet);
        assert_eq!(stream.next().await.map(|it| it.seq), Ok(1));
        assert_eq!(stream.next().await.map(|it| it.seq), Ok(2));
        assert_eq!(stream.next().await.map(|it| it.seq), Err(Ended::Stopping));
    }

    #[tokio::test]
    async fn whoever_has_missed_a_frame_gets_none_after_it() {
        let (outlet, mut stream) = stream(1);
        assert!(outlet.send(&frame(1)));
        assert!(!outlet.send(&frame(2)), "there is no room");
        assert_eq!(stream.next().await.map(|it| it.seq), Err(Ended::TooSlow));
    }

    #[test]
    fn a_stream_that_nobody_reads_is_seen_to_be_over() {
        let (outlet, stream) = stream(1);
        assert!(outlet.is_read());
        drop(stream);
        assert!(!outlet.is_read() && !outlet.send(&frame(1)));
    }
}
