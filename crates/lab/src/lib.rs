//! A simulated network and clock, so that every timer and every race is tested in microseconds.
//!
//! [`SimNet`] carries datagrams and byte streams between any number of [`Endpoint`]s under seeded loss, duplication,
//! reordering, delay and cuts, and jumps its [`SimClock`] to the next thing that happens. Nothing here opens a socket
//! or sleeps, and nothing knows what the bytes mean: the endpoints are whatever a test wants to drive.

//!
//! [`fleet`] is the truth machine: simulated PBXes that know what happened, and a scorecard of what a server made of it.

mod clock;
mod conditions;
pub mod fleet;
mod net;
mod stream;
mod transcript;

pub use clock::SimClock;
pub use conditions::Conditions;
pub use net::{Endpoint, Outcome, Parcel, SimNet};
pub use transcript::{Entry, Fate, Transcript};
