//! `/recordings`: their state, and the WAV with Range (RFC 9110 section 14).

use linecard_calls::RecordingState;
use serde_json::{Value, json};

use super::clients::id;
use super::desk::{CALLER, Desk};
use super::server::Server;
use super::socket::SOON;
use crate::peers::eventually;

#[test]
fn a_finished_recording_is_the_file_whole_or_in_parts() {
    let server = Server::start();
    let admin = server.admin();
    let agent = server.agent(&admin, "maria");
    let mut evidence = server.evidence();
    let mut call = evidence.call(&agent.id, 0);
    let recording = evidence.record(&mut call, 250);
    evidence.save(&call, vec![recording.clone()]);

    let path = format!("/recordings/{}", recording.id);
    let shown = agent.show(&path);
    assert_eq!(shown["state"], "finished");
    assert_eq!(shown["interaction_id"], json!(call.id.to_string()));
    assert_eq!((&shown["duration_ms"], &shown["channels"]), (&json!(250), &json!(2)));
    assert_eq!((&shown["sample_rate_hz"], &shown["sha256"]), (&json!(8_000), &json!(recording.sha256)));
    assert!(!shown.to_string().contains(".wav"), "no path leaves the server: {shown}");

    let file = std::fs::read(server.recording_dir().join(format!("{}.wav", recording.id))).expect("the file");
    let media = format!("{path}/media");
    let whole = agent.get(&media);
    assert_eq!((whole.status, &whole.body), (200, &file));
    assert_eq!(whole.header("Content-Type"), Some("audio/wav"));
    assert_eq!(whole.header("Accept-Ranges"), Some("bytes"));
    let length = file.len();
    let ranged = |range: &str| agent.send("GET", &media, "", &format!("Range: {range}\r\n"));
    let parts = [
        ("bytes=0-43".to_owned(), 0, 43),
        ("bytes=44-".to_owned(), 44, length - 1),
        ("bytes=-100".to_owned(), length - 100, length - 1),
        (format!("bytes={}-{}", length - 1, length + 99), length - 1, length - 1),
    ];
    for (range, first, last) in parts {
        let part = ranged(&range);
        assert_eq!(part.status, 206, "{range}: {}", part.text());
        assert_eq!(part.body, file[first..=last], "{range}");
        let place = format!("bytes {first}-{last}/{length}");
        assert_eq!(part.header("Content-Range"), Some(place.as_str()), "{range}");
    }
    let beyond = ranged(&format!("bytes={length}-"));
    assert_eq!(beyond.status, 416, "{}", beyond.text());
    assert_eq!(beyond.header("Content-Range"), Some(format!("bytes */{length}").as_str()));
    for senseless in ["bytes=9-5", "items=0-1", "bytes=a-b"] {
        assert_eq!((ranged(senseless).status, ranged(senseless).body.len()), (200, length), "{senseless}");
    }
}

#[test]
fn a_recording_without_a_file_says_why() {
    let server = Server::start();
    let admin = server.admin();
    let agent = server.agent(&admin, "maria");
    let mut evidence = server.evidence();
    let cases = [
        (RecordingState::Recording, 409),
        (RecordingState::Failed, 404),
        (RecordingState::Finished, 404),
        (RecordingState::Truncated, 404),
    ];
    for (state, status) in cases {
        let mut call = evidence.call(&agent.id, 0);
        let recording = evidence.recording_without_file(&mut call, state);
        evidence.save(&call, vec![recording.clone()]);
        let path = format!("/recordings/{}", recording.id);
        assert_eq!(agent.get(&path).status, 200, "{state:?}");
        let media = agent.get(&format!("{path}/media"));
        assert_eq!(media.status, status, "{state:?}: {}", media.text());
        assert_eq!(media.header("Content-Type"), Some("application/problem+json"), "{state:?}");
    }
}

#[test]
fn another_agents_recording_does_not_exist() {
    let server = Server::start();
    let admin = server.admin();
    let (maria, olga) = (server.agent(&admin, "maria"), server.agent(&admin, "olga"));
    let supervisor = server.supervisor(&admin, "anna");
    let mut evidence = server.evidence();
    let mut call = evidence.call(&maria.id, 0);
    let recording = evidence.record(&mut call, 20);
    evidence.save(&call, vec![recording.clone()]);
    let path = format!("/recordings/{}", recording.id);
    for path in [path.clone(), format!("{path}/media")] {
        assert_eq!(maria.get(&path).status, 200, "{path}");
        assert_eq!(supervisor.get(&path).status, 200, "{path}");
        assert_eq!(olga.get(&path).status, 404, "{path}");
    }
    assert_eq!(maria.show("/recordings")["total"], 1);
    assert_eq!(olga.show("/recordings"), json!({"items": [], "total": 0, "next": null}));
    for name in ["..%2F..%2Fdata%2Flinecard.db", "..", "%00", "x", "01900000-0000-7000-8000-000000000000"] {
        let reply = admin.get(&format!("/recordings/{name}/media"));
        assert!([400, 404, 422].contains(&reply.status), "{name}: {} {}", reply.status, reply.text());
    }
}

#[test]
fn a_talk_under_way_is_shown_as_recording_and_not_played() {
    let desk = Desk::open();
    desk.pbx.answers();
    let customer = desk.customer_calls(CALLER);
    customer.wait_talking(SOON);
    let live =
        eventually("the recording has begun", SOON, || desk.agent.items("/recordings").into_iter().next());
    assert_eq!((&live["state"], &live["duration_ms"]), (&json!("recording"), &Value::Null), "{live}");
    let media = format!("/recordings/{}/media", id(&live));
    let refused = desk.agent.get(&media);
    assert_eq!(refused.status, 409, "{}", refused.text());
    customer.hang_up();
    eventually("it can be played", SOON, || (desk.agent.get(&media).status == 200).then_some(()));
    let finished = desk.agent.show(&format!("/recordings/{}", id(&live)));
    assert_eq!(finished["state"], "finished", "{finished}");
    assert!(finished["sha256"].as_str().is_some_and(|sum| sum.len() == 64), "{finished}");
}
