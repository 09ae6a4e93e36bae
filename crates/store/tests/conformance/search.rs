//! Contacts and companies found by a number of which a part is typed, by whose they are, and listed by name.

use linecard_crm::{DialPlan, Number};
use linecard_store::Store;
use linecard_store::contacts::{CardOrder, CardSearch, ContactFilter};
use linecard_store::page::{Cursor, Key, PageRequest};

use super::support::{
    Ids, NOW, add_company, add_contact, add_user, contact_draft, fresh_store, internal, local, public, walk,
    words,
};

/// What is typed, as REST reads it.
fn typed(text: &str) -> CardSearch {
    CardSearch { number: DialPlan::default().search(text), ..words(text) }
}

async fn contacts(store: &Store, search: CardSearch) -> Vec<String> {
    let filter = ContactFilter { search, ..ContactFilter::default() };
    let page = store.contacts(&filter, &PageRequest::default()).await.expect("a search");
    assert_eq!(page.total, i64::try_from(page.items.len()).expect("few"));
    let mut names: Vec<String> = page.items.into_iter().map(|contact| contact.card.name).collect();
    names.sort();
    names
}

async fn companies(store: &Store, search: CardSearch) -> Vec<String> {
    let page = store.companies(&search, &PageRequest::default()).await.expect("a search");
    page.items.into_iter().map(|company| company.card.name).collect()
}

#[tokio::test]
async fn a_number_is_found_by_its_beginning_and_its_last_digits_in_any_spelling() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let desk = Number { extension: Some("12".to_owned()), ..public("+78312123456") };
    add_contact(&store, &mut ids, &contact_draft("Пётр", &[internal("105"), desk])).await;
    add_contact(&store, &mut ids, &contact_draft("Anna", &[public("+442071838750")])).await;
    add_contact(&store, &mut ids, &contact_draft("Местный", &[local("212-34-57")])).await;
    for search in [
        "+7 831 212-34-56",
        "8 (831) 212-34-56",
        "88312123456",
        "81078312123456",
        "8 (831) 21",
        "+7831",
        "831 212",
        "8 831 212-34-5",
        "3456",
        "12-34-56",
        "105",
        "доб. 12",
        "12",
    ] {
        assert_eq!(contacts(&store, typed(search)).await, ["Пётр"], "{search}");
    }
    for search in ["+44 20 7183", "81044207183", "442071838750", "8750"] {
        assert_eq!(contacts(&store, typed(search)).await, ["Anna"], "{search}");
    }
    assert_eq!(contacts(&store, typed("3457")).await, ["Местный"], "a number of no plan by its last digits");
    for search in ["+7832", "8 832 21", "3455", "106", "1", "345"] {
        assert_eq!(contacts(&store, typed(search)).await, Vec::<String>::new(), "{search}");
    }
}

#[tokio::test]
async fn digits_find_names_that_begin_with_them_too() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    add_contact(&store, &mut ids, &contact_draft("585 Золотой", &[])).await;
    add_contact(&store, &mut ids, &contact_draft("Магазин 585", &[internal("58")])).await;
    add_contact(&store, &mut ids, &contact_draft("5860", &[])).await;
    assert_eq!(contacts(&store, typed("585")).await, ["585 Золотой"]);
    assert_eq!(contacts(&store, typed("58")).await, ["585 Золотой", "5860", "Магазин 585"]);
}

#[tokio::test]
async fn a_companys_number_finds_the_company_and_its_people() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let volga = add_company(&store, &mut ids, "Волга", &[public("+78312123456")]).await;
    add_company(&store, &mut ids, "Ока", &[public("+74950000000")]).await;
    let mut card = contact_draft("Мария", &[public("+79030000001")]);
    card.company_id = Some(volga);
    add_contact(&store, &mut ids, &card).await;
    add_contact(&store, &mut ids, &contact_draft("Чужой", &[])).await;
    assert_eq!(companies(&store, typed("8 831 212-34-56")).await, ["Волга"]);
    assert_eq!(contacts(&store, typed("8 831 212-34-56")).await, ["Мария"]);
    assert_eq!(companies(&store, typed("89030000001")).await, Vec::<String>::new(), "a person's number");
}

#[tokio::test]
async fn contacts_are_narrowed_to_a_company_and_to_who_is_responsible() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let user = add_user(&store, &mut ids, "anna").await.id;
    let volga = add_company(&store, &mut ids, "Волга", &[]).await;
    let mut card = contact_draft("Мария", &[]);
    card.responsible_id = Some(user);
    add_contact(&store, &mut ids, &card).await;
    card.name = "Марк".to_owned();
    card.company_id = Some(volga.clone());
    let mark = add_contact(&store, &mut ids, &card).await;
    assert_eq!(mark.company_name.as_deref(), Some("Волга"));
    card.name = "Олег".to_owned();
    card.responsible_id = None;
    add_contact(&store, &mut ids, &card).await;
    let names = async |filter: ContactFilter| {
        let page = store.contacts(&filter, &PageRequest::default()).await.expect("a list");
        page.items.into_iter().map(|contact| contact.card.name).collect::<Vec<_>>()
    };
    let of_volga = ContactFilter { company_id: Some(volga.clone()), ..ContactFilter::default() };
    assert_eq!(names(of_volga.clone()).await, ["Олег", "Марк"]);
    assert_eq!(names(ContactFilter { responsible_id: Some(user), ..of_volga }).await, ["Марк"]);
    let mine = ContactFilter { responsible_id: Some(user), search: words("мар"), company_id: None };
    assert_eq!(names(mine).await, ["Марк", "Мария"]);
    assert_eq!(store.company(&volga).await.unwrap().expect("it is there").contact_count, 2);
}

#[tokio::test]
async fn a_list_by_name_is_walked_without_gaps_or_repeats() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let names = ["Яков", "ёлкин", "Абрам", "Ежов: а", "абрам", "Zoe", "Абрам"];
    for name in names {
        add_contact(&store, &mut ids, &contact_draft(name, &[])).await;
        add_company(&store, &mut ids, name, &[]).await;
    }
    let by_name = CardSearch { order: CardOrder::Name, ..CardSearch::default() };
    let filter = ContactFilter { search: by_name.clone(), ..ContactFilter::default() };
    let sorted = ["Zoe", "Абрам", "абрам", "Абрам", "Ежов: а", "ёлкин", "Яков"];
    for limit in [1, 2, 3, 7, 8] {
        let people = walk(limit, async |page| store.contacts(&filter, page).await.unwrap()).await;
        let people: Vec<_> = people.iter().map(|it| it.card.name.as_str()).collect();
        assert_eq!(people, sorted, "pages of {limit}");
        let firms = walk(limit, async |page| store.companies(&by_name, page).await.unwrap()).await;
        let firms: Vec<_> = firms.iter().map(|it| it.card.name.as_str()).collect();
        assert_eq!(firms, sorted, "pages of {limit}");
    }
    let cursor = Some(Cursor { key: Key::Number(NOW.0), id: "a".to_owned() });
    let of_another_order = PageRequest { cursor, ..PageRequest::default() };
    let refused = store.contacts(&filter, &of_another_order).await;
    assert!(matches!(refused, Err(linecard_store::StoreError::Cursor)), "{refused:?}");
}
