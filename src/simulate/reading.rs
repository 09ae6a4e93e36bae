//! What a server says of the calls once they are over, read through REST.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use linecard_lab::fleet::{Found, FoundMissed, FoundRecording, Observed, listen};
use serde::de::DeserializeOwned;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Mutex;

use super::client::Client;
use super::office::Office;

/// How often is looked whether everything is saved.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How far the server's clock may be behind this machine's.
const CLOCKS_APART: Duration = Duration::from_secs(600);

/// From when on the server is asked for what happened: earlier than now, since its clock may be another.
pub(super) fn since() -> anyhow::Result<String> {
    Ok((OffsetDateTime::now_utc() - CLOCKS_APART).format(&Rfc3339)?)
}

/// Reads everything, waiting until nothing is live or being written any more.
pub(super) async fn read(
    admin: &Arc<Mutex<Client>>,
    office: &Office,
    since: &str,
    within: Duration,
) -> anyhow::Result<Observed> {
    let mut admin = admin.lock().await;
    let until = Instant::now() + within;
    let lines: HashSet<&str> = office.names.iter().map(|names| names.line_id.as_str()).collect();
    let (interactions, recordings) = loop {
        let mut interactions: Vec<Found> = typed(admin.list(&format!("/interactions?from={since}")).await?)?;
        interactions.retain(|found| lines.contains(found.line_id.as_str()));
        let recordings: Vec<FoundRecording> = typed(admin.list(&format!("/recordings?from={since}")).await?)?;
        let live = interactions.iter().any(|found| found.state == "live");
        let written = recordings.iter().any(|recording| recording.state == "recording");
        if (!live && !written) || Instant::now() > until {
            break (interactions, recordings);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let mut observed = Observed { desks: office.names.clone(), interactions, ..Observed::default() };
    let own: HashSet<&str> = observed.interactions.iter().map(|found| found.id.as_str()).collect();
    let own = recordings.into_iter().filter(|recording| own.contains(recording.interaction_id.as_str()));
    let own: Vec<FoundRecording> = own.collect();
    for recording in own {
        let wav = admin.bytes(&format!("/recordings/{}/media", recording.id)).await;
        let sound = wav.ok().and_then(|wav| listen(&wav).ok());
        observed.recordings.insert(recording.id.clone(), (recording, sound));
    }
    observed.missed = typed(admin.list("/missed?state=open").await?)?;
    observed.missed.extend(typed::<FoundMissed>(admin.list("/missed?state=closed").await?)?);
    Ok(observed)
}

fn typed<T: DeserializeOwned>(items: Vec<Value>) -> anyhow::Result<Vec<T>> {
    Ok(items.into_iter().map(serde_json::from_value).collect::<Result<_, _>>()?)
}
