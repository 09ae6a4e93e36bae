//! What the store promises, whichever database it stands on: every test takes its own from `support::fresh_store`.
//!
//! The suite is compiled twice, into `sqlite` and into `postgres`; what they have to give it is in their `database`.
//!
//! Not here: the rules of matching (`linecard_crm`), of a call (`linecard_calls`), and what the REST pages make of it.

mod audit;
mod companies;
mod contacts;
mod fixtures;
mod frames;
mod idempotency;
mod interactions;
mod learned;
mod ledger;
mod lines;
mod load;
pub(crate) mod locked;
mod lookup;
mod missed;
mod opening;
mod phones;
mod recordings;
mod search;
mod sessions;
pub(crate) mod support;
mod users;
