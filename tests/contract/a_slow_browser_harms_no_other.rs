//! A browser that stops reading is cut off (4008, or the connection breaks), what waits for it is bounded, and the others
//! hear everything at once meanwhile.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::clients::id;
use super::server::Server;
use super::socket::{EventSocket, Heard, SOON, rising};
use crate::peers::SmallPbx;

/// More than the system buffers for one connection, when each is answered with every frame there is.
const RESUMES: usize = 2_000;

/// The server gives one frame 10 s to leave.
const STUCK_FOR: Duration = Duration::from_secs(12);

#[test]
fn a_browser_that_stops_reading_is_cut_off_and_the_others_hear_everything() {
    let server = Server::start();
    let pbx = SmallPbx::start();
    let admin = server.admin();
    let line = format!("/lines/{}", id(&admin.add_line(pbx.address(), "100", None)));
    pbx.wait_registered("100");
    let (mut healthy, snapshot) = EventSocket::logged_in(&admin);
    let registered = |frame: &Value| frame["data"]["state"] == "registered";
    let mut frames = Vec::new();
    for _ in 0..20 {
        admin.change(&line, &json!({"caller_id": "1"}));
        frames.extend(healthy.until(registered));
    }

    let mut stuck = EventSocket::narrow(&admin);
    let resume = json!({"type": "resume", "cursor": snapshot["cursor"]});
    let asked = (0..RESUMES).take_while(|_| stuck.offer(&resume)).count();
    let begun = Instant::now();
    while begun.elapsed() < STUCK_FOR {
        let changed_at = Instant::now();
        admin.change(&line, &json!({"caller_id": "2"}));
        frames.extend(healthy.until(registered));
        let took = changed_at.elapsed();
        assert!(took < Duration::from_secs(2), "a healthy browser waited {took:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    rising(&frames);
    let newest = frames[frames.len() - 1]["seq"].as_u64();

    let mut got = 0;
    let code = loop {
        match stuck.hear(SOON) {
            Heard::Frame(_) => got += 1,
            Heard::Closed(code) => break code,
            Heard::Nothing => panic!("it is still open after {got} frames"),
        }
    };
    assert!([1006, 4008].contains(&code), "{code}");
    assert!(
        got < asked * 20,
        "of {asked} answers to come only what the system buffers was sent: {got} frames"
    );
    let mut back = EventSocket::resumed(&admin, snapshot["cursor"].as_str().expect("a cursor"));
    let resumed = back.until(|frame| frame["seq"].as_u64() == newest);
    assert_eq!(resumed, frames, "it comes back and has missed nothing");
}
