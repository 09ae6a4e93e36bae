//! What a machine asks of the layer around it.

use std::time::Duration;

use super::timer::TimerName;

/// One thing to do, in order, after a machine took an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// Send these bytes along the transaction's path.
    Send(Vec<u8>),
    /// Start a timer, anew if it runs; zero fires at once.
    Start(TimerName, Duration),
    /// Stop a timer if it runs.
    Stop(TimerName),
    /// Pass the message that was the input to the transaction's user.
    Deliver,
    /// The user's response does not fit the state.
    Refuse,
    /// Tell the user that nobody answered.
    TimedOut,
    /// Tell the user that sending failed.
    TransportFailed,
}
