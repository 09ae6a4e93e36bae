//! What the fold made, found again.

use std::cmp::Reverse;

use linecard_calls::{Direction, Interaction, InteractionState, Outcome};
use linecard_store::Store;
use linecard_store::interactions::{InteractionFilter, Whose, place_of};
use linecard_store::page::{CallOrder, PageRequest};

use super::support::{
    Ids, NOW, add_company, add_contact, contact_draft, fresh_store, interaction, internal, public, record,
    save, saved, walk,
};

async fn found(store: &Store, filter: &InteractionFilter) -> Vec<Interaction> {
    let page = store.interactions(filter, &PageRequest::default()).await.expect("a list");
    assert_eq!(page.total, i64::try_from(page.items.len()).expect("few"), "total of {filter:?}");
    assert!(page.next.is_none());
    page.items
}

#[tokio::test]
async fn an_interaction_is_found_by_its_id_and_by_its_call() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let it = interaction(&mut ids, NOW);
    save(&store, vec![saved(&it, &[])]).await;
    assert_eq!(store.interaction(it.id).await.unwrap(), Some(it.clone()));
    assert_eq!(store.interaction_of_call(it.call_id).await.unwrap(), Some(it));
    assert_eq!(store.interaction(ids.make()).await.unwrap(), None);
    assert_eq!(store.interaction_of_call(ids.make()).await.unwrap(), None);
}

#[tokio::test]
async fn saving_again_replaces_the_whole_interaction_and_its_searched_columns() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let ended = interaction(&mut ids, NOW);
    let live = Interaction {
        direction: Direction::Outbound,
        outcome: None,
        state: InteractionState::Live,
        caller_number: None,
        callee_number: None,
        contact_id: None,
        user_id: None,
        started_at: NOW.plus_ms(-5_000),
        ..ended.clone()
    };
    save(&store, vec![saved(&live, &[])]).await;
    assert_eq!(found(&store, &InteractionFilter::default()).await, [live]);
    let mut ended = Interaction { contact_id: Some(ids.make()), ..ended };
    let recording = record(&mut ids, &mut ended);
    save(&store, vec![saved(&ended, &[recording])]).await;
    let all_of_it = InteractionFilter {
        from: Some(NOW.0),
        until: Some(NOW.0 + 1),
        direction: Some(Direction::Inbound),
        outcome: Some(Outcome::Answered),
        whose: ended.user_id.map(Whose::Of),
        contact_id: ended.contact_id.map(|id| id.to_string()),
        company_id: None,
        number: ended.caller_number.clone(),
        recorded: Some(true),
        ..InteractionFilter::default()
    };
    assert_eq!(found(&store, &all_of_it).await, [ended.clone()]);
    assert_eq!(found(&store, &InteractionFilter::default()).await, [ended]);
}

/// Three interactions, oldest first, that every filter tells apart.
fn three(ids: &mut Ids) -> [Interaction; 3] {
    let mut first = interaction(ids, NOW.plus_ms(-2_000));
    first.contact_id = Some(ids.make());
    let mut second = interaction(ids, NOW.plus_ms(-1_000));
    second.direction = Direction::Outbound;
    second.outcome = Some(Outcome::NoAnswer);
    second.caller_number = Some("105".to_owned());
    second.callee_number = Some("+79030000001".to_owned());
    let mut third = interaction(ids, NOW);
    third.direction = Direction::Internal;
    third.outcome = None;
    third.state = InteractionState::Live;
    third.caller_number = None;
    third.callee_number = Some("106".to_owned());
    third.user_id = None;
    third.customer_number = Some("+79160000002".to_owned());
    [first, second, third]
}

#[tokio::test]
async fn each_filter_keeps_what_fits_and_nothing_else() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let [first, second, mut third] = three(&mut ids);
    let recording = record(&mut ids, &mut third);
    save(&store, vec![saved(&second, &[]), saved(&third, &[recording]), saved(&first, &[])]).await;
    let any = InteractionFilter::default;
    let number = |text: &str| InteractionFilter { number: Some(text.to_owned()), ..any() };
    let cases = [
        (any(), vec![&third, &second, &first]),
        (InteractionFilter { from: Some(NOW.0 - 1_000), ..any() }, vec![&third, &second]),
        (InteractionFilter { from: Some(NOW.0 + 1), ..any() }, vec![]),
        (InteractionFilter { until: Some(NOW.0 - 1_000), ..any() }, vec![&first]),
        (InteractionFilter { until: Some(NOW.0 - 999), ..any() }, vec![&second, &first]),
        (InteractionFilter { direction: Some(Direction::Inbound), ..any() }, vec![&first]),
        (InteractionFilter { direction: Some(Direction::Outbound), ..any() }, vec![&second]),
        (InteractionFilter { direction: Some(Direction::Internal), ..any() }, vec![&third]),
        (InteractionFilter { outcome: Some(Outcome::Answered), ..any() }, vec![&first]),
        (InteractionFilter { outcome: Some(Outcome::NoAnswer), ..any() }, vec![&second]),
        (InteractionFilter { outcome: Some(Outcome::Failed), ..any() }, vec![]),
        (InteractionFilter { whose: first.user_id.map(Whose::Of), ..any() }, vec![&first]),
        (InteractionFilter { contact_id: first.contact_id.map(|id| id.to_string()), ..any() }, vec![&first]),
        (number("+79030000001"), vec![&second, &first]),
        (number("105"), vec![&second, &first]),
        (number("106"), vec![&third]),
        (number("+79160000002"), vec![&third]),
        (number("+7903"), vec![]),
        (number("%"), vec![]),
        (InteractionFilter { recorded: Some(true), ..any() }, vec![&third]),
        (InteractionFilter { recorded: Some(false), ..any() }, vec![&second, &first]),
        (InteractionFilter { direction: Some(Direction::Inbound), ..number("106") }, vec![]),
        (InteractionFilter { recorded: Some(false), ..number("105") }, vec![&second, &first]),
        (InteractionFilter { without: vec![first.id, third.id], ..any() }, vec![&second]),
        (InteractionFilter { without: vec![second.id], ..number("105") }, vec![&first]),
    ];
    for (filter, wanted) in cases {
        let listed = found(&store, &filter).await;
        assert_eq!(listed.iter().collect::<Vec<_>>(), wanted, "{filter:?}");
        let fitting: Vec<_> =
            [&third, &second, &first].into_iter().filter(|it| filter.fits(it, None)).collect();
        assert_eq!(fitting, wanted, "what the database finds and what fits are one: {filter:?}");
    }
}

#[tokio::test]
async fn interactions_are_listed_newest_first_without_gaps_or_repeats() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let mut expected = Vec::new();
    for at_ms in [1, 1, 1, 2, 3, 3, 4] {
        expected.push(interaction(&mut ids, NOW.plus_ms(at_ms)));
    }
    save(&store, expected.iter().map(|it| saved(it, &[])).collect()).await;
    expected.reverse();
    for limit in [1, 2, 3, 7, 8] {
        let all =
            walk(limit, async |page| store.interactions(&InteractionFilter::default(), page).await.unwrap());
        assert_eq!(all.await, expected, "pages of {limit}");
        let first_two_ms = InteractionFilter { until: Some(NOW.0 + 3), ..InteractionFilter::default() };
        let some = walk(limit, async |page| store.interactions(&first_two_ms, page).await.unwrap()).await;
        assert_eq!(some, expected[3..], "pages of {limit}");
    }
}

#[tokio::test]
async fn rows_that_the_database_lacks_stand_where_they_belong() {
    let mut ids = Ids::new();
    let talks = [Some(40), None, Some(9), Some(40), Some(0), Some(7_000), Some(8)];
    let all: Vec<_> = (1..=7)
        .rev()
        .zip(talks)
        .map(|(at_ms, talk_ms)| Interaction { talk_ms, ..interaction(&mut ids, NOW.plus_ms(at_ms)) })
        .collect();
    for mask in (0_u32..1 << all.len()).step_by(9) {
        let is_live = |index: usize| mask >> index & 1 == 1;
        let store = fresh_store().await;
        let of = |live: bool| {
            let rows = all.iter().enumerate().filter(move |(index, _)| is_live(*index) == live);
            rows.map(|(_, it)| it.clone()).collect::<Vec<_>>()
        };
        save(&store, of(false).iter().map(|it| saved(it, &[])).collect()).await;
        for (limit, order) in [1, 2, 3, 7, 8].into_iter().zip(CallOrder::ALL.into_iter().cycle()) {
            let filter = InteractionFilter { order, ..InteractionFilter::default() };
            let listed = walk(limit, async |request| {
                let stored = store.interactions(&filter, request).await.unwrap();
                stored.with(of(true), request, order.way(), |it| place_of(it, order))
            });
            assert_eq!(listed.await, sorted(&all, order), "{order:?}, pages of {limit}, in memory {mask:b}");
        }
    }
}

fn sorted(all: &[Interaction], order: CallOrder) -> Vec<Interaction> {
    let mut all = all.to_vec();
    match order {
        CallOrder::Newest => all.sort_by_key(|it| Reverse((it.started_at, it.id.to_string()))),
        CallOrder::Oldest => all.sort_by_key(|it| (it.started_at, it.id.to_string())),
        CallOrder::Longest => all.sort_by_key(|it| Reverse((it.talk_ms.unwrap_or(0), it.id.to_string()))),
        CallOrder::Shortest => all.sort_by_key(|it| (it.talk_ms.unwrap_or(0), it.id.to_string())),
    }
    all
}

#[tokio::test]
async fn what_starts_while_a_list_is_read_shifts_no_page() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let old: Vec<_> = (1..=4).map(|at_ms| interaction(&mut ids, NOW.plus_ms(at_ms))).collect();
    save(&store, old.iter().map(|it| saved(it, &[])).collect()).await;
    let any = InteractionFilter::default();
    let page = store.interactions(&any, &PageRequest { limit: 2, ..PageRequest::default() }).await.unwrap();
    assert_eq!(page.items, [old[3].clone(), old[2].clone()]);
    let newer = interaction(&mut ids, NOW.plus_ms(9));
    save(&store, vec![saved(&newer, &[])]).await;
    let page =
        store.interactions(&any, &PageRequest { limit: 2, cursor: page.next, counted: true }).await.unwrap();
    assert_eq!(page.items, [old[1].clone(), old[0].clone()]);
    assert_eq!((page.total, page.next), (5, None));
}

#[tokio::test]
async fn calls_of_a_company_are_those_of_its_people_and_of_its_number_while_nobody_is_named() {
    let (store, mut ids) = (fresh_store().await, Ids::new());
    let company = add_company(&store, &mut ids, "Волга", &[public("+78312123456"), internal("700")]).await;
    let mut card = contact_draft("Пётр", &[public("+79030000001")]);
    let stranger = add_contact(&store, &mut ids, &card).await.id;
    card.company_id = Some(company.clone());
    let person = add_contact(&store, &mut ids, &card).await.id;
    let mut call = |after_ms: i64, contact_id, caller: Option<&str>, callee: Option<&str>| Interaction {
        contact_id,
        caller_number: caller.map(str::to_owned),
        callee_number: callee.map(str::to_owned),
        ..interaction(&mut ids, NOW.plus_ms(after_ms))
    };
    let with_person = call(6, Some(person), Some("+79990000000"), None);
    let from_switchboard = call(5, None, Some("+78312123456"), Some("105"));
    let from_inside = call(4, None, Some("700"), None);
    let to_switchboard = call(3, None, Some("105"), Some("+78312123456"));
    let put_through =
        Interaction { customer_number: Some("+78312123456".to_owned()), ..call(2, None, Some("101"), None) };
    let of_another = call(1, Some(stranger), Some("+78312123456"), None);
    let withheld = call(0, None, None, None);
    let theirs = [with_person, from_switchboard, from_inside, to_switchboard, put_through];
    let calls: Vec<Interaction> = theirs.iter().cloned().chain([of_another, withheld]).collect();
    let filter = InteractionFilter { company_id: Some(company.clone()), ..InteractionFilter::default() };
    assert_eq!(found(&store, &filter).await, []);
    assert_eq!(store.of_company(&company, calls.clone()).await.unwrap(), theirs, "before they are saved");
    save(&store, calls.iter().map(|it| saved(it, &[])).collect()).await;
    assert_eq!(found(&store, &filter).await, theirs);
    let nobody = InteractionFilter { company_id: Some("nobody".to_owned()), ..InteractionFilter::default() };
    assert_eq!(found(&store, &nobody).await, []);
    assert_eq!(store.of_company("nobody", calls).await.unwrap(), []);
}
