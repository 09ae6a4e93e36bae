//! Real programs that tests talk to, and the means to hear, count and compare what they did.
//!
//! [`Kamailio`] is the PBX, [`Baresip`] an agent's phone, [`Sipp`] a crowd of customers or an odd phone,
//! [`Browser`] a Chromium with tabs. [`Customer`] is ours: a caller who speaks SIP as text, so that it can send
//! bytes that no honest program sends, and whose sound ([`rtp::RtpEnd`]) loses no packet. Nothing here depends on
//! Linecard's own SIP or media code. Each peer runs on a loopback address of its own, is ready when it has shown it,
//! and is ended by its process group when it goes out of scope; when a test fails its log is printed.

pub(crate) mod bad_network;
pub(crate) mod baresip;
pub(crate) mod browser;
pub(crate) mod cable;
pub(crate) mod customer;
pub(crate) mod dns;
pub(crate) mod http;
pub(crate) mod kamailio;
pub(crate) mod nat;
pub(crate) mod net;
pub(crate) mod program;
mod proof;
pub(crate) mod recording_client;
pub(crate) mod rtp;
pub(crate) mod sip_text;
pub(crate) mod sipp;
pub(crate) mod small_disk;
pub(crate) mod small_pbx;
pub(crate) mod sound;
pub(crate) mod stun;
pub(crate) mod switchboard;
pub(crate) mod tls;

pub(crate) use baresip::{Answer, Baresip, PhoneOptions};
pub(crate) use browser::{Browser, Tab};
pub(crate) use cable::Cable;
pub(crate) use customer::Customer;
pub(crate) use dns::{Dns, Zone};
pub(crate) use kamailio::{Account, Kamailio};
pub(crate) use program::eventually;
pub(crate) use sipp::{Caller, Crowd, Scenario, Sipp};
pub(crate) use small_pbx::SmallPbx;
pub(crate) use sound::Wav;
pub(crate) use switchboard::{Desk, Habits, Switchboard};

use std::path::PathBuf;

/// The project's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
