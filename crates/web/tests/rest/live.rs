//! Calls that the store does not have yet, or has in an older state.

use axum::http::{Method, StatusCode};
use linecard_calls::{InteractionId, InteractionState, RecordingState, Role};
use linecard_store::ledger::SavedCall;
use serde_json::{Value, json};

use crate::support::{Desk, NOW, add_recorded, ended, pass, request, save};

fn ids(items: &[Value]) -> Vec<String> {
    items.iter().map(|it| it["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_call_that_the_store_lacks_is_shown_explained_and_amended() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    let id = desk.calls(Some(admin.id), "+78312123456");
    let path = format!("/interactions/{id}");
    let listed = desk.get(&admin, "/interactions").await;
    assert_eq!(listed.json()["total"], 1);
    assert_eq!(ids(&listed.items()), [id.to_string()]);
    let shown = desk.get(&admin, &path).await.json();
    assert_eq!(shown, listed.items()[0]);
    assert_eq!((&shown["state"], &shown["caller_number"]), (&json!("live"), &json!("+78312123456")));
    assert_eq!(desk.get(&admin, &format!("{path}/explain")).await.status, StatusCode::OK);
    let patch = request(Method::PATCH, &path, Some(&admin), r#"{"notes": "перезвонить"}"#);
    assert_eq!(desk.send(patch).await.json()["notes"], "перезвонить");
    assert_eq!(desk.get(&admin, &path).await.json()["notes"], "перезвонить");
    let unknown = InteractionId::from_uuid(*admin.id.as_uuid());
    desk.get(&admin, &format!("/interactions/{unknown}")).await.problem(404);
}

#[tokio::test]
async fn a_live_call_is_listed_once_and_as_it_stands_though_the_store_has_it_as_it_was() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    let id = desk.calls(Some(admin.id), "+78312123456");
    let shown = desk.get(&admin, &format!("/interactions/{id}")).await.json();
    let mut stale = ended(&mut desk, None, NOW);
    (stale.id, stale.state, stale.outcome) = (id, InteractionState::Live, None);
    stale.call_id = shown["call_id"].as_str().expect("an id").parse().expect("a call's id");
    stale.caller_number = Some("+79990000000".to_owned());
    save(&desk.store, &[stale]).await;
    let listed = desk.get(&admin, "/interactions").await;
    assert_eq!((listed.items(), &listed.json()["total"]), (vec![shown.clone()], &json!(1)));
    let found = desk.get(&admin, "/interactions?number=%2B78312123456").await;
    assert_eq!((found.items(), &found.json()["total"]), (vec![shown], &json!(1)));
    let found = desk.get(&admin, "/interactions?number=%2B79990000000").await;
    assert_eq!(
        (found.items(), &found.json()["total"]),
        (vec![], &json!(0)),
        "only the old row had this number"
    );
}

#[tokio::test]
async fn live_and_ended_calls_are_one_list_in_pages_of_any_size() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    let mut expected = Vec::new();
    for round in 0..4 {
        expected.push(desk.calls(None, "+78312123456").to_string());
        pass(1_000);
        let past = ended(&mut desk, None, NOW.plus_ms(round * 2_000 + 1_000));
        expected.push(past.id.to_string());
        save(&desk.store, &[past]).await;
        pass(1_000);
    }
    expected.reverse();
    for limit in [1, 2, 3, 8, 9] {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = desk.get(&admin, &format!("/interactions?limit={limit}{cursor}")).await;
            assert_eq!(page.json()["total"], 8, "pages of {limit}");
            all.extend(ids(&page.items()));
            match page.json()["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(all, expected, "pages of {limit}");
    }
}

#[tokio::test]
async fn filters_and_roles_hold_for_calls_that_the_store_lacks() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    let anna = desk.person("anna", Role::Agent).await;
    let boris = desk.person("boris", Role::Agent).await;
    let hers = desk.calls(Some(anna.id), "+78312123456").to_string();
    let his = desk.calls(Some(boris.id), "+79030000001").to_string();
    let cases = [
        (&admin, String::new(), vec![&his, &hers]),
        (&admin, format!("?user_id={}", anna.id), vec![&hers]),
        (&admin, "?number=89030000001".to_owned(), vec![&his]),
        (&admin, "?direction=outbound".to_owned(), vec![]),
        (&admin, "?outcome=answered".to_owned(), vec![]),
        (&admin, "?recorded=true".to_owned(), vec![]),
        (&admin, format!("?until={NOW}"), vec![]),
        (&anna, String::new(), vec![&hers]),
        (&anna, format!("?user_id={}", boris.id), vec![&hers]),
    ];
    for (person, query, wanted) in cases {
        let listed = desk.get(person, &format!("/interactions{query}")).await;
        assert_eq!(ids(&listed.items()).iter().collect::<Vec<_>>(), wanted, "{query}");
        assert_eq!(listed.json()["total"], wanted.len(), "{query}");
    }
    desk.get(&anna, &format!("/interactions/{his}")).await.problem(404);
    desk.get(&anna, &format!("/interactions/{his}/explain")).await.problem(404);
    assert_eq!(desk.get(&anna, &format!("/interactions/{hers}")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn live_calls_are_listed_newest_first_in_pages() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    let mut expected = Vec::new();
    for _ in 0..3 {
        pass(1_000);
        expected.push(desk.calls(None, "+78312123456").to_string());
    }
    expected.reverse();
    let first = desk.get(&admin, "/calls?limit=2").await;
    let next = first.json()["next"].as_str().expect("more").to_owned();
    let second = desk.get(&admin, &format!("/calls?limit=2&cursor={next}")).await;
    assert_eq!((&first.json()["total"], &second.json()["next"]), (&json!(3), &Value::Null));
    let listed = [first.items(), second.items()].concat();
    let listed: Vec<_> = listed.iter().map(|call| call["interaction_id"].as_str().expect("an id")).collect();
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn a_recording_is_as_new_as_its_interaction() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    let (interaction, recording) = add_recorded(&mut desk, &admin, RecordingState::Recording).await;
    let path = format!("/recordings/{recording}");
    assert_eq!(desk.get(&admin, &path).await.json()["state"], "recording");
    let id: InteractionId = interaction.parse().expect("an id");
    let interaction = desk.store.interaction(id).await.expect("a row").expect("an interaction");
    let mut recordings = desk.store.recordings_of(id).await.expect("rows");
    recordings[0].state = RecordingState::Repaired;
    desk.holds(SavedCall { interaction, recordings, settled: true });
    assert_eq!(desk.get(&admin, &path).await.json()["state"], "repaired");
}
