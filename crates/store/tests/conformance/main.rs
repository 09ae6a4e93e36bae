//! What the store promises, whichever database it stands on: every test takes its own from `support::fresh_store`.
//!
//! Not here: the rules of matching (`linecard_crm`), of a call (`linecard_calls`), and what the REST pages make of it.

mod companies;
mod contacts;
mod frames;
mod idempotency;
mod interactions;
mod ledger;
mod lines;
mod locked;
mod lookup;
mod missed;
mod opening;
mod recordings;
mod sessions;
mod support;
mod users;
