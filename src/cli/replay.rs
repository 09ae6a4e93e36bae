//! `linecard replay`: folds the whole ledger again and compares with what was saved: interactions, and the missed-call
//! items that follow from all of them together.

use std::collections::{BTreeMap, BTreeSet};

use linecard_calls::missed::{CallerKey, Callers};
use linecard_calls::{CallId, Interaction, InteractionState, MissedId, MissedItem, Signal, fold};
use linecard_store::Store;
use linecard_store::missed::MissedFilter;
use linecard_store::page::PageRequest;
use serde::Serialize;

use super::{CliError, Ended, open_existing};
use crate::config::Config;

/// Calls read at a time.
const CHUNK: u32 = 500;

/// Prints every difference between the ledger and what was saved.
pub(crate) async fn replay(config: &Config) -> Result<Ended, CliError> {
    let store = open_existing(config).await?;
    let (mut after, mut calls, mut differences) = (None, 0_u64, 0_u64);
    let mut callers = Callers::default();
    let mut busy = unsettled_callers(&store).await?;
    loop {
        let chunk = store.calls_after(after, CHUNK).await?;
        let Some(last) = chunk.last() else { break };
        after = Some(*last);
        for call in chunk {
            calls += 1;
            let signals = store.signals_of(call).await?;
            if let Some(folded) = fold(&signals) {
                callers.take(&folded, &signals);
            }
            if let Some(difference) = difference(&store, call, &signals).await? {
                differences += 1;
                println!("call {call}: {difference}");
            }
        }
    }
    busy.extend(unsettled_callers(&store).await?);
    for difference in compare_missed(&callers, saved_missed(&store).await?, &busy) {
        differences += 1;
        println!("{difference}");
    }
    println!("{calls} calls folded, {differences} differences");
    Ok(if differences == 0 { Ended::Well } else { Ended::NotWell })
}

/// Compares one call. Beside a running server a call may be between its last evidence and its last save: what differs
/// counts only once the call is settled, and is read again then.
async fn difference(store: &Store, call: CallId, signals: &[Signal]) -> Result<Option<String>, CliError> {
    if compare_now(store, call, signals).await?.is_none()
        || store.unsettled_calls().await?.contains_key(&call)
    {
        return Ok(None);
    }
    compare_now(store, call, &store.signals_of(call).await?).await
}

async fn compare_now(store: &Store, call: CallId, signals: &[Signal]) -> Result<Option<String>, CliError> {
    let saved = store.interaction_of_call(call).await?;
    Ok(compare(fold(signals).as_ref(), saved.as_ref()))
}

/// A live call is still being written by the server: only what has ended can differ.
fn compare(folded: Option<&Interaction>, saved: Option<&Interaction>) -> Option<String> {
    match (folded, saved) {
        (None, None) => None,
        (Some(folded), None) if folded.state == InteractionState::Live => None,
        (Some(_), None) => Some("the ledger makes an interaction, none is saved".to_owned()),
        (None, Some(_)) => Some("an interaction is saved, the ledger makes none".to_owned()),
        (Some(folded), Some(_)) if folded.state == InteractionState::Live => None,
        (Some(folded), Some(saved)) => fields(folded, saved),
    }
}

/// Says in which fields what is saved differs from what the ledger makes.
fn fields<T: Serialize>(made: &T, saved: &T) -> Option<String> {
    let (made, saved) = (serde_json::to_value(made).ok()?, serde_json::to_value(saved).ok()?);
    let fields = made.as_object()?.iter().filter(|(name, value)| saved.get(name.as_str()) != Some(value));
    let fields: Vec<String> = fields
        .map(|(name, value)| {
            let was = saved.get(name.as_str()).cloned().unwrap_or_default();
            format!("{name} is {was}, the ledger says {value}")
        })
        .collect();
    (!fields.is_empty()).then(|| fields.join("; "))
}

/// The callers of whom a running server may know more than was read of them.
async fn unsettled_callers(store: &Store) -> Result<BTreeSet<CallerKey>, CliError> {
    let calls = store.unsettled_calls().await?;
    Ok(calls.values().filter_map(|signals| CallerKey::of(&fold(signals)?)).collect())
}

async fn saved_missed(store: &Store) -> Result<BTreeMap<MissedId, MissedItem>, CliError> {
    let mut saved = BTreeMap::new();
    let mut request = PageRequest::uncounted(CHUNK);
    loop {
        let page = store.missed_items(&MissedFilter::default(), &request).await?;
        saved.extend(page.items.into_iter().map(|item| (item.id, item)));
        let Some(next) = page.next else { return Ok(saved) };
        request.cursor = Some(next);
    }
}

fn compare_missed(
    callers: &Callers,
    mut saved: BTreeMap<MissedId, MissedItem>,
    busy: &BTreeSet<CallerKey>,
) -> Vec<String> {
    let is_busy = |item: &MissedItem| {
        item.number.as_ref().is_some_and(|number| busy.contains(&CallerKey::Number(number.clone())))
    };
    let mut differences = Vec::new();
    for made in callers.items().map(|item| item.record) {
        let difference = match saved.remove(&made.id) {
            _ if is_busy(&made) => None,
            Some(saved) => fields(&made, &saved),
            None => Some("the ledger makes this item, none is saved".to_owned()),
        };
        differences.extend(difference.map(|difference| format!("missed call {}: {difference}", made.id)));
    }
    let unfounded = saved.into_values().filter(|item| !is_busy(item));
    differences
        .extend(unfounded.map(|item| format!("missed call {}: it is saved, the ledger makes none", item.id)));
    differences
}
