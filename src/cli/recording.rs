//! `linecard recording verify`.

use linecard_calls::{Recording, RecordingId, RecordingState};
use linecard_media::wav::Expected;
use linecard_store::Store;
use linecard_store::page::{MAX_LIMIT, PageRequest};
use linecard_store::recordings::RecordingFilter;

use super::{CliError, Ended, open_existing};
use crate::config::Config;
use crate::recorder::{self, RecordingStore};

/// Proves one recording or all of them; a repaired file passes and its lost tail is named.
pub(crate) async fn verify(config: &Config, id: Option<&str>) -> Result<Ended, CliError> {
    let store = open_existing(config).await?;
    let files = RecordingStore::open(config.recording_dir())
        .map_err(|error| CliError::Environment(format!("recording.dir: {error}")))?;
    let recordings = match id {
        Some(id) => vec![one(&store, id).await?],
        None => all(&store).await?,
    };
    let (mut well, mut unwell) = (0_u64, 0_u64);
    for recording in &recordings {
        match prove(&files, recording) {
            Ok(text) => {
                well += 1;
                println!("{}  ok  {text}", recording.id);
            }
            Err(text) => {
                unwell += 1;
                println!("{}  NOT OK  {text}", recording.id);
            }
        }
    }
    println!("{well} recordings are well, {unwell} are not");
    Ok(if unwell == 0 { Ended::Well } else { Ended::NotWell })
}

fn prove(files: &RecordingStore, recording: &Recording) -> Result<String, String> {
    match recording.state {
        RecordingState::Recording => return Ok("is being written".to_owned()),
        RecordingState::Failed => return Err("the recording failed; there is no file".to_owned()),
        RecordingState::Finished | RecordingState::Repaired | RecordingState::Truncated => {}
    }
    let id = recorder::RecordingId::new(recording.id.to_string()).map_err(|error| error.to_string())?;
    let expected = Expected {
        duration_ms: recording.duration_ms,
        sha256: recording.sha256.clone(),
        ..Expected::default()
    };
    let found = files.verify(&id, &expected).map_err(|error| error.to_string())?;
    let gaps: u64 = recording.spans.iter().map(|span| span.until_ms.saturating_sub(span.from_ms)).sum();
    let tail = match recording.state {
        RecordingState::Repaired => "; cut off by a crash, what followed is lost",
        RecordingState::Truncated => "; storage refused a part of it, which is marked",
        _ => "",
    };
    Ok(format!("{} ms, {} spans of {gaps} ms marked{tail}", found.duration_ms(), recording.spans.len()))
}

async fn one(store: &Store, id: &str) -> Result<Recording, CliError> {
    let wrong = || CliError::Usage(format!("{id:?} is no recording's id; copy it from the list"));
    let id: RecordingId = id.parse().map_err(|_| wrong())?;
    let found = store.recording(id).await?;
    found.ok_or_else(|| CliError::Environment(format!("there is no recording {id}")))
}

async fn all(store: &Store) -> Result<Vec<Recording>, CliError> {
    let mut page = PageRequest::uncounted(MAX_LIMIT);
    let mut found = Vec::new();
    loop {
        let read = store.recordings(&RecordingFilter::default(), &page).await?;
        found.extend(read.items.into_iter().map(|it| it.recording));
        match read.next {
            Some(next) => page.cursor = Some(next),
            None => return Ok(found),
        }
    }
}
