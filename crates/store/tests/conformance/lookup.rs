//! Who a number may belong to.

use std::collections::BTreeSet;

use linecard_calls::{Candidate, ContactId, Level, Outcome, UserId, settled_contact};
use linecard_crm::Number;
use linecard_store::Store;
use linecard_store::contacts::ContactDraft;

use super::support::{
    DAY_MS, Ids, NOW, add_company, add_contact, add_user, contact_draft, fresh_store, interaction, internal,
    local, public, save, saved,
};

const BOARD: &str = "+78312123456";

async fn who(store: &Store, number: &Number) -> Vec<Candidate> {
    store.candidates(number, None, NOW).await.expect("a look-up")
}

fn ids_of(candidates: &[Candidate]) -> Vec<ContactId> {
    candidates.iter().map(|it| it.contact.id.parse().expect("an id")).collect()
}

async fn add_holder(store: &Store, ids: &mut Ids, name: &str, number: Number) -> ContactId {
    add_contact(store, ids, &contact_draft(name, &[number])).await.id
}

/// Adds four people of one company, each with these numbers of their own.
async fn add_four(store: &Store, ids: &mut Ids, company: &str, numbers: &[Number]) -> BTreeSet<ContactId> {
    let mut people = BTreeSet::new();
    for name in ["Анна", "Борис", "Вера", "Глеб"] {
        let card = ContactDraft { company_id: Some(company.to_owned()), ..contact_draft(name, numbers) };
        people.insert(add_contact(store, ids, &card).await.id);
    }
    people
}

/// Checks that all of `people` stand there at the same level with the same score, and that nobody is taken for the caller.
fn assert_equals(found: &[Candidate], people: &BTreeSet<ContactId>, level: Level) {
    assert_eq!(ids_of(found).into_iter().collect::<BTreeSet<_>>(), *people);
    assert_eq!(found.len(), people.len());
    let standings: BTreeSet<_> = found.iter().map(|it| (it.level, it.score)).collect();
    assert_eq!(standings.len(), 1, "{standings:?}");
    assert!(found.iter().all(|it| it.level == level), "{standings:?}");
    assert_eq!(settled_contact(found), None);
}

#[tokio::test]
async fn the_only_holder_of_a_number_is_exact() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let anna = add_user(&store, &mut ids, "anna").await;
    let company = add_company(&store, &mut ids, "Ромашка", &[]).await;
    let card = ContactDraft {
        company_id: Some(company),
        responsible_id: Some(anna.id),
        ..contact_draft("Пётр", &[internal("900"), public("+79030000001")])
    };
    let peter = add_contact(&store, &mut ids, &card).await.id;
    add_holder(&store, &mut ids, "Павел", public("+79030000002")).await;
    let found = who(&store, &public("+79030000001")).await;
    assert_eq!(ids_of(&found), [peter]);
    assert_eq!(found[0].level, Level::Exact);
    assert_eq!(found[0].contact.name, "Пётр");
    assert_eq!(found[0].contact.company_name.as_deref(), Some("Ромашка"));
    assert_eq!(found[0].contact.responsible_id, Some(anna.id.to_string()));
    assert_eq!(settled_contact(&found), Some(peter));
}

#[tokio::test]
async fn an_internal_number_is_found_as_an_extension_and_never_behind_a_public_one() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    // More of them than one search reads, and before the one that counts.
    let behind = vec![Number { extension: Some("105".to_owned()), ..public(BOARD) }; 250];
    add_contact(&store, &mut ids, &contact_draft("Павел", &behind)).await;
    let peter = add_holder(&store, &mut ids, "Пётр", internal("105")).await;
    let found = who(&store, &internal("105")).await;
    assert_eq!(ids_of(&found), [peter]);
    assert_eq!(found[0].level, Level::Extension);
    assert_eq!(settled_contact(&found), Some(peter));
    assert_eq!(who(&store, &internal("10")).await, []);
}

#[tokio::test]
async fn a_companys_number_gives_all_its_four_people_as_equals() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let company = add_company(&store, &mut ids, "Ромашка", &[public(BOARD)]).await;
    let people = add_four(&store, &mut ids, &company, &[]).await;
    add_holder(&store, &mut ids, "Чужой", public("+79030000001")).await;
    assert_equals(&who(&store, &public(BOARD)).await, &people, Level::Company);
}

#[tokio::test]
async fn a_switchboard_written_at_each_of_four_people_gives_four_equals() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let company = add_company(&store, &mut ids, "Ромашка", &[]).await;
    let people = add_four(&store, &mut ids, &company, &[public(BOARD)]).await;
    assert_equals(&who(&store, &public(BOARD)).await, &people, Level::Company);
}

#[tokio::test]
async fn a_companys_number_without_people_gives_nobody() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    add_company(&store, &mut ids, "Ромашка", &[public(BOARD)]).await;
    assert_eq!(who(&store, &public(BOARD)).await, []);
}

#[tokio::test]
async fn a_number_that_strangers_share_never_gives_just_the_first() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let mut holders = BTreeSet::new();
    for name in ["Муж", "Жена", "Сын"] {
        holders.insert(add_holder(&store, &mut ids, name, public(BOARD)).await);
    }
    assert_equals(&who(&store, &public(BOARD)).await, &holders, Level::Exact);
    let mut colleagues = BTreeSet::new();
    for name in ["Один", "Другой"] {
        colleagues.insert(add_holder(&store, &mut ids, name, internal("105")).await);
    }
    assert_equals(&who(&store, &internal("105")).await, &colleagues, Level::Extension);
}

#[tokio::test]
async fn the_extension_behind_a_switchboard_tells_its_people_apart() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let behind = |extension: &str| Number { extension: Some(extension.to_owned()), ..public(BOARD) };
    let peter = add_holder(&store, &mut ids, "Пётр", behind("12")).await;
    let paul = add_holder(&store, &mut ids, "Павел", behind("13")).await;
    let found = who(&store, &behind("13")).await;
    assert_eq!(ids_of(&found), [paul, peter]);
    assert_eq!(settled_contact(&found), Some(paul));
    assert_equals(&who(&store, &public(BOARD)).await, &BTreeSet::from([peter, paul]), Level::Company);
}

#[tokio::test]
async fn the_last_digits_are_found_whichever_side_lacks_the_code() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let whole = add_holder(&store, &mut ids, "Целый", public(BOARD)).await;
    let found = who(&store, &local("2123456")).await;
    assert_eq!(ids_of(&found), [whole]);
    assert_eq!((found[0].level, settled_contact(&found)), (Level::Suffix, None));

    let short = add_holder(&store, &mut ids, "Короткий", local("777-65-43")).await;
    let found = who(&store, &public("+78317776543")).await;
    assert_eq!(ids_of(&found), [short]);
    assert_eq!((found[0].level, settled_contact(&found)), (Level::Suffix, None));
}

#[tokio::test]
async fn last_digits_are_asked_only_when_nobody_has_the_whole_number() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let whole = add_holder(&store, &mut ids, "Целый", public(BOARD)).await;
    add_holder(&store, &mut ids, "Короткий", local("2123456")).await;
    assert_eq!(ids_of(&who(&store, &public(BOARD)).await), [whole]);
}

#[tokio::test]
async fn an_unknown_number_gives_nobody() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    add_holder(&store, &mut ids, "Пётр", public(BOARD)).await;
    add_holder(&store, &mut ids, "Павел", local("anonymous")).await;
    for number in [
        public("+79999999999"),
        public("+74952123456"),
        internal("106"),
        local("9123456"),
        local("23456"),
        local(""),
        local("anonymous"),
        local("%"),
        local("1234567890123456"),
    ] {
        assert_eq!(who(&store, &number).await, [], "{number:?}");
    }
}

#[tokio::test]
async fn the_responsible_users_own_contact_comes_first() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let (anna, boris) = (add_user(&store, &mut ids, "anna").await, add_user(&store, &mut ids, "boris").await);
    let of = |user: UserId, name| ContactDraft {
        responsible_id: Some(user),
        ..contact_draft(name, &[public(BOARD)])
    };
    let hers = add_contact(&store, &mut ids, &of(anna.id, "Один")).await.id;
    let his = add_contact(&store, &mut ids, &of(boris.id, "Другой")).await.id;
    for (user, order) in [(anna.id, [hers, his]), (boris.id, [his, hers])] {
        let found = store.candidates(&public(BOARD), Some(user), NOW).await.unwrap();
        assert_eq!(ids_of(&found), order);
        assert!(found[0].score > found[1].score);
        assert_eq!(settled_contact(&found), None);
    }
}

#[tokio::test]
async fn only_a_recent_talk_brings_a_contact_forward() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let mut holders = Vec::new();
    for name in ["А", "Б", "В"] {
        holders.push(add_holder(&store, &mut ids, name, public(BOARD)).await);
    }
    let mut saves = Vec::new();
    for (contact, days, outcome) in [
        (holders[0], 1, Outcome::Abandoned),
        (holders[1], 40, Outcome::Answered),
        (holders[2], 50, Outcome::Answered),
        (holders[2], 2, Outcome::Answered),
    ] {
        let mut past = interaction(&mut ids, NOW.plus_ms(-days * DAY_MS));
        past.contact_id = Some(contact);
        past.outcome = Some(outcome);
        saves.push(saved(&past, &[]));
    }
    save(&store, saves).await;
    let found = who(&store, &public(BOARD)).await;
    assert_eq!(ids_of(&found), [holders[2], holders[0], holders[1]]);
    assert!(found[0].score > found[1].score);
    assert_eq!(found[1].score, found[2].score, "a missed call and an old talk say nothing");
}

#[tokio::test]
async fn a_changed_or_deleted_contact_is_found_by_what_it_has_now() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let first = add_contact(&store, &mut ids, &contact_draft("Пётр", &[public(BOARD)])).await;
    let moved = contact_draft("Пётр", &[public("+79030000001")]);
    let second = store.change_contact(first.id, &moved, first.version).await.unwrap();
    assert_eq!(who(&store, &public(BOARD)).await, []);
    assert_eq!(ids_of(&who(&store, &public("+79030000001")).await), [first.id]);
    store.delete_contact(first.id, second.version).await.unwrap();
    assert_eq!(who(&store, &public("+79030000001")).await, []);
}
