//! `/server`: what runs here and how it stands, for the administrator's page; `/metrics` has every figure.

use axum::Json;
use axum::extract::State;
use linecard_calls::{LineState, RecordingState, UtcMillis};
use linecard_store::DatabaseKind;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::App;
use crate::auth::Admin;
use crate::health::{ANSWER_WITHIN, Part, part};
use crate::port::{Command, Figures, StandingAlarm};

/// The server as REST shows it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServerShape {
    version: &'static str,
    #[serde(with = "linecard_calls::time::rfc3339")]
    started_at: UtcMillis,
    database: Database,
    reactor: Part,
    /// What is not as it should be; null when the reactor says nothing.
    alarms: Option<Vec<StandingAlarm>>,
    figures: Option<FiguresShape>,
}

#[derive(Serialize, ToSchema)]
struct Database {
    kind: DatabaseKind,
    state: Part,
}

/// The figures that an administrator looks at.
#[derive(Serialize, ToSchema)]
struct FiguresShape {
    calls_live: u64,
    lines_registered: u64,
    lines_trying: u64,
    lines_failed: u64,
    signals_spooled: u64,
    signals_late: u64,
    recordings_open: u64,
    recordings_incomplete: u64,
    rtp_legs: u64,
    rtp_legs_free: u64,
    browsers_connected: u64,
}

impl FiguresShape {
    fn of(figures: &Figures, browsers_connected: u64) -> Self {
        let lines = |state: LineState| count_of(&figures.registrations, state);
        let ended = |state: RecordingState| count_of(&figures.recordings_ended, state);
        Self {
            calls_live: figures.calls_live,
            lines_registered: lines(LineState::Registered),
            lines_trying: lines(LineState::Trying),
            lines_failed: lines(LineState::Failed),
            signals_spooled: figures.signals_spooled,
            signals_late: figures.signals_late,
            recordings_open: figures.recordings_open,
            recordings_incomplete: ended(RecordingState::Truncated) + ended(RecordingState::Failed),
            rtp_legs: figures.rtp_legs,
            rtp_legs_free: figures.rtp_legs_free,
            browsers_connected,
        }
    }
}

fn count_of<T: PartialEq>(counts: &[(T, u64)], of: T) -> u64 {
    counts.iter().filter(|(word, _)| *word == of).map(|(_, count)| count).sum()
}

/// Shows what runs here and how it stands.
#[utoipa::path(
    get, path = "/api/v1/server",
    responses((status = 200, body = ServerShape)),
    security(("admin" = [])),
)]
pub(crate) async fn show(State(app): State<App>, _: Admin) -> Json<ServerShape> {
    let asked = timeout(ANSWER_WITHIN, app.reactor.ask(|reply| Command::Figures { reply }));
    let (state, figures) = tokio::join!(part(app.store.probe()), asked);
    let (reactor, figures) = match figures {
        Ok(Ok(figures)) => (Part::Ready, Some(figures)),
        Ok(Err(_)) => (Part::Failed, None),
        Err(_) => (Part::Silent, None),
    };
    let browsers = app.traffic.browsers();
    Json(ServerShape {
        version: env!("CARGO_PKG_VERSION"),
        started_at: app.started_at,
        database: Database { kind: app.store.kind(), state },
        reactor,
        figures: figures.as_ref().map(|figures| FiguresShape::of(figures, browsers)),
        alarms: figures.map(|figures| figures.alarms),
    })
}
