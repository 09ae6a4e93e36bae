//! `POST /calls`: a user asks for a call. Barred numbers, too many calls and a line that has to be chosen are told before
//! anything rings.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use linecard_calls::{
    CallId, Callee, CalleeKind, ContactId, InteractionId, LineId, Role, UserId, UtcMillis, Viewer,
};
use linecard_crm::{Destination, dialled_part};
use linecard_store::audit::AuditAction;
use linecard_store::interactions::InteractionFilter;
use linecard_store::lines::{Line, LineMode};
use linecard_store::page::PageRequest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::Session;
use crate::json::Body;
use crate::port::{Command, DialOrder};
use crate::recent::Recent;
use crate::source::Source;
use crate::{ApiError, App};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCall {
    to: String,
    line_id: Option<LineId>,
    contact_id: Option<ContactId>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Dialled {
    call_id: CallId,
    interaction_id: InteractionId,
}

/// Asks for a call: the user's own phone rings first; the same call for a second click.
///
/// The line is the given one, else the user's own, else the contact's last, else the only one; else the answer is 409 with
/// the `choices`. An emergency number, an internal one and a code are never barred.
#[utoipa::path(
    post, path = "/api/v1/calls",
    request_body = NewCall,
    responses(
        (status = ACCEPTED, body = Dialled),
        (status = FORBIDDEN, description = "The number is barred, or the page's origin is not allowed."),
        (status = CONFLICT, description = "Which line it should be is open, or the user is in a call or has no phone."),
        (status = TOO_MANY_REQUESTS, description = "Too many calls within a minute.", headers(("Retry-After" = u32))),
    ),
)]
pub(crate) async fn dial(
    State(app): State<App>,
    source: Source,
    session: Session,
    Body(wish): Body<NewCall>,
) -> Result<Response, ApiError> {
    let viewer = session.viewer();
    let destination = permitted(&app, viewer.user_id, source, &wish.to).await?;
    if let Some(contact) = wish.contact_id
        && app.store.contact(contact).await?.is_none()
    {
        return Err(ApiError::field("contact_id", "there is no such contact"));
    }
    let line = line_for(&app, &viewer, &wish, destination.number()).await?;
    if let Some(too_many) = counted(&app, viewer.user_id, source, &destination).await {
        return Ok(too_many);
    }
    let order = order(&app, viewer.user_id, &line, &wish, &destination);
    let call = app.reactor.ask(|reply| Command::Dial { order, reply }).await??;
    let subject = Some(call.interaction_id.to_string());
    app.audit(AuditAction::CallDialled, Some(viewer.user_id), subject, source).await;
    let dialled = Dialled { call_id: call.call_id, interaction_id: call.interaction_id };
    Ok((StatusCode::ACCEPTED, Json(dialled)).into_response())
}

/// Reads a number that a user wants to be called; a barred one is refused, with a row in the audit.
pub(crate) async fn permitted(
    app: &App,
    user: UserId,
    source: Source,
    to: &str,
) -> Result<Destination, ApiError> {
    let plan = &app.settings.dial_plan;
    let destination =
        Destination::read(plan, to).map_err(|error| ApiError::field("to", error.to_string()))?;
    if let Err(barred) = app.settings.barring.permit(plan, &destination) {
        refused(app, user, source, &destination).await;
        return Err(ApiError::forbidden_field("to", barred.to_string()));
    }
    Ok(destination)
}

/// Counts a call to a number outside; gives the refusal for a user who has asked for too many, with a row in the audit.
pub(crate) async fn counted(
    app: &App,
    user: UserId,
    source: Source,
    destination: &Destination,
) -> Option<Response> {
    let Destination::Outside { .. } = destination else { return None };
    let wait_ms = app.dial_rate().take(user, app.settings.calls_per_minute, app.now())?;
    refused(app, user, source, destination).await;
    Some(too_many(wait_ms))
}

async fn refused(app: &App, user: UserId, source: Source, destination: &Destination) {
    let number = Some(destination.number().to_owned());
    app.audit(AuditAction::CallBarred, Some(user), number, source).await;
}

/// Why a number that was dialled on a telephone, or asked for by one, is not called: a SIP status and words for the
/// telephone's screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneRefusal {
    /// 403, 404 or 503.
    pub status: u16,
    /// What the telephone shows.
    pub phrase: String,
}

impl PhoneRefusal {
    fn of(error: &ApiError) -> Self {
        let status = match error.status() {
            StatusCode::FORBIDDEN => 403,
            StatusCode::UNPROCESSABLE_ENTITY => 404,
            StatusCode::CONFLICT => 480,
            _ => 503,
        };
        Self { status, phrase: error.detail().to_owned() }
    }
}

/// Permits, counts and audits a number that a user wants on a telephone, as one that is asked for in the interface.
///
/// # Errors
/// What the telephone is told.
pub async fn permit_on_phone(
    app: &App,
    user: UserId,
    address: IpAddr,
    to: &str,
) -> Result<Destination, PhoneRefusal> {
    let source = Source::of_phone(address);
    let permitted = permitted(app, user, source, to).await;
    let destination = permitted.map_err(|error| PhoneRefusal::of(&error))?;
    match counted(app, user, source, &destination).await {
        Some(_) => Err(PhoneRefusal { status: 403, phrase: "Too many calls within a minute".to_owned() }),
        None => Ok(destination),
    }
}

/// Makes the order for a number that a user has dialled on a telephone: the line is the user's own, else the last one
/// with the number, else the only one.
///
/// # Errors
/// What the telephone is told.
pub async fn order_of_phone(
    app: &App,
    user: UserId,
    address: IpAddr,
    to: &str,
) -> Result<DialOrder, PhoneRefusal> {
    let wish = NewCall { to: to.to_owned(), line_id: None, contact_id: None };
    let unreadable = |error: ApiError| PhoneRefusal::of(&error);
    let known = app.store.user(&user.to_string()).await.map_err(|error| unreadable(error.into()))?;
    let known = known.ok_or_else(|| unreadable(ApiError::not_found("user")))?;
    let viewer = Viewer { user_id: user, role: known.role };
    let destination = permit_on_phone(app, user, address, to).await?;
    let line = line_for(app, &viewer, &wish, destination.number()).await.map_err(unreadable)?;
    Ok(order(app, user, &line, &wish, &destination))
}

/// Makes the order for an emergency or short number that a user has dialled on a telephone out of what is in memory: such a
/// call waits for no database. None for any other number, and where there is no line to call out by.
#[must_use]
pub fn order_at_once<'a>(
    app: &App,
    user: UserId,
    lines: impl Iterator<Item = &'a Line>,
    to: &str,
) -> Option<DialOrder> {
    let destination = Destination::read(&app.settings.dial_plan, to).ok()?;
    let line = matches!(destination, Destination::Special(_)).then(|| line_at_once(user, lines)).flatten()?;
    let wish = NewCall { to: to.to_owned(), line_id: None, contact_id: None };
    Some(order(app, user, line, &wish, &destination))
}

/// The user's own line, else that of nobody, else any: whoever calls for help is not asked to choose.
fn line_at_once<'a>(user: UserId, lines: impl Iterator<Item = &'a Line>) -> Option<&'a Line> {
    let rank = |line: &&Line| match (line.account.mode, line.account.user_id) {
        (LineMode::Anchor, Some(owner)) if owner == user => 0,
        (LineMode::Anchor, None) => 1,
        (LineMode::Anchor, Some(_)) => 2,
        (_, Some(owner)) if owner == user => 3,
        (_, _) => 4,
    };
    let calls = lines.filter(|line| line.account.mode != LineMode::Siprec);
    calls.min_by_key(|line| (rank(line), line.id))
}

/// Writes down that a user has called somebody by a telephone.
pub async fn audit_phone(app: &App, user: UserId, address: IpAddr, interaction: InteractionId) {
    let subject = Some(interaction.to_string());
    app.audit(AuditAction::CallDialled, Some(user), subject, Source::of_phone(address)).await;
}

fn order(app: &App, user: UserId, line: &Line, wish: &NewCall, destination: &Destination) -> DialOrder {
    let plan = &app.settings.dial_plan;
    let account = &line.account;
    let kind = match destination {
        Destination::Outside { .. } => CalleeKind::Outside,
        Destination::Inside(_) => CalleeKind::Inside,
        Destination::Special(_) => CalleeKind::Special,
    };
    let caller_id = account.caller_id.as_deref().map(|typed| {
        let read = plan.number(typed);
        read.e164.or(read.extension).unwrap_or(read.number)
    });
    let callee = Callee {
        number: destination.number().to_owned(),
        typed: dialled_part(&wish.to),
        dialled: destination.dialled(plan, account.dial_format, account.dial_prefix.as_deref()),
        kind,
    };
    DialOrder { user, line: line.id, callee, caller_id, contact: wish.contact_id }
}

/// Finds the line that a call goes out by.
async fn line_for(app: &App, viewer: &Viewer, wish: &NewCall, number: &str) -> Result<Line, ApiError> {
    let lines = app.store.lines().await?;
    let usable: Vec<&Line> = lines.iter().filter(|line| may_use(viewer, line)).collect();
    let last = match choose(&usable, viewer.user_id, wish.line_id, None) {
        Choice::Several => last_line(app, wish, number).await?,
        _ => None,
    };
    match choose(&usable, viewer.user_id, wish.line_id, last) {
        Choice::One(line) => Ok(line.clone()),
        Choice::Unknown => Err(ApiError::field("line_id", "there is no such line that you may use")),
        Choice::Nothing => {
            let detail = "there is no line that you may call out by; an administrator adds one";
            Err(ApiError::new(StatusCode::CONFLICT, detail))
        }
        Choice::Several => {
            let choices = usable.iter().map(|line| (line.id.to_string(), line.account.name.clone()));
            Err(ApiError::choose("line_id", "there are several lines; choose one", choices.collect()))
        }
    }
}

/// The line of the last call with the contact, else with the number.
async fn last_line(app: &App, wish: &NewCall, number: &str) -> Result<Option<LineId>, ApiError> {
    let filter = InteractionFilter {
        contact_id: wish.contact_id.map(|contact| contact.to_string()),
        number: wish.contact_id.is_none().then(|| number.to_owned()),
        ..InteractionFilter::default()
    };
    let found = app.store.interactions(&filter, &PageRequest::uncounted(1)).await?;
    Ok(found.items.first().map(|it| it.line_id))
}

/// An agent calls by its own lines and by those of nobody.
fn may_use(viewer: &Viewer, line: &Line) -> bool {
    // By a line that only records nobody is called.
    if line.account.mode == LineMode::Siprec {
        return false;
    }
    match viewer.role {
        Role::Agent => line.account.user_id.is_none_or(|owner| owner == viewer.user_id),
        Role::Supervisor | Role::Admin => true,
    }
}

/// Which line it is.
#[derive(Debug, PartialEq)]
enum Choice<'a> {
    One(&'a Line),
    /// The given one may not be used.
    Unknown,
    /// There is none.
    Nothing,
    /// The user has to say.
    Several,
}

/// The given line, else the user's own, else the contact's last, else the only one.
fn choose<'a>(usable: &[&'a Line], user: UserId, given: Option<LineId>, last: Option<LineId>) -> Choice<'a> {
    let named = |id: LineId| usable.iter().copied().find(|line| line.id == id);
    if let Some(given) = given {
        return named(given).map_or(Choice::Unknown, Choice::One);
    }
    let own: Vec<&Line> = usable.iter().copied().filter(|line| line.account.user_id == Some(user)).collect();
    match (own.as_slice(), last.and_then(named), usable) {
        ([only], _, _) | ([], None, [only]) => Choice::One(only),
        (_, Some(line), _) => Choice::One(line),
        (_, None, []) => Choice::Nothing,
        _ => Choice::Several,
    }
}

fn too_many(wait_ms: i64) -> Response {
    ApiError::too_often(wait_ms, |wait_s| format!("too many calls within a minute; try again in {wait_s} s"))
}

/// The calls that each user has asked for within the last minute.
#[derive(Debug)]
pub(crate) struct DialRate(Recent<UserId>);

impl Default for DialRate {
    fn default() -> Self {
        Self(Recent::within(60_000))
    }
}

impl DialRate {
    /// Counts one more call; says how long to wait when it would be too many.
    fn take(&mut self, user: UserId, limit: u32, now: UtcMillis) -> Option<i64> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let wait_ms = self.0.wait_ms(&user, limit, now);
        if wait_ms.is_none() {
            self.0.add(user, now);
        }
        wait_ms
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use linecard_store::lines::{DialFormat, LineDraft, LineMode};

    use super::*;

    fn named<T: FromStr<Err = linecard_calls::Error>>(n: u128) -> T {
        format!("01900000-0000-7000-8000-{n:012x}").parse().expect("an id")
    }

    fn line(n: u128, owner: Option<u128>) -> Line {
        let account = LineDraft {
            name: format!("Line {n}"),
            server: "pbx".to_owned(),
            username: "100".to_owned(),
            password: String::new(),
            auth_username: None,
            outbound_proxy: None,
            transport: None,
            websocket_path: None,
            mode: LineMode::Anchor,
            user_id: owner.map(named),
            dial_format: DialFormat::Plus,
            dial_prefix: None,
            caller_id: None,
            transfer: linecard_store::lines::LineTransfer::Here,
        };
        Line { id: named(n), account, version: 1, created_at: UtcMillis(1) }
    }

    #[test]
    fn a_call_for_help_takes_the_own_line_else_any_that_can_call() {
        let of_mode = |n, owner, mode| {
            let line = line(n, owner);
            Line { account: LineDraft { mode, ..line.account }, ..line }
        };
        let recorder = of_mode(1, Some(9), LineMode::Siprec);
        let watching = of_mode(2, Some(9), LineMode::DialogInfo);
        let others = line(3, Some(8));
        let nobodys = line(4, None);
        let own = line(5, Some(9));
        let chosen = |lines: &[&Line]| {
            line_at_once(named(9), lines.iter().copied()).map(|line| line.account.name.clone())
        };
        let mut lines = vec![&recorder];
        assert_eq!(chosen(&lines), None);
        for line in [&watching, &others, &nobodys, &own] {
            lines.insert(0, line);
            assert_eq!(chosen(&lines), Some(line.account.name.clone()));
        }
    }

    #[test]
    fn the_given_line_comes_before_the_own_the_contacts_last_and_the_only_one() {
        let lines = [line(1, Some(9)), line(2, None), line(3, None)];
        let all: Vec<&Line> = lines.iter().collect();
        let chosen = |lines: &[&Line], given: Option<u128>, last: Option<u128>| match choose(
            lines,
            named(9),
            given.map(named),
            last.map(named),
        ) {
            Choice::One(line) => line.account.name.clone(),
            other => format!("{other:?}"),
        };
        assert_eq!(chosen(&all, Some(3), Some(2)), "Line 3");
        assert_eq!(chosen(&all, None, Some(2)), "Line 1");
        assert_eq!(chosen(&all[1..], None, Some(2)), "Line 2");
        assert_eq!(chosen(&all[1..], None, Some(7)), "Several");
        assert_eq!(chosen(&all[2..], None, None), "Line 3");
        assert_eq!(chosen(&[], None, None), "Nothing");
        assert_eq!(chosen(&all, Some(7), None), "Unknown");
        let two = [line(1, Some(9)), line(4, Some(9))];
        let two: Vec<&Line> = two.iter().collect();
        assert_eq!(chosen(&two, None, None), "Several");
        assert_eq!(chosen(&two, None, Some(4)), "Line 4");
    }

    #[test]
    fn an_agent_calls_by_its_own_lines_and_by_those_of_nobody() {
        let agent = Viewer { user_id: named(9), role: Role::Agent };
        let supervisor = Viewer { user_id: named(9), role: Role::Supervisor };
        let cases = [(Some(9), true), (None, true), (Some(8), false)];
        for (owner, allowed) in cases {
            assert_eq!(may_use(&agent, &line(1, owner)), allowed, "{owner:?}");
            assert!(may_use(&supervisor, &line(1, owner)));
        }
    }

    #[test]
    fn calls_are_counted_by_user_for_a_minute() {
        let mut rate = DialRate::default();
        let (maria, olga) = (named(1), named(2));
        for at in [0, 10_000] {
            assert_eq!(rate.take(maria, 2, UtcMillis(at)), None);
        }
        assert_eq!(rate.take(maria, 2, UtcMillis(59_000)), Some(1_000));
        assert_eq!(rate.take(olga, 2, UtcMillis(59_000)), None);
        assert_eq!(rate.take(maria, 2, UtcMillis(60_000)), None);
        assert_eq!(rate.take(maria, 2, UtcMillis(60_001)), Some(9_999));
        assert_eq!(rate.take(maria, 2, UtcMillis(-5)), None, "the clock was set back");
    }
}
