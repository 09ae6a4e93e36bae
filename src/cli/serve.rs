//! `linecard serve`.

use tokio::signal::unix::{SignalKind, signal};

use super::{CliError, Ended};
use crate::config::Config;
use crate::server::{StartError, run};

/// Runs the server until SIGTERM or Ctrl-C.
pub(crate) async fn serve(config: Config) -> Result<Ended, CliError> {
    let unheard = |error| CliError::Environment(format!("signals cannot be heard: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(unheard)?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    match run(config, shutdown, None).await {
        Ok(()) => Ok(Ended::Well),
        Err(StartError::Config(error)) => Err(error.into()),
        Err(StartError::Environment(text)) => Err(CliError::Environment(text)),
    }
}
