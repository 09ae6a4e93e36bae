//! A customer whose line is cut: no sound, no BYE, no answer. The agent's phone is freed, the call is closed and its
//! recording valid, within a minute at the default of 30 s without sound (here 5 s, to be quicker).

use std::time::{Duration, Instant};

use super::Office;
use super::server::{NUMBER, SOON};
use crate::peers::{Answer, Customer};

const SILENCE: Duration = Duration::from_secs(5);

/// How long the peer's dialog may take to show that it lives, with the second of a look at the legs.
const ASKED: Duration = Duration::from_secs(22);

#[test]
fn a_customer_that_vanishes_frees_the_agent() {
    let office = Office::open_with(Answer::Auto, "[media]\nrtp_timeout_s = 5\n");
    let call = Customer::new(office.pbx.address(), "+78312123456").speaking(440).call(NUMBER);
    call.wait_talking(SOON);
    call.rtp().wait_received(50, SOON);
    call.vanish();
    let gone_at = Instant::now();
    office.phone.wait_closed(SILENCE + ASKED + Duration::from_secs(3));
    let waited = gone_at.elapsed();
    assert!(waited > SILENCE, "not before the silence was long enough: {waited:?}");
    assert!(waited + Duration::from_secs(25) < Duration::from_secs(60), "with 30 s of silence: {waited:?}");

    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "answered", "{interaction}");
    assert_eq!(interaction["hangup_by"], "system", "{interaction}");
    let wav = office.server.closed_recording(&interaction);
    assert!(wav.tone_between(0, 440, 200, 900) > 0.1, "what was said is there");
    wav.is_as_long_as(&interaction);
    office.server.command(&["recording", "verify", "--all"], "");
    office.server.command(&["replay"], "");
}
