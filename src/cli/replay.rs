//! `linecard replay`: folds the whole ledger again and compares with what was saved.

use linecard_calls::{CallId, Interaction, InteractionState, fold};
use linecard_store::Store;

use super::{CliError, Ended, open_existing};
use crate::config::Config;

/// Calls read at a time.
const CHUNK: u32 = 500;

/// Prints every difference between the ledger and the saved interactions.
pub(crate) async fn replay(config: &Config) -> Result<Ended, CliError> {
    let store = open_existing(config).await?;
    let (mut after, mut calls, mut differences) = (None, 0_u64, 0_u64);
    loop {
        let chunk = store.calls_after(after, CHUNK).await?;
        let Some(last) = chunk.last() else { break };
        after = Some(*last);
        for call in chunk {
            calls += 1;
            if let Some(difference) = difference(&store, call).await? {
                differences += 1;
                println!("call {call}: {difference}");
            }
        }
    }
    println!("{calls} calls folded, {differences} differences");
    Ok(if differences == 0 { Ended::Well } else { Ended::NotWell })
}

/// Compares one call. Beside a running server a call may be between its last evidence and its last save: what differs
/// counts only once the call is settled, and is read again then.
async fn difference(store: &Store, call: CallId) -> Result<Option<String>, CliError> {
    if compare_now(store, call).await?.is_none() || store.unsettled_calls().await?.contains_key(&call) {
        return Ok(None);
    }
    compare_now(store, call).await
}

async fn compare_now(store: &Store, call: CallId) -> Result<Option<String>, CliError> {
    let folded = fold(&store.signals_of(call).await?);
    let saved = store.interaction_of_call(call).await?;
    Ok(compare(folded.as_ref(), saved.as_ref()))
}

/// A live call is still being written by the server: only what has ended can differ.
fn compare(folded: Option<&Interaction>, saved: Option<&Interaction>) -> Option<String> {
    match (folded, saved) {
        (None, None) => None,
        (Some(folded), None) if folded.state == InteractionState::Live => None,
        (Some(_), None) => Some("the ledger makes an interaction, none is saved".to_owned()),
        (None, Some(_)) => Some("an interaction is saved, the ledger makes none".to_owned()),
        (Some(folded), Some(_)) if folded.state == InteractionState::Live => None,
        (Some(folded), Some(saved)) => {
            let (folded, saved) = (serde_json::to_value(folded).ok()?, serde_json::to_value(saved).ok()?);
            let fields =
                folded.as_object()?.iter().filter(|(name, value)| saved.get(name.as_str()) != Some(value));
            let fields: Vec<String> = fields
                .map(|(name, value)| {
                    let was = saved.get(name.as_str()).cloned().unwrap_or_default();
                    format!("{name} is {was}, the ledger says {value}")
                })
                .collect();
            (!fields.is_empty()).then(|| fields.join("; "))
        }
    }
}
