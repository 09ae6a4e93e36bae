//! `/reports/load`: how many calls there were, and how they went, by hour, weekday, line or agent; for supervisors.
//!
//! The database sums what it has, and what only the reactor knows is counted beside it, so that a report is as fresh as
//! the desk. Every row carries the query of `/interactions` that lists its calls: with `figure=` the calls of a number.

use std::collections::{BTreeMap, HashMap};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use linecard_calls::metrics::{By, CountedCall, Group, Load, Peak, UNDER_WAY_AT_MOST_MS, peaks, raise};
use linecard_calls::{InteractionId, LineId, UserId, UtcMillis, Viewer};
use linecard_store::load::LoadQuery;
use linecard_store::page::{MAX_LIMIT, Page, PageRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::auth::Supervisor;
use crate::extract::{Query, time};
use crate::interactions::within_ms;
use crate::port::Command;
use crate::sheet::{self, Sheet};
use crate::zone::{DAYS_MAX, zone_of};
use crate::{ApiError, App};

const DAY_MS: i64 = 86_400_000;

/// The target of the service level when nobody names one, in seconds.
pub(crate) const SERVICE_LEVEL_S: i64 = 20;

const SHEET: Sheet = Sheet {
    name: "load",
    columns: &[
        "key",
        "name",
        "offered",
        "answered",
        "missed",
        "not_called_back",
        "service_level",
        "in_time",
        "abandoned_late",
        "handled",
        "talk_ms",
        "hold_ms",
        "aht_ms",
        "dialled",
        "reached",
        "reached_talk_ms",
        "peak",
        "peak_at",
    ],
};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LoadRequest {
    #[param(format = DateTime)]
    from: Option<String>,
    #[param(format = DateTime)]
    until: Option<String>,
    #[param(format = DateTime)]
    compare_from: Option<String>,
    by: Option<By>,
    #[param(minimum = 1, maximum = 3600)]
    service_level_s: Option<i64>,
    tz: Option<String>,
    #[param(pattern = "^(json|csv)$")]
    format: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LoadReport)]
pub(crate) struct Report {
    by: By,
    #[serde(with = "linecard_calls::time::rfc3339")]
    from: UtcMillis,
    #[serde(with = "linecard_calls::time::rfc3339")]
    until: UtcMillis,
    tz: String,
    service_level_s: i64,
    total: Part,
    previous: Previous,
    rows: Vec<Part>,
}

/// The period that the total is compared with.
#[derive(Serialize, ToSchema)]
#[schema(as = LoadBefore)]
pub(crate) struct Previous {
    #[serde(with = "linecard_calls::time::rfc3339")]
    from: UtcMillis,
    #[serde(with = "linecard_calls::time::rfc3339")]
    until: UtcMillis,
    #[serde(flatten)]
    figures: Figures,
}

/// One part of the calls, or all of them.
#[derive(Serialize, ToSchema)]
#[schema(as = LoadPart)]
pub(crate) struct Part {
    key: Key,
    name: Option<String>,
    #[serde(flatten)]
    figures: Figures,
    peak: Option<i64>,
    #[serde(with = "linecard_calls::time::rfc3339::option")]
    peak_at: Option<UtcMillis>,
    query: String,
    peak_query: Option<String>,
}

/// An hour, a day of the week, an id, or null for all and for calls of nobody.
#[derive(Serialize, ToSchema)]
#[schema(as = LoadKey)]
#[serde(untagged)]
pub(crate) enum Key {
    Number(i64),
    Line(LineId),
    Agent(UserId),
    None,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LoadFigures)]
pub(crate) struct Figures {
    offered: i64,
    answered: i64,
    missed: i64,
    not_called_back: i64,
    service_level: Option<f64>,
    in_time: i64,
    abandoned_late: i64,
    handled: i64,
    talk_ms: i64,
    hold_ms: i64,
    aht_ms: Option<i64>,
    dialled: i64,
    reached: i64,
    reached_talk_ms: i64,
}

impl Figures {
    fn of(load: &Load) -> Self {
        Self {
            offered: load.offered,
            answered: load.answered,
            missed: load.missed,
            not_called_back: load.not_called_back,
            service_level: load.service_level().map(|level| (level * 10_000.0).round() / 10_000.0),
            in_time: load.in_time,
            abandoned_late: load.abandoned_late,
            handled: load.handled,
            talk_ms: load.talk_ms,
            hold_ms: load.hold_ms,
            aht_ms: load.aht_ms(),
            dialled: load.dialled,
            reached: load.reached,
            reached_talk_ms: load.reached_talk_ms,
        }
    }
}

/// Counts the calls of a period and of the one before it, in parts.
#[utoipa::path(
    get, path = "/api/v1/reports/load",
    params(LoadRequest),
    responses((status = 200, content((Report = "application/json"), (String = "text/csv")))),
    security(("supervisor" = [])),
)]
pub(crate) async fn load(
    State(app): State<App>,
    Supervisor(session): Supervisor,
    Query(request): Query<LoadRequest>,
) -> Result<Response, ApiError> {
    let is_csv = match request.format.as_deref() {
        None | Some("json") => false,
        Some("csv") => true,
        Some(_) => return Err(ApiError::field("format", "write csv, or leave it out for JSON")),
    };
    let report = Asked::of(&app, request)?.answer(&app, session.viewer()).await?;
    if !is_csv {
        return Ok(Json(report).into_response());
    }
    let total = Part { name: Some("total".to_owned()), ..report.total };
    let items: Vec<Part> = report.rows.into_iter().chain([total]).collect();
    let page = Page { items, total: 0, next: None };
    Ok(sheet::file(&SHEET, page, async |_| Ok(Page { items: Vec::new(), total: 0, next: None })))
}

/// A question that can be answered.
struct Asked {
    query: LoadQuery,
    compare_from: UtcMillis,
    tz: String,
    service_level_s: i64,
}

/// What the reactor knows better than the database.
type Known = Vec<(InteractionId, CountedCall)>;

impl Asked {
    fn of(app: &App, request: LoadRequest) -> Result<Self, ApiError> {
        let until = UtcMillis(time("until", request.until)?.unwrap_or(app.now().0));
        let from = UtcMillis(time("from", request.from)?.unwrap_or(until.0 - 7 * DAY_MS));
        if from >= until {
            return Err(ApiError::field("until", "write a time after `from`"));
        }
        let length_ms = until.since_ms(from);
        if length_ms > DAYS_MAX * DAY_MS {
            return Err(ApiError::field(
                "from",
                format!("write a time at most {DAYS_MAX} days before `until`"),
            ));
        }
        let compare_from = time("compare_from", request.compare_from)?.map(UtcMillis);
        let tz = request.tz.unwrap_or_else(|| "UTC".to_owned());
        let service_level_s = request.service_level_s.unwrap_or(SERVICE_LEVEL_S);
        let query = LoadQuery {
            from,
            until,
            by: request.by.unwrap_or(By::Hour),
            zone: zone_of(&tz, from, until)?,
            within_ms: within_ms(service_level_s)?,
            without: Vec::new(),
        };
        let compare_from = compare_from.unwrap_or(from.plus_ms(-length_ms));
        Ok(Self { query, compare_from, tz, service_level_s })
    }

    /// The reactor is asked first: a call that ends before the store is read is then counted as it was, once.
    async fn answer(mut self, app: &App, viewer: Viewer) -> Result<Report, ApiError> {
        let live = app.reactor.ask(|reply| Command::LiveInteractions { viewer, reply }).await?;
        let known: Known = live
            .iter()
            .map(|live| (live.interaction.id, CountedCall::of(&live.interaction, live.missed)))
            .collect();
        self.query.without = known.iter().map(|(id, _)| *id).collect();
        let parts = loads(app, &self.query, &known).await?;
        let peaks = self.peaks(app, &known).await?;
        let previous = self.previous(app, &known).await?;
        let names = Names::read(app, self.query.by).await?;
        let mut total = Load::default();
        for load in parts.values() {
            total += *load;
        }
        let mut rows: Vec<Part> =
            parts.iter().map(|(group, load)| self.part(*group, load, &peaks, &names)).collect();
        rows.sort_by_key(|row| (row.name.is_none(), row.name.as_deref().map(linecard_crm::sort_key)));
        Ok(Report {
            by: self.query.by,
            from: self.query.from,
            until: self.query.until,
            total: self.part(Group::All, &total, &peaks, &names),
            previous,
            rows,
            tz: self.tz,
            service_level_s: self.service_level_s,
        })
    }

    async fn previous(&self, app: &App, known: &Known) -> Result<Previous, ApiError> {
        let from = self.compare_from;
        let until = from.plus_ms(self.query.until.since_ms(self.query.from));
        let mut total = Load::default();
        let query = LoadQuery { from, until, by: By::Line, ..self.query.clone() };
        for load in loads(app, &query, known).await?.into_values() {
            total += load;
        }
        Ok(Previous { from, until, figures: Figures::of(&total) })
    }

    /// SQL finds the peaks up to the oldest call that the reactor knows better; from there on they are found here.
    async fn peaks(&self, app: &App, known: &Known) -> Result<BTreeMap<Group, Peak>, ApiError> {
        let yesterday = app.now().plus_ms(-UNDER_WAY_AT_MOST_MS);
        let recent = || known.iter().filter(|(_, call)| call.started_at > yesterday);
        let query = LoadQuery { without: recent().map(|(id, _)| *id).collect(), ..self.query.clone() };
        let oldest = recent().map(|(_, call)| call.started_at).min();
        let Some(oldest) = oldest.filter(|oldest| *oldest < query.until) else {
            return Ok(app.store.load_peaks(&query, query.until).await?);
        };
        let mut highest = app.store.load_peaks(&query, oldest).await?;
        let mut calls = app.store.counted_calls(&query, oldest).await?;
        calls.extend(recent().map(|(_, call)| call.clone()));
        let from = query.from.max(oldest);
        for (group, peak) in peaks(query.by, &query.zone, &calls, from, query.until) {
            raise(&mut highest, group, peak);
        }
        Ok(highest)
    }

    fn part(&self, group: Group, load: &Load, peaks: &BTreeMap<Group, Peak>, names: &Names) -> Part {
        let peak = peaks.get(&group).copied();
        let (key, of_time, of_whom) = match group {
            Group::All => (Key::None, String::new(), String::new()),
            Group::Hour(hour) => (Key::Number(hour), format!("&hour={hour}"), String::new()),
            Group::Weekday(day) => (Key::Number(day), format!("&weekday={day}"), String::new()),
            Group::Line(line) => (Key::Line(line), String::new(), format!("&line_id={line}")),
            Group::Agent(Some(user)) => (Key::Agent(user), String::new(), format!("&user_id={user}")),
            Group::Agent(None) => (Key::None, String::new(), "&user_id=none".to_owned()),
        };
        let (from, until, seconds) = (self.query.from, self.query.until, self.service_level_s);
        // The only sign of a zone that means something else in a query.
        let tz = self.tz.replace('+', "%2B");
        let asked = format!("from={from}&until={until}&tz={tz}&service_level_s={seconds}");
        Part {
            key,
            name: names.of(group),
            figures: Figures::of(load),
            peak: peak.map(|peak| peak.calls),
            peak_at: peak.map(|peak| peak.at),
            query: format!("{asked}{of_time}{of_whom}"),
            peak_query: peak.map(|peak| format!("under_way_at={}{of_whom}", peak.at)),
        }
    }
}

/// Sums what the store has, and counts what the reactor knows better.
async fn loads(app: &App, query: &LoadQuery, known: &Known) -> Result<BTreeMap<Group, Load>, ApiError> {
    let mut parts = app.store.load(query).await?;
    for (_, call) in known.iter().filter(|(_, call)| (query.from..query.until).contains(&call.started_at)) {
        *parts.entry(query.by.group(call, &query.zone)).or_default() += Load::of([call], query.within_ms);
    }
    Ok(parts)
}

/// What lines or users are called.
struct Names(HashMap<String, String>);

impl Names {
    async fn read(app: &App, by: By) -> Result<Self, ApiError> {
        let mut names = HashMap::new();
        match by {
            By::Hour | By::Weekday => {}
            By::Line => {
                let lines = app.store.lines().await?;
                names.extend(lines.into_iter().map(|line| (line.id.to_string(), line.account.name)));
            }
            By::Agent => {
                let mut page = PageRequest::uncounted(MAX_LIMIT);
                loop {
                    let users = app.store.users(&page).await?;
                    names.extend(users.items.into_iter().map(|user| (user.id.to_string(), user.name)));
                    let Some(next) = users.next else { break };
                    page.cursor = Some(next);
                }
            }
        }
        Ok(Self(names))
    }

    fn of(&self, group: Group) -> Option<String> {
        match group {
            Group::Line(line) => self.0.get(&line.to_string()).cloned(),
            Group::Agent(Some(user)) => self.0.get(&user.to_string()).cloned(),
            Group::All | Group::Hour(_) | Group::Weekday(_) | Group::Agent(None) => None,
        }
    }
}
