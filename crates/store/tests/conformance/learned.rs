//! Numbers that the contacts learned: noted in the commit of the card, each once, until they are forgotten.

use linecard_calls::{Direction, Interaction};

use super::support::{
    Ids, NOW, add_company, add_contact, contact_draft, fresh_store, interaction, internal, local, public,
    save, saved,
};

async fn learned(store: &linecard_store::Store) -> Vec<String> {
    store.learned(10).await.expect("a list").into_iter().map(|it| it.number).collect()
}

#[tokio::test]
async fn a_number_is_learned_once_and_with_its_card() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let twice = [public("+79030000001"), public("+79030000001"), internal("105"), local("212-34-56")];
    let contact = add_contact(&store, &mut ids, &contact_draft("Пётр", &twice)).await;
    assert_eq!(learned(&store).await, ["+79030000001", "105"], "what no call is named by is left out");
    store.forget_learned(&store.learned(10).await.unwrap()).await.unwrap();
    assert_eq!(learned(&store).await, [""; 0]);

    let more = contact_draft("Пётр", &[public("+79030000002"), public("+79030000001")]);
    store.change_contact(contact.id, &more, contact.version).await.unwrap();
    assert_eq!(learned(&store).await, ["+79030000002"], "it has the other already");
    store.change_contact(contact.id, &contact_draft("П", &[public("+7903")]), 1).await.unwrap_err();
    assert_eq!(learned(&store).await, ["+79030000002"], "a refused change teaches nothing");
    add_company(&store, &mut ids, "Волга", &[public("+78312000000")]).await;
    assert_eq!(learned(&store).await, ["+79030000002", "+78312000000"]);
    assert_eq!(store.learned(1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_calls_of_a_number_that_nobody_is_known_of_are_found_newest_first() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let first = interaction(&mut ids, NOW);
    let second = interaction(&mut ids, NOW.plus_ms(1));
    let known = Interaction { contact_id: Some(ids.make()), ..interaction(&mut ids, NOW.plus_ms(2)) };
    let other = Interaction { caller_number: Some("+1".to_owned()), ..interaction(&mut ids, NOW.plus_ms(3)) };
    let dialled = Interaction {
        direction: Direction::Outbound,
        caller_number: Some("105".to_owned()),
        callee_number: first.caller_number.clone(),
        ..interaction(&mut ids, NOW.plus_ms(4))
    };
    save(&store, [&first, &second, &known, &other, &dialled].map(|it| saved(it, &[])).into()).await;
    let calls = store.calls_of_nobody("+79030000001", 10).await.unwrap();
    assert_eq!(calls, [dialled.call_id, second.call_id, first.call_id]);
    assert_eq!(store.calls_of_nobody("+79030000001", 1).await.unwrap(), [dialled.call_id]);
    assert_eq!(store.calls_of_nobody("105", 10).await.unwrap(), [], "our own number is nobody's call");
}
