//! Companies with their numbers, and the search by name.

use linecard_calls::{CallId, UtcMillis};
use linecard_store::contacts::{CardSearch, CompanyDraft, CompanyFields, ContactDraft};
use linecard_store::page::PageRequest;
use linecard_store::{Store, StoreError};

use super::support::{
    Ids, NOW, add_company, add_contact, company_draft, contact_draft, fresh_store, internal, public, walk,
    words,
};

async fn named(store: &Store, search: &str) -> Vec<String> {
    let page = store.companies(&words(search), &PageRequest::default()).await.expect("a search");
    assert_eq!(page.total, i64::try_from(page.items.len()).expect("few"), "total of {search:?}");
    let mut names: Vec<_> = page.items.into_iter().map(|company| company.card.name).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_company_reads_back_as_written_with_its_numbers_in_order() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let id = ids.make::<CallId>().to_string();
    let card = CompanyDraft {
        name: "ООО «Ёлка»".to_owned(),
        numbers: vec![public("+79990000000"), internal("700"), public("+78310000000")],
        fields: CompanyFields {
            region: Some("НН".to_owned()),
            industry: Some("лес".to_owned()),
            notes: Some("вход со двора".to_owned()),
            custom: [("инн".to_owned(), serde_json::json!("5250000000"))].into_iter().collect(),
        },
    };
    let added = store.add_company(&id, &card, NOW).await.unwrap();
    assert_eq!((&added.card, added.created_at), (&card, NOW));
    assert_eq!(store.company(&id).await.unwrap(), Some(added.clone()));
    assert_eq!(
        store.companies(&CardSearch::default(), &PageRequest::default()).await.unwrap().items,
        vec![added.clone()]
    );
    let mut card = company_draft("Сосна", &card.numbers);
    card.numbers.reverse();
    let changed = store.change_company(&id, &card, added.version).await.unwrap();
    assert_eq!((&changed.card, changed.created_at), (&card, NOW));
    assert!(changed.version > added.version);
    assert_eq!(store.company(&id).await.unwrap(), Some(changed));
    assert_eq!(store.company(&ids.make::<CallId>().to_string()).await.unwrap(), None);
}

#[tokio::test]
async fn a_stale_version_of_a_company_changes_and_deletes_nothing() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let id = add_company(&store, &mut ids, "Ромашка", &[public("+78310000000")]).await;
    let first = store.company(&id).await.unwrap().unwrap();
    let second = store.change_company(&id, &first.card, first.version).await.unwrap();
    let late = store.change_company(&id, &company_draft("Лютик", &[]), first.version).await;
    assert!(matches!(late, Err(StoreError::Stale)), "{late:?}");
    assert!(matches!(store.delete_company(&id, first.version).await, Err(StoreError::Stale)));
    assert_eq!(store.company(&id).await.unwrap().as_ref(), Some(&second));
    store.delete_company(&id, second.version).await.unwrap();
    assert_eq!(store.company(&id).await.unwrap(), None);
    let gone = store.change_company(&id, &first.card, second.version).await;
    assert!(matches!(gone, Err(StoreError::Stale)), "{gone:?}");
    assert!(matches!(store.delete_company(&id, second.version).await, Err(StoreError::Stale)));
}

#[tokio::test]
async fn a_deleted_company_leaves_its_people_and_takes_its_numbers() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let board = public("+78310000000");
    let id = add_company(&store, &mut ids, "Ромашка", std::slice::from_ref(&board)).await;
    let card = ContactDraft { company_id: Some(id.clone()), ..contact_draft("Пётр", &[]) };
    let peter = add_contact(&store, &mut ids, &card).await;
    assert_eq!(store.candidates(&board, None, NOW).await.unwrap().len(), 1);
    let version = store.company(&id).await.unwrap().unwrap().version;
    store.delete_company(&id, version).await.unwrap();
    assert_eq!(store.contact(peter.id).await.unwrap().unwrap().card, contact_draft("Пётр", &[]));
    assert_eq!(store.candidates(&board, None, NOW).await.unwrap(), []);
}

#[tokio::test]
async fn a_company_is_found_by_the_beginning_of_any_word_without_regard_to_case_or_yo() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    for name in ["Завод Ёлочных игрушек", "Елоховский пекарь", "100% хлопок", "1000 мелочей"]
    {
        add_company(&store, &mut ids, name, &[]).await;
    }
    assert_eq!(named(&store, "ЕЛО").await, ["Елоховский пекарь", "Завод Ёлочных игрушек"]);
    assert_eq!(named(&store, "ёлоч").await, ["Завод Ёлочных игрушек"]);
    assert_eq!(named(&store, "100%").await, ["100% хлопок"]);
    for search in ["%", "_00", "лочных"] {
        assert!(named(&store, search).await.is_empty(), "{search}");
    }
}

#[tokio::test]
async fn companies_are_listed_newest_first_without_gaps_or_repeats() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let mut expected = Vec::new();
    for (name, at_ms) in [("Лес 1", 1), ("Сад", 1), ("Лес 2", 1), ("Лес 3", 2), ("Лес 4", 3)] {
        let (id, at) = (ids.make::<CallId>().to_string(), UtcMillis(NOW.0 + at_ms));
        expected.push(store.add_company(&id, &company_draft(name, &[internal("7")]), at).await.unwrap());
    }
    expected.reverse();
    for limit in [1, 2, 5, 6] {
        let all =
            walk(limit, async |page| store.companies(&CardSearch::default(), page).await.unwrap()).await;
        assert_eq!(all, expected, "pages of {limit}");
        let woods = walk(limit, async |page| store.companies(&words("ЛЕС"), page).await.unwrap()).await;
        let wanted: Vec<_> = expected.iter().filter(|it| it.card.name != "Сад").cloned().collect();
        assert_eq!(woods, wanted, "pages of {limit}");
    }
}
