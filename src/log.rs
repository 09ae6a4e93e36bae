//! What the process says about itself: to stderr, in text or JSON, control characters escaped.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, LogConfig, LogFormat};

/// Starts logging; a second start in one process, as in tests, changes nothing.
///
/// # Errors
/// A `log.level` that is no filter.
pub(crate) fn start(config: &LogConfig) -> Result<(), ConfigError> {
    // PostgreSQL notes at each start that the schema is there already.
    let filter =
        EnvFilter::try_new(format!("sqlx::postgres::notice=warn,{}", config.level)).map_err(|_| {
            ConfigError {
                key: "log.level".to_owned(),
                advice: format!(
                    "{:?} is no filter; write \"info\", or one such as \"info,linecard=debug\"",
                    config.level
                ),
            }
        })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match config.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    Ok(())
}
