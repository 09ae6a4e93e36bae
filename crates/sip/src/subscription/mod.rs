//! A subscription to an event package (RFC 6665), as the subscriber, sans-IO.
//!
//! [`Subscription`] asks, refreshes before it ends, answers NOTIFY, and goes on asking after refusals and silence, each
//! at its own pace. It knows no package: bodies are handed on as they came. It deliberately has no transactions, sockets
//! or clock: the user agent sends its requests, adds the Via, and hands back the final response or the timeout of each.
//! It takes the first dialog of a forked SUBSCRIBE and refuses the others (section 4.4.9 of RFC 6665 leaves that to the
//! package; dialog and registration packages allow one).

mod machine;
mod notify;
mod state;

pub use machine::Subscription;
pub use state::{
    FailureReason, Input, Output, SubscriptionConfig, SubscriptionState, TimerReason, WaitReason,
};
