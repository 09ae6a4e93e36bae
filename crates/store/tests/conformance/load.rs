//! The load report: what SQL sums is what the definitions count, and each number is the length of a list.

use std::collections::BTreeMap;

use linecard_calls::metrics::{By, CountedCall, Figure, Group, Load, Missed, Zone, peaks};
use linecard_calls::missed::Book;
use linecard_calls::{
    Deed, Direction, Interaction, InteractionState, LineId, MissedState, Outcome, UserId, UtcMillis,
};
use linecard_store::Store;
use linecard_store::counted::LocalTime;
use linecard_store::interactions::{InteractionFilter, Whose};
use linecard_store::ledger::Batch;
use linecard_store::load::LoadQuery;
use linecard_store::page::PageRequest;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::support::{Ids, NOW, fresh_store, interaction, save, saved};

const HOUR_MS: i64 = 3_600_000;
const WITHIN_MS: i64 = 20_000;

struct Office {
    chance: ChaCha12Rng,
    ids: Ids,
    lines: Vec<LineId>,
    users: Vec<Option<UserId>>,
}

impl Office {
    fn open() -> Self {
        let mut ids = Ids::new();
        let lines = (0..3).map(|_| ids.make()).collect();
        let users = vec![Some(ids.make()), Some(ids.make()), None];
        Self { chance: ChaCha12Rng::seed_from_u64(20), ids, lines, users }
    }

    fn below(&mut self, bound: u64) -> i64 {
        i64::try_from(self.chance.next_u64() % bound).expect("small")
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        let place = usize::try_from(self.chance.next_u64()).expect("64 bits") % of.len();
        *of.get(place).expect("within it")
    }

    /// A call of the four days before now: any direction, any outcome, some under way.
    fn call(&mut self) -> Interaction {
        let started_at = NOW.plus_ms(self.below(96 * 3_600_000) - 96 * HOUR_MS);
        let ringing = self.below(40_000);
        let talk = self.below(1_500_000);
        let answered = self.below(4) > 0;
        let live = self.below(12) == 0;
        let direction =
            self.one_of(&[Direction::Inbound, Direction::Inbound, Direction::Outbound, Direction::Internal]);
        let unanswered =
            self.one_of(&[Outcome::Abandoned, Outcome::NoAnswer, Outcome::Busy, Outcome::Interrupted]);
        let number = format!("+790300000{:02}", self.below(90));
        let (line, user) = (self.one_of(&self.lines.clone()), self.one_of(&self.users.clone()));
        let over = |value: i64| (!live).then_some(value);
        let talked = if answered { talk } else { 0 };
        Interaction {
            direction,
            outcome: (!live).then_some(if answered { Outcome::Answered } else { unanswered }),
            state: if live { InteractionState::Live } else { InteractionState::Ended },
            caller_number: Some(number),
            user_id: user,
            line_id: line,
            answered_at: answered.then(|| started_at.plus_ms(ringing)),
            ended_at: over(ringing + talked).map(|ms| started_at.plus_ms(ms)),
            ringing_ms: (answered || !live).then_some(ringing),
            talk_ms: over(talked),
            hold_ms: over(talked / 9),
            ..interaction(&mut self.ids, started_at)
        }
    }
}

/// Saves calls in the order of their ends with their missed-call items, some of which a user closes.
async fn live_through(store: &Store, office: &mut Office, calls: usize) -> Vec<CountedCall> {
    let mut all: Vec<Interaction> = (0..calls).map(|_| office.call()).collect();
    all.sort_by_key(|it| it.ended_at.unwrap_or(NOW));
    let mut book = Book::default();
    for it in &all {
        let mut missed = book.take(it);
        if let (Some(change), 0) = (missed.last().cloned(), office.below(5)) {
            let (item, closer) = (change.item.id, office.ids.make());
            if change.item.state == MissedState::Open
                && let Some(act) = book.date(item, closer, Deed::Close, NOW)
            {
                missed.extend(book.act(item, act));
            }
        }
        let saves = vec![saved(it, &[])];
        store.append(&Batch { saves, missed, ..Batch::default() }).await.expect("a sound batch");
    }
    // Saved once more, as an amended call is: how it stands as a missed one outlives that.
    save(store, all.iter().take(9).map(|it| saved(it, &[])).collect()).await;
    all.iter().map(|it| CountedCall::of(it, book.stands(it))).collect()
}

fn summer() -> Zone {
    let mut zone = Zone::fixed(2 * HOUR_MS);
    zone.change(NOW.plus_ms(-50 * HOUR_MS), 3 * HOUR_MS);
    zone.change(NOW.plus_ms(-20 * HOUR_MS), -HOUR_MS / 2);
    zone
}

fn query(by: By) -> LoadQuery {
    let (from, until) = (NOW.plus_ms(-80 * HOUR_MS), NOW.plus_ms(-2 * HOUR_MS));
    LoadQuery { from, until, by, zone: summer(), within_ms: WITHIN_MS, without: Vec::new() }
}

fn within(query: &LoadQuery, calls: &[CountedCall]) -> Vec<CountedCall> {
    calls.iter().filter(|call| (query.from..query.until).contains(&call.started_at)).cloned().collect()
}

/// The filter of the list that a part of the report opens.
fn filter_of(query: &LoadQuery, group: Group) -> InteractionFilter {
    let zone = query.zone.clone();
    let (mut hour, mut weekday, mut line_id, mut whose) = (None, None, None, None);
    match group {
        Group::All => {}
        Group::Hour(wanted) => hour = Some(wanted),
        Group::Weekday(wanted) => weekday = Some(wanted),
        Group::Line(line) => line_id = Some(line),
        Group::Agent(user) => whose = Some(user.map_or(Whose::Nobody, Whose::Of)),
    }
    let local = LocalTime { zone, hour, weekday };
    let (from, until) = (Some(query.from.0), Some(query.until.0));
    InteractionFilter { from, until, local, line_id, whose, ..InteractionFilter::default() }
}

async fn listed(store: &Store, filter: &InteractionFilter) -> i64 {
    store
        .interactions(filter, &PageRequest { limit: 1, ..PageRequest::default() })
        .await
        .expect("a list")
        .total
}

#[tokio::test]
async fn what_sql_sums_is_what_the_definitions_count_and_what_the_lists_hold() {
    let (store, mut office) = (fresh_store().await, Office::open());
    let calls = live_through(&store, &mut office, 400).await;
    for standing in [Some(Missed::Waiting), Some(Missed::Settled)] {
        assert!(
            calls.iter().filter(|call| call.missed == standing).count() > 5,
            "the calls are worth counting"
        );
    }
    for by in [By::Hour, By::Weekday, By::Line, By::Agent] {
        let query = query(by);
        let mut parts: BTreeMap<Group, Vec<CountedCall>> = BTreeMap::new();
        for call in within(&query, &calls) {
            parts.entry(by.group(&call, &query.zone)).or_default().push(call);
        }
        let expected: BTreeMap<Group, Load> =
            parts.iter().map(|(group, part)| (*group, Load::of(part, WITHIN_MS))).collect();
        let summed = store.load(&query).await.expect("a report");
        assert_eq!(summed, expected, "{by:?}");
        for (group, load) in &summed {
            for figure in Figure::ALL {
                let filter =
                    InteractionFilter { figure: Some((figure, WITHIN_MS)), ..filter_of(&query, *group) };
                assert_eq!(listed(&store, &filter).await, load.figure(figure), "{group:?} {figure:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_peak_in_sql_is_the_peak_of_the_definition_and_opens_the_calls_under_way() {
    let (store, mut office) = (fresh_store().await, Office::open());
    let calls = live_through(&store, &mut office, 400).await;
    for by in [By::Hour, By::Weekday, By::Line, By::Agent] {
        let query = query(by);
        let expected = peaks(by, &query.zone, &calls, query.from, query.until);
        let found = store.load_peaks(&query, query.until).await.expect("peaks");
        assert_eq!(found, expected, "{by:?}");
        assert!(found.values().any(|peak| peak.calls > 2), "there is something to see: {found:?}");
        for (group, peak) in &found {
            let of_part = match group {
                Group::Line(_) | Group::Agent(_) => filter_of(&query, *group),
                _ => InteractionFilter::default(),
            };
            let filter =
                InteractionFilter { under_way_at: Some(peak.at), from: None, until: None, ..of_part };
            assert_eq!(listed(&store, &filter).await, peak.calls, "{group:?} {peak:?}");
        }
        let before = NOW.plus_ms(-30 * HOUR_MS);
        let earlier = store.load_peaks(&query, before).await.expect("peaks");
        assert_eq!(earlier, peaks(by, &query.zone, &calls, query.from, before), "{by:?} before a moment");
    }
}

#[tokio::test]
async fn what_is_left_out_is_not_summed_and_an_empty_period_has_no_parts() {
    let (store, mut office) = (fresh_store().await, Office::open());
    let known = Interaction { started_at: NOW.plus_ms(-3 * HOUR_MS), ..office.call() };
    save(&store, vec![saved(&known, &[])]).await;
    let all = query(By::Line);
    assert_eq!(store.load(&all).await.expect("a report").len(), 1);
    let without = LoadQuery { without: vec![known.id], ..all.clone() };
    assert_eq!(store.load(&without).await.expect("a report"), BTreeMap::new());
    assert_eq!(store.load_peaks(&without, without.until).await.expect("peaks"), BTreeMap::new());
    let counted = store.counted_calls(&all, all.from).await.expect("calls");
    assert_eq!(counted, [CountedCall::of(&known, None)]);
    let empty = LoadQuery { from: UtcMillis(0), until: UtcMillis(1), ..all };
    assert_eq!(store.load(&empty).await.expect("a report"), BTreeMap::new());
}
