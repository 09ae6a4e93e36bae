//! The stories that have to pass end to end: the real binary, a real PBX, real phones, a real browser.

mod known_customer_pops_before_the_answer;
mod server;

pub(crate) use server::Office;
