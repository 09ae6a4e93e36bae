//! The truth machine: a fleet of simulated PBXes that knows what happened, and a scorecard of what a server made of it.
//!
//! **Ground truth.** A [`World`] is made from a seed: PBXes, each with a [`Profile`] of [`Quirk`]s that are named after
//! where they were reported, desks with a line and a phone, and [`PlannedCall`]s with everything that both ends will do.
//! While it happens each [`Pbx`] notes the [`Deeds`] of both ends: the plan says what has to come out, the deeds say
//! when. Nothing is asked of the server for it.
//!
//! **The fleet.** A [`Pbx`] is a machine without sockets: registrar, customers, phones. It uses the messages and the
//! transactions of `linecard-sip` (a lost datagram is repeated as RFC 3261 has it) but not its dialogs, INVITE sessions
//! and registration: those are what is tested. Whoever drives it, on real sockets or on a simulated network, gives it
//! datagrams, pieces of streams and time.
//!
//! **Mishaps.** On a bad network one PBX of a world restarts and knows nobody, and connections are cut between calls and
//! in the middle of talks ([`Mishap`]). Calls wait for lines that are away; how long that was is judged ([`Absence`]).
//!
//! **What is observed** is the outside contract alone: REST, the events WebSocket as browsers hear it, the WAV files.
//! [`judge`] compares, and the [`Scorecard`] counts interactions right, wrong, missing and double, pops late, lost and
//! ghost, recordings complete, short and missing, and names each call that is not right.
//!
//! **Tolerances.** Two ends and the server do not see a moment at the same time; what is allowed stands in
//! [`Tolerance`]. A call whose customer gives up while the phone is picked up may end either way: what the customer's
//! end was told decides.
//!
//! Deliberately not here: sockets, tasks, HTTP, the clock. They are the server's binary's, in `src/simulate`.

mod chance;
mod judge;
mod mishap;
mod missed;
mod observed;
mod pbx;
mod quirk;
mod scorecard;
mod sound;
mod talk;
mod truth;
mod world;

pub use chance::Chance;
pub use judge::{Tolerance, judge};
pub use mishap::{AWAY_MAX, Absence, Mishap};
pub use observed::{DeskNames, Found, FoundMissed, FoundRecording, Observed, PopFrame};
pub use pbx::{Pbx, PbxOutput, SoundPorts, Wish, password_of};
pub use quirk::{Profile, Quirk};
pub use scorecard::{Finding, Scorecard, Verdict};
pub use sound::{Channel, Listening, Run, SoundError, listen, tone_hz};
pub use talk::{Asks, Handover, Hold, HoldEnd, HoldOffer, Side, Taker, TakerEnd, Talk, Turn};
pub use truth::{Asked, Deeds, Handing};
pub use world::{
    AfterRefusal, Course, Desk, InboundEnd, Mode, Network, OutboundEnd, Party, PlannedCall, World, WorldPlan,
};
