//! `linecard explain`: the evidence for one interaction, in order, and the rule that decided.

use linecard_calls::{InteractionId, explain as explain_signals};

use super::{CliError, Ended, open_existing};
use crate::config::Config;

/// Prints why an interaction is what it is.
pub(crate) async fn explain(config: &Config, id: &str) -> Result<Ended, CliError> {
    let id: InteractionId = id
        .parse()
        .map_err(|_| CliError::Usage(format!("{id:?} is no interaction's id; copy it from the list")))?;
    let store = open_existing(config).await?;
    let Some(interaction) = store.interaction(id).await? else {
        println!("there is no interaction {id}");
        return Ok(Ended::NotWell);
    };
    let signals = store.signals_of(interaction.call_id).await?;
    let Some(explanation) = explain_signals(&signals) else {
        println!("the ledger holds no evidence for interaction {id}");
        return Ok(Ended::NotWell);
    };
    println!("interaction {id}, call {}", explanation.call_id);
    for sentence in &explanation.sentences {
        println!("{}  {}", sentence.at, escape(&sentence.text));
    }
    println!("verdict: {}", escape(&explanation.verdict));
    Ok(Ended::Well)
}

/// What a caller sent must not move the cursor of a terminal.
fn escape(text: &str) -> String {
    text.chars()
        .flat_map(|letter| {
            if letter.is_control() { letter.escape_default().collect::<Vec<_>>() } else { vec![letter] }
        })
        .collect()
}
