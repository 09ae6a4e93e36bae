//! `/recordings` by everything that is known of the call, and `/recordings/{id}/peaks`: the picture in the player.

use linecard_calls::{ContactId, Outcome, RecordingState};
use serde_json::{Value, json};

use super::clients::id;
use super::server::Server;

const SPELLINGS: [&str; 4] = ["8 (831) 212-34-56", "+7 831 2123456", "8-831-212-34-56", "+78312123456"];

fn ids(items: &[Value]) -> Vec<&Value> {
    items.iter().map(|it| &it["id"]).collect()
}

#[test]
fn a_recording_is_found_by_person_number_contact_outcome_length_and_date() {
    let server = Server::start();
    let admin = server.admin();
    let (maria, olga) = (server.agent(&admin, "maria"), server.agent(&admin, "olga"));
    let contact = id(&admin.create("/contacts", &json!({"name": "Пётр Ёлкин"})));
    let mut evidence = server.evidence();
    let mut of_maria = evidence.call(&maria.id, 0);
    of_maria.contact_id = Some(contact.parse::<ContactId>().expect("an id"));
    let wanted = evidence.record(&mut of_maria, 500);
    evidence.save(&of_maria, vec![wanted.clone()]);
    let mut of_olga = evidence.call(&olga.id, 100);
    of_olga.caller_number = Some("+79219876543".to_owned());
    of_olga.outcome = Some(Outcome::Interrupted);
    let other = evidence.record(&mut of_olga, 2_000);
    evidence.save(&of_olga, vec![other.clone()]);

    let all = admin.items("/recordings");
    assert_eq!(ids(&all), [&json!(other.id), &json!(wanted.id)], "the newest first");
    assert_eq!(all[1]["interaction"], maria.show(&format!("/interactions/{}", of_maria.id)), "with its call");
    for (sort, first) in
        [("newest", &other.id), ("oldest", &wanted.id), ("longest", &other.id), ("shortest", &wanted.id)]
    {
        assert_eq!(admin.items(&format!("/recordings?sort={sort}"))[0]["id"], json!(first), "{sort}");
    }
    let numbers =
        SPELLINGS.map(|number| format!("number={}", number.replace('+', "%2B").replace(' ', "%20")));
    let finds = [
        format!("user_id={}", maria.id),
        format!("contact_id={contact}"),
        "name=%D0%B5%D0%BB%D0%BA".to_owned(),
        "outcome=answered".to_owned(),
        "duration_max_ms=500".to_owned(),
        "until=2025-10-09T08:53:30Z".to_owned(),
    ];
    for query in finds.iter().chain(&numbers) {
        let list = admin.show(&format!("/recordings?{query}"));
        assert_eq!(
            (ids(list["items"].as_array().expect("items")), &list["total"]),
            (vec![&json!(wanted.id)], &json!(1)),
            "{query}"
        );
    }
    for query in
        ["duration_min_ms=501", "from=2025-10-09T08:53:30Z", "outcome=interrupted", "number=89219876543"]
    {
        assert_eq!(ids(&admin.items(&format!("/recordings?{query}"))), [&json!(other.id)], "{query}");
    }
    assert_eq!(admin.items("/recordings?user_id=none"), [] as [Value; 0]);
    assert!(admin.get("/recordings?format=csv&name=%D0%81%D0%BB").text().contains("'+78312123456"));

    let foreign = format!("/recordings?user_id={}", maria.id);
    assert_eq!(ids(&olga.items(&foreign)), [&json!(other.id)], "an agent finds its own whoever it asks for");
    for (query, field) in [
        ("user_id=x", "user_id"),
        ("duration_min_ms=-1", "duration_min_ms"),
        ("duration_max_ms=x", "duration_max_ms"),
        ("from=yesterday", "from"),
        ("outcome=x", "outcome"),
        ("sort=longest;DROP", "sort"),
    ] {
        let refused = admin.get(&format!("/recordings?{query}"));
        assert_eq!((refused.status, &refused.json()["field"]), (422, &json!(field)), "{query}");
    }
}

#[test]
fn the_picture_of_a_recording_has_both_sides_and_is_no_listen() {
    let server = Server::start();
    let admin = server.admin();
    let (maria, olga) = (server.agent(&admin, "maria"), server.agent(&admin, "olga"));
    let mut evidence = server.evidence();
    let mut call = evidence.call(&maria.id, 0);
    let recording = evidence.record(&mut call, 250);
    let unheard = evidence.recording_without_file(&mut call, RecordingState::Recording);
    let failed = evidence.recording_without_file(&mut call, RecordingState::Failed);
    evidence.save(&call, vec![recording.clone(), unheard.clone(), failed.clone()]);

    // Two seconds of the ramp from 0 to 999, upwards on the left and downwards on the right.
    let path = format!("/recordings/{}/peaks", recording.id);
    let drawn = maria.show(&format!("{path}?parts=4"));
    assert_eq!(
        drawn,
        json!({
            "duration_ms": 250,
            "customer": [[0, 499], [500, 999], [0, 499], [500, 999]],
            "agent": [[-499, 0], [-999, -500], [-499, 0], [-999, -500]],
        })
    );
    assert_eq!(maria.show(&path)["customer"].as_array().map(Vec::len), Some(800));
    assert_eq!(server.supervisor(&admin, "anna").get(&path).status, 200);
    assert_eq!(olga.get(&path).status, 404, "another agent's recording does not exist");
    assert_eq!(maria.get(&format!("/recordings/{}/peaks", unheard.id)).status, 409);
    assert_eq!(maria.get(&format!("/recordings/{}/peaks", failed.id)).status, 404);
    for parts in ["0", "2001", "-1", "many"] {
        let refused = maria.get(&format!("{path}?parts={parts}"));
        assert_eq!((refused.status, &refused.json()["field"]), (422, &json!("parts")), "{parts}");
    }
    assert_eq!(admin.items("/audit?action=recording_played"), [] as [Value; 0], "nobody listened");

    let file = server.recording_dir().join(format!("{}.wav", recording.id));
    std::fs::write(&file, b"no recording at all, but long enough to have a header")
        .expect("the file is ours");
    assert_eq!(maria.get(&path).status, 500, "a file of another kind is told, not drawn");
}
