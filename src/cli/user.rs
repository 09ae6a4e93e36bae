//! `linecard user add`.

use std::io::{BufRead, IsTerminal};

use linecard_calls::{IdSource, Ring, Role};
use linecard_store::StoreError;
use linecard_store::users::{PASSWORD_MIN, UserDraft};

use super::{CliError, Ended, open_or_make, parse_role};
use crate::chance;
use crate::clock::wall_clock;
use crate::config::Config;

/// Who is to be added.
#[derive(Debug, clap::Args)]
pub(crate) struct NewUser {
    /// The log-in name.
    #[arg(long)]
    login: String,
    /// agent, supervisor or admin.
    #[arg(long, value_parser = parse_role)]
    role: Role,
    /// The name that others see; the log-in when left out.
    #[arg(long)]
    name: Option<String>,
    /// Read the password from the first line of standard input, where no list of processes shows it.
    #[arg(long, required = true)]
    password_stdin: bool,
}

/// Adds a user, in a running server's database too.
pub(crate) async fn add(config: &Config, new: NewUser) -> Result<Ended, CliError> {
    let password = read_password()?;
    if new.login.trim().is_empty() || new.login.chars().any(char::is_control) {
        return Err(CliError::Usage("--login: write a name without control characters".to_owned()));
    }
    let store = open_or_make(config).await?;
    let draft = UserDraft {
        name: new.name.unwrap_or_else(|| new.login.clone()),
        login: new.login.trim().to_owned(),
        role: new.role,
        password: Some(password),
        extension: None,
        ring: Ring::Together,
        ring_timeout_ms: 20_000,
        allow_call_waiting: false,
    };
    let now = wall_clock();
    let mut ids = IdSource::new(chance::generator()?);
    match store.add_user(ids.make(now), &draft, now).await {
        Ok(user) => {
            println!("{}", user.id);
            Ok(Ended::Well)
        }
        Err(StoreError::Taken { .. }) => Err(CliError::Environment(format!(
            "--login: {:?} is already in use; choose another",
            draft.login
        ))),
        Err(error) => Err(error.into()),
    }
}

fn read_password() -> Result<String, CliError> {
    if std::io::stdin().is_terminal() {
        eprintln!("Password:");
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|error| {
        CliError::Usage(format!("--password-stdin: standard input cannot be read: {error}"))
    })?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.chars().count() < PASSWORD_MIN {
        return Err(CliError::Usage(format!("--password-stdin: write at least {PASSWORD_MIN} characters")));
    }
    Ok(password)
}
