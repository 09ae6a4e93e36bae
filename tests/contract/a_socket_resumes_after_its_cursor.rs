//! Resuming: exactly the frames after the cursor and none twice, or a snapshot; never a mixture.

use serde_json::{Value, json};

use super::clients::{Client, id};
use super::desk::{CALLER, Desk};
use super::server::Server;
use super::socket::{EventSocket, SOON, cursor, rising};
use crate::peers::{SmallPbx, eventually};

/// Opens the socket with the cursor in the URL, as a browser with a cookie does.
fn resumed_by_url(client: &Client, cursor: &str) -> EventSocket {
    let cookie = format!("linecard_session={}", client.token);
    let origin = format!("http://{}", client.http);
    let query = format!("?cursor={}", cursor.replace(':', "%3A"));
    EventSocket::greeted(client.http, &query, &[("Cookie", &cookie), ("Origin", &origin)]).0
}

fn take(socket: &mut EventSocket, count: usize) -> Vec<Value> {
    (0..count).map(|_| socket.frame()).collect()
}

/// A call that is given up, seen by a socket up to its end.
fn one_call(desk: &Desk, socket: &mut EventSocket) -> Vec<Value> {
    let customer = desk.customer_calls(CALLER);
    customer.wait_ringing(SOON);
    let mut frames = socket.until_type("call.ringing");
    customer.give_up();
    frames.extend(socket.until_type("interaction.closed"));
    // The agent is free after that.
    frames
}

#[test]
fn each_way_to_resume_gives_exactly_what_was_missed() {
    let desk = Desk::open();
    let (mut live, snapshot) = EventSocket::logged_in(&desk.admin);
    let mut seen = one_call(&desk, &mut live);
    seen.extend(one_call(&desk, &mut live));
    rising(&seen);
    assert!(seen.len() > 10, "there is something to miss: {}", seen.len());
    assert!(rising(&seen)[0] > snapshot["seq"].as_u64().expect("seq"), "after the snapshot");
    for frame in &seen {
        let (epoch, seq) = (cursor(&snapshot), frame["seq"].to_string());
        let epoch = epoch.split(':').next().expect("an epoch").to_owned();
        assert_eq!(cursor(frame), format!("{epoch}:{seq}"), "{frame}");
    }

    for place in [0, 1, seen.len() / 2, seen.len() - 1] {
        let (from, missed) = (cursor(&seen[place]), &seen[place + 1..]);
        let mut by_auth = EventSocket::resumed(&desk.admin, &from);
        let mut by_url = resumed_by_url(&desk.admin, &from);
        let (mut by_frame, _) = EventSocket::logged_in(&desk.admin);
        by_frame.send(&json!({"type": "resume", "cursor": from}));
        for socket in [&mut by_auth, &mut by_url, &mut by_frame] {
            assert_eq!(take(socket, missed.len()), missed, "after {from}");
        }
        // What comes next is new to all of them, and the same.
        let next = desk.admin.add_line(desk.pbx.address(), &format!("2{place}"), None);
        let new =
            |frame: &Value| frame["type"] == "registration.changed" && frame["data"]["line_id"] == next["id"];
        let expected = live.until(|frame| new(frame) && frame["data"]["state"] == "registered");
        for socket in [&mut by_auth, &mut by_url, &mut by_frame] {
            let heard = socket.until(|frame| new(frame) && frame["data"]["state"] == "registered");
            assert_eq!(heard, expected, "nothing twice, nothing left out");
        }
        seen.extend(expected);
    }
    // Resuming from the last frame gives nothing but what is new.
    let mut at_the_end = EventSocket::resumed(&desk.admin, &cursor(&seen[seen.len() - 1]));
    desk.admin.add_line(desk.pbx.address(), "300", None);
    let first = at_the_end.frame();
    assert_eq!(first["type"], "registration.changed", "{first}");
    assert!(first["seq"].as_u64() > seen[seen.len() - 1]["seq"].as_u64());
}

#[test]
fn a_cursor_that_cannot_be_continued_gets_a_snapshot() {
    let desk = Desk::open();
    let (mut live, snapshot) = EventSocket::logged_in(&desk.admin);
    let seen = one_call(&desk, &mut live);
    let epoch = cursor(&snapshot).split(':').next().expect("an epoch").to_owned();
    let last = seen[seen.len() - 1]["seq"].as_u64().expect("seq");
    for strange in ["another-epoch:1".to_owned(), format!("{epoch}x:1"), format!("{epoch}:{}", last + 1_000)]
    {
        for mut socket in [EventSocket::resumed(&desk.admin, &strange), resumed_by_url(&desk.admin, &strange)]
        {
            let first = socket.frame();
            assert_eq!(first["type"], "snapshot", "{strange}: {first}");
            assert!(first["seq"].as_u64() >= Some(last), "as of now: {first}");
        }
    }
    for malformed in
        ["", "x", ":", "e:", ":1", "e:one", "e:-1", "e:1.5", "e e:1", "e:99999999999999999999999"]
    {
        assert_eq!(EventSocket::resumed(&desk.admin, malformed).closed(SOON), 4004, "{malformed:?}");
    }
}

#[test]
fn a_clean_restart_continues_the_numbering_and_gives_what_was_missed() {
    let mut server = Server::start();
    let pbx = SmallPbx::start();
    let admin = server.admin();
    let (mut live, snapshot) = EventSocket::logged_in(&admin);
    for account in ["101", "102", "103"] {
        admin.add_line(pbx.address(), account, None);
        pbx.wait_registered(account);
    }
    let mut registered = 0;
    let seen = live.until(|frame| {
        registered += usize::from(frame["data"]["state"] == "registered");
        registered == 3
    });
    rising(&seen);
    server.stop();
    server.launch();
    let (_, again) = EventSocket::greeted(server.http, "", &[]);
    let epoch = cursor(&snapshot).split(':').next().expect("an epoch").to_owned();
    assert_eq!(again["epoch"], json!(epoch), "the numbering goes on");

    let mut resumed = EventSocket::resumed(&admin, &cursor(&seen[0]));
    assert_eq!(take(&mut resumed, seen.len() - 1), seen[1..], "what was missed, from the database");
    // Unregistering and registering anew were frames too; no number is used again.
    let later = resumed.until(|frame| frame["data"]["state"] == "registered");
    let all: Vec<Value> = seen.iter().chain(&later).cloned().collect();
    rising(&all);
    let mut from_the_snapshot = EventSocket::resumed(&admin, &cursor(&snapshot));
    assert_eq!(take(&mut from_the_snapshot, seen.len()), seen);
}

#[test]
fn frames_past_their_retention_give_a_snapshot() {
    let mut server = Server::start();
    let pbx = SmallPbx::start();
    let admin = server.admin();
    let (mut live, snapshot) = EventSocket::logged_in(&admin);
    let line = id(&admin.add_line(pbx.address(), "101", None));
    let seen = live.until(|frame| frame["data"]["state"] == "registered");
    server.stop();
    assert!(server.evidence().forget_frames() >= u64::try_from(seen.len()).expect("few"));
    server.launch();
    eventually("the line is registered again", SOON, || {
        let shown = admin.show(&format!("/lines/{line}"));
        (shown["registration"]["state"] == "registered").then_some(())
    });
    for past in [cursor(&snapshot), cursor(&seen[0])] {
        let mut socket = EventSocket::resumed(&admin, &past);
        let first = socket.frame();
        assert_eq!(first["type"], "snapshot", "{past}: {first}");
        assert!(first["seq"].as_u64() > seen[seen.len() - 1]["seq"].as_u64(), "{first}");
        admin.add_line(pbx.address(), "102", None);
        let next = socket.frame();
        assert!(next["seq"].as_u64() > first["seq"].as_u64(), "and then only what is newer: {next}");
    }
}
