//! `/server`: version, database, alarms and the figures that an administrator looks at.

use serde_json::{Value, json};

use super::desk::{CALLER, Desk};
use super::server::Server;
use super::socket::SOON;
use crate::peers::eventually;

const FIGURES: [&str; 11] = [
    "calls_live",
    "lines_registered",
    "lines_trying",
    "lines_failed",
    "signals_spooled",
    "signals_late",
    "recordings_open",
    "recordings_incomplete",
    "rtp_legs",
    "rtp_legs_free",
    "browsers_connected",
];

#[test]
fn a_sound_server_says_what_it_is_and_has_no_alarm() {
    let server = Server::start();
    let shown = server.admin().show("/server");
    assert_eq!(shown["version"], env!("CARGO_PKG_VERSION"), "{shown}");
    assert!(shown["started_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{shown}");
    assert_eq!(shown["database"], json!({"kind": "sqlite", "state": "ready"}));
    assert_eq!((&shown["reactor"], &shown["alarms"]), (&json!("ready"), &json!([])), "{shown}");
    for name in FIGURES {
        assert!(shown["figures"][name].is_u64(), "{name} in {shown}");
    }
}

#[test]
fn a_locked_database_is_an_alarm_until_it_takes_signals_again() {
    let desk = Desk::open();
    desk.pbx.answers();
    let server = || desk.admin.show("/server");
    let lines = eventually("the line is registered", SOON, || {
        Some(server()["figures"].clone()).filter(|figures| figures["lines_registered"] == 1)
    });
    assert_eq!((&lines["calls_live"], &lines["signals_spooled"]), (&json!(0), &json!(0)), "{lines}");
    let evidence = desk.server.evidence();
    let lock = evidence.lock();
    let customer = desk.customer_calls(CALLER);
    customer.wait_talking(SOON);
    let locked: Value = eventually("the alarm stands", SOON, || {
        Some(server()).filter(|shown| shown["alarms"][0]["alarm"] == "database_unavailable")
    });
    assert!(locked["alarms"][0]["since"].is_string() && locked["alarms"][0]["text"].is_string(), "{locked}");
    assert!(locked["figures"]["signals_spooled"].as_u64() > Some(0), "{locked}");
    assert_eq!(locked["figures"]["calls_live"], 1, "{locked}");
    drop(lock);
    eventually("the alarm is over", SOON, || {
        let shown = server();
        (shown["alarms"] == json!([]) && shown["figures"]["signals_spooled"] == 0).then_some(())
    });
    customer.hang_up();
}
