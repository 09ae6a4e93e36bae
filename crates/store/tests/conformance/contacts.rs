//! Contacts with their numbers, and the search by name.

use linecard_calls::{ContactId, UserId, UtcMillis};
use linecard_crm::Number;
use linecard_store::contacts::{ContactDraft, ContactFields, ContactFilter};
use linecard_store::page::PageRequest;
use linecard_store::{Store, StoreError};

use super::support::{
    Ids, NOW, add_company, add_contact, add_user, contact_draft, fresh_store, internal, local, public, walk,
    words,
};

fn called(name: &str) -> ContactFilter {
    ContactFilter { search: words(name), ..ContactFilter::default() }
}

async fn named(store: &Store, search: &str) -> Vec<String> {
    let page = store.contacts(&called(search), &PageRequest::default()).await.expect("a search");
    assert_eq!(page.total, i64::try_from(page.items.len()).expect("few"), "total of {search:?}");
    let mut names: Vec<_> = page.items.into_iter().map(|contact| contact.card.name).collect();
    names.sort();
    names
}

async fn add_named(store: &Store, ids: &mut Ids, names: &[&str]) {
    for name in names {
        add_contact(store, ids, &contact_draft(name, &[])).await;
    }
}

/// Numbers in an order that neither their text nor their kind would give.
fn unsorted_numbers() -> [Number; 4] {
    let mobile = Number { label: Some("мобильный".to_owned()), ..public("+79030000009") };
    let desk = Number { extension: Some("12".to_owned()), ..public("+78312123456") };
    [mobile, internal("105"), desk, local("212-34-57")]
}

#[tokio::test]
async fn a_contact_reads_back_as_written_with_its_numbers_in_order() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let anna = add_user(&store, &mut ids, "anna").await;
    let company = add_company(&store, &mut ids, "Ромашка", &[]).await;
    let custom = [("скидка".to_owned(), serde_json::json!({"процент": 5.5, "до": null}))];
    let card = ContactDraft {
        name: "Пётр О'Нил \"второй\"".to_owned(),
        company_id: Some(company),
        responsible_id: Some(anna.id),
        numbers: unsorted_numbers().to_vec(),
        fields: ContactFields {
            emails: vec!["b@example.org".to_owned(), "a@example.org".to_owned()],
            source: Some("выставка".to_owned()),
            region: Some("НН".to_owned()),
            industry: Some("лес".to_owned()),
            notes: Some("строка\nещё".to_owned()),
            custom: custom.into_iter().collect(),
        },
    };
    let added = add_contact(&store, &mut ids, &card).await;
    assert_eq!((&added.card, added.created_at), (&card, NOW));
    assert_eq!(store.contact(added.id).await.unwrap(), Some(added.clone()));
    let page = store.contacts(&ContactFilter::default(), &PageRequest::default()).await.unwrap();
    assert_eq!(page.items, [added]);
    assert_eq!(store.contact(ids.make()).await.unwrap(), None);
}

#[tokio::test]
async fn a_change_replaces_every_field_and_all_numbers() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let first = add_contact(&store, &mut ids, &contact_draft("Пётр", &unsorted_numbers())).await;
    let mut numbers = unsorted_numbers().to_vec();
    numbers.reverse();
    numbers.truncate(2);
    let card = contact_draft("Павел", &numbers);
    let second = store.change_contact(first.id, &card, first.version).await.unwrap();
    assert_eq!((&second.card, second.created_at), (&card, NOW));
    assert!(second.version > first.version);
    assert_eq!(store.contact(first.id).await.unwrap(), Some(second));
    assert_eq!(named(&store, "пав").await, ["Павел"]);
    assert!(named(&store, "пет").await.is_empty());
}

#[tokio::test]
async fn a_stale_version_of_a_contact_changes_and_deletes_nothing() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let first = add_contact(&store, &mut ids, &contact_draft("Пётр", &unsorted_numbers())).await;
    let second = store.change_contact(first.id, &first.card, first.version).await.unwrap();
    let late = store.change_contact(first.id, &contact_draft("Павел", &[]), first.version).await;
    assert!(matches!(late, Err(StoreError::Stale)), "{late:?}");
    assert!(matches!(store.delete_contact(first.id, first.version).await, Err(StoreError::Stale)));
    assert_eq!(store.contact(first.id).await.unwrap().as_ref(), Some(&second));
    store.delete_contact(first.id, second.version).await.unwrap();
    assert_eq!(store.contact(first.id).await.unwrap(), None);
    let gone = store.change_contact(first.id, &first.card, second.version).await;
    assert!(matches!(gone, Err(StoreError::Stale)), "{gone:?}");
    assert!(matches!(store.delete_contact(first.id, second.version).await, Err(StoreError::Stale)));
}

#[tokio::test]
async fn a_company_or_a_responsible_user_that_does_not_exist_is_refused() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let sound = add_contact(&store, &mut ids, &contact_draft("Пётр", &unsorted_numbers())).await;
    let company =
        ContactDraft { company_id: Some(ids.make::<UserId>().to_string()), ..contact_draft("X", &[]) };
    let user = ContactDraft { responsible_id: Some(ids.make()), ..contact_draft("X", &[]) };
    for (card, blamed) in [(company, "company_id"), (user, "responsible_id")] {
        let id: ContactId = ids.make();
        let added = store.add_contact(id, &card, NOW).await;
        assert!(matches!(added, Err(StoreError::Dangling { field }) if field == blamed), "{added:?}");
        assert_eq!(store.contact(id).await.unwrap(), None);
        let changed = store.change_contact(sound.id, &card, sound.version).await;
        assert!(matches!(changed, Err(StoreError::Dangling { field }) if field == blamed), "{changed:?}");
        assert_eq!(store.contact(sound.id).await.unwrap().as_ref(), Some(&sound));
    }
}

#[tokio::test]
async fn a_name_is_found_by_the_beginning_of_any_word_without_regard_to_case_or_yo() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    add_named(&store, &mut ids, &["Пётр Ёлкин", "Елена Петрова", "Иван Копетров", "Peter Smith"]).await;
    for search in ["пёт", "ПЕТ", "Пет", "пЁт"] {
        assert_eq!(named(&store, search).await, ["Елена Петрова", "Пётр Ёлкин"], "{search}");
    }
    for search in ["Ёлк", "елк", "петр ёл", "  ПЁТР   Ел "] {
        assert_eq!(named(&store, search).await, ["Пётр Ёлкин"], "{search}");
    }
    assert_eq!(named(&store, "SMI").await, ["Peter Smith"]);
    for search in ["лкин", "ёлкин пётр", "нет такого"] {
        assert!(named(&store, search).await.is_empty(), "{search}");
    }
}

#[tokio::test]
async fn a_blank_search_finds_everybody() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    add_named(&store, &mut ids, &["Анна", "Boris"]).await;
    for search in ["", "  "] {
        assert_eq!(named(&store, search).await, ["Boris", "Анна"], "{search:?}");
    }
}

#[tokio::test]
async fn wildcards_in_a_search_are_letters_like_any_other() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    add_named(&store, &mut ids, &["50% скидка", "5000 мелочей", "a_b", "acb", "d!e", "de", "x\\y", "xy"])
        .await;
    for (search, found) in [("50%", "50% скидка"), ("a_", "a_b"), ("d!", "d!e"), ("x\\", "x\\y")] {
        assert_eq!(named(&store, search).await, [found], "{search}");
    }
    for search in ["%", "_", "!", "\\", "%б", "' OR 1=1 --"] {
        assert!(named(&store, search).await.is_empty(), "{search}");
    }
}

#[tokio::test]
async fn contacts_are_listed_newest_first_without_gaps_or_repeats() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let mut expected: Vec<ContactId> = Vec::new();
    for (name, at_ms) in [("Пётр 1", 1), ("Анна", 1), ("Пётр 2", 1), ("Пётр 3", 2), ("Пётр 4", 3)]
    {
        let at = UtcMillis(NOW.0 + at_ms);
        let card = contact_draft(name, &unsorted_numbers());
        expected.push(store.add_contact(ids.make(), &card, at).await.unwrap().id);
    }
    expected.reverse();
    let anna = expected[3];
    for limit in [1, 2, 5, 6] {
        let all =
            walk(limit, async |page| store.contacts(&ContactFilter::default(), page).await.unwrap()).await;
        assert_eq!(all.iter().map(|it| it.id).collect::<Vec<_>>(), expected, "pages of {limit}");
        assert!(all.iter().all(|contact| contact.card.numbers == unsorted_numbers()));
        let peters = walk(limit, async |page| store.contacts(&called("петр"), page).await.unwrap()).await;
        let wanted: Vec<_> = expected.iter().copied().filter(|id| *id != anna).collect();
        assert_eq!(peters.iter().map(|it| it.id).collect::<Vec<_>>(), wanted, "pages of {limit}");
    }
}

#[tokio::test]
async fn a_nul_in_a_text_becomes_the_mark_of_an_unreadable_sign() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let mut card =
        contact_draft("Пё\0тр", &[Number { label: Some("\0".to_owned()), ..public("+79030000001") }]);
    card.fields.notes = Some("за\0мечание".to_owned());
    let contact = add_contact(&store, &mut ids, &card).await;
    assert_eq!(contact.card.name, "Пё\u{fffd}тр");
    assert_eq!(contact.card.numbers[0].label.as_deref(), Some("\u{fffd}"));
    assert_eq!(contact.card.fields.notes, card.fields.notes, "JSON has a way to write it");
    assert_eq!(store.contact(contact.id).await.unwrap(), Some(contact));
    assert_eq!(
        store.contacts(&called("\0"), &PageRequest::default()).await.unwrap().total,
        1,
        "as without it"
    );
    assert_eq!(store.log_in("an\0na", "right").await.unwrap(), None);
}
