//! Story 6: the PBX is killed and comes back with an empty table. The call in progress goes on, and the line is registered
//! again within 30 s.

use std::time::{Duration, Instant};

use super::Office;
use super::server::{NUMBER, SOON};
use crate::peers::{Answer, Customer};

#[test]
fn a_call_outlives_the_pbx_and_the_line_comes_back_within_30_s() {
    let mut office = Office::open(Answer::Auto);
    let call = Customer::new(office.pbx.address(), b"+78312123456").speaking(440).call(NUMBER);
    call.wait_talking(SOON);
    call.rtp().wait_received(50, SOON);

    office.pbx.kill();
    let heard = call.rtp().received_count();
    call.rtp().wait_received(heard + 150, Duration::from_secs(5));
    office.pbx.restart_empty();
    let back_at = Instant::now();
    office.pbx.wait_registered("100", 1, Duration::from_secs(30));
    assert!(back_at.elapsed() < Duration::from_secs(30), "registered after {:?}", back_at.elapsed());

    let heard = call.rtp().received_count();
    call.rtp().wait_received(heard + 50, Duration::from_secs(3));
    call.hang_up();
    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "answered", "{interaction}");
    assert_eq!(interaction["hangup_by"], "caller", "{interaction}");
    assert!(interaction["talk_ms"].as_i64().expect("talk_ms") > 4_000, "{interaction}");
}
