//! Registration of one line with its registrar (RFC 3261 section 10.2), sans-IO.
//!
//! [`Registration`] asks for the bindings first, registers its own contact, refreshes it before it ends, and
//! survives what registrars do: challenges, shorter expiries, redirects, refusals, silence and lost tables.
//! It deliberately has no transactions, sockets or clock: the user agent sends its requests, adds the Via,
//! and hands back the final response or the timeout of each. It registers one contact and never `*`.

mod bindings;
mod guard;
mod machine;
mod outcome;
mod request;
mod state;
pub(crate) mod timing;

pub(crate) use timing::between;

pub use bindings::Binding;
pub use machine::Registration;
pub use state::{
    AddressLearning, FailureReason, Input, Neighbours, Output, RegistrationConfig, RegistrationState,
    TimerReason, WaitReason,
};
