//! `GET /api/v1/events`: hello, log-in, snapshot or what was missed, then the stream.
//!
//! The protocol of one socket; what the frames mean and their order are the reactor's.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use linecard_calls::{Cursor, Frame, Viewer};
use linecard_store::frames::FrameRow;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout, timeout_at};
use utoipa::IntoParams;

use crate::auth::{Session, Token, cookie_token};
use crate::extract::Query;
use crate::metrics::CountedBrowser;
use crate::port::{Command, NumberedFrame, Start, Subscription};
use crate::stream::Ended;
use crate::{ApiError, App};

/// How often each side says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a socket without a log-in may stay.
const LOG_IN_WITHIN: Duration = Duration::from_secs(5);
/// How long one frame may take to leave before the browser counts as stuck.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// The largest frame a browser may send, in bytes.
const FRAME_MAX: usize = 16 * 1024;
/// tungstenite reserves 128 KiB a socket by default; what browsers send is small.
const READ_BUFFER: usize = 4 * 1024;
/// Frames read from the database at a time.
const CHUNK: u32 = 500;

/// Why the server closes a socket, as the outside contract numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Close {
    /// The browser left, or the connection broke.
    Gone,
    NoLogin,
    WrongLogin,
    Expired,
    Protocol,
    TooSlow,
    Stopping,
}

impl Close {
    fn frame(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Gone => return None,
            Self::NoLogin => (4001, "log in within 5 s"),
            Self::WrongLogin => (4002, "this token opens no session"),
            Self::Expired => (4003, "the session is over; log in again"),
            Self::Protocol => (4004, "not a frame of this protocol"),
            Self::TooSlow => (4008, "too slow; reconnect and resume"),
            Self::Stopping => (1001, "the server is stopping"),
        };
        Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) })
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum FromBrowser {
    #[serde(rename = "auth")]
    Auth { token: String, cursor: Option<String> },
    #[serde(rename = "resume")]
    Resume { cursor: String },
    #[serde(rename = "heartbeat")]
    Heartbeat {},
    #[serde(rename = "pop.ack")]
    PopAck { pop_id: String, version: u64, rendered_ms: u64 },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum FromServer<'a> {
    Hello { session: &'a str, epoch: &'a str, heartbeat_ms: u128 },
    Snapshot { cursor: &'a Cursor, seq: u64, data: &'a linecard_calls::Snapshot },
    Heartbeat {},
}

/// Upgrades to the events WebSocket: `hello`, then a snapshot or the frames after `cursor`, then the stream.
///
/// Without the cookie the first frame is `auth` with a token, within 5 s.
#[utoipa::path(
    get, path = "/api/v1/events",
    params(EventsQuery),
    responses(
        (status = SWITCHING_PROTOCOLS, description = "The socket is open."),
        (status = BAD_REQUEST, description = "No WebSocket handshake (RFC 6455 section 4)."),
        (status = FORBIDDEN, description = "The page's origin is not allowed."),
        (status = UPGRADE_REQUIRED, description = "The connection cannot be upgraded."),
    ),
    security(()),
)]
pub(crate) async fn events(
    State(app): State<App>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let origin = text(header::ORIGIN);
    if let Some(origin) = origin
        && !app.allows_origin(origin, text(header::HOST))
    {
        let detail = "this page's origin is not allowed; set server.public_url or server.allowed_origins";
        return ApiError::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(refused) => return ApiError::new(refused.status(), refused.body_text()).into_response(),
    };
    // Without an Origin no browser vouches for the page: then the cookie does not count.
    let token = origin.and_then(|_| cookie_token(&headers));
    upgrade.max_message_size(FRAME_MAX).max_frame_size(FRAME_MAX).read_buffer_size(READ_BUFFER).on_upgrade(
        async move |socket| {
            let _counted = CountedBrowser::new(Arc::clone(&app.traffic));
            let mut desk = Desk { app, socket };
            if let Some(frame) = desk.serve(token, query.cursor).await.frame() {
                let _ = timeout(SEND_WITHIN, desk.socket.send(Message::Close(Some(frame)))).await;
            }
        },
    )
}

/// One browser.
struct Desk {
    app: App,
    socket: WebSocket,
}

/// Somebody logged in, and until when.
struct LoggedIn {
    session: Session,
    until: Instant,
}

impl Desk {
    async fn serve(&mut self, cookie: Option<Token>, cursor: Option<String>) -> Close {
        match self.converse(cookie, cursor).await {
            Ok(never) => match never {},
            Err(close) => close,
        }
    }

    async fn converse(
        &mut self,
        cookie: Option<Token>,
        cursor: Option<String>,
    ) -> Result<std::convert::Infallible, Close> {
        self.hello().await?;
        let from_cookie = match cookie {
            Some(token) => self.log_in(token).await?,
            None => None,
        };
        let (mut who, cursor) = match from_cookie {
            Some(who) => (who, cursor),
            None => self.await_log_in(cursor).await?,
        };
        let mut subscription = self.subscribe(&who, cursor.as_deref()).await?;
        let mut beat = tokio::time::interval(HEARTBEAT);
        beat.reset();
        loop {
            tokio::select! {
                frame = subscription.stream.next() => match frame {
                    Ok(frame) => self.send_text(frame.text.clone()).await?,
                    Err(Ended::TooSlow) => return Err(Close::TooSlow),
                    Err(Ended::Stopping) => return Err(Close::Stopping),
                },
                heard = self.socket.recv() => match parse(heard)? {
                    None | Some(FromBrowser::Heartbeat {}) => {}
                    Some(FromBrowser::Auth { token, .. }) => {
                        let token = Token::of_text(&token).ok_or(Close::WrongLogin)?;
                        let again = self.log_in(token).await?.ok_or(Close::WrongLogin)?;
                        if again.session.user.id != who.session.user.id {
                            return Err(Close::WrongLogin);
                        }
                        self.go_on_as(again, &mut who, &mut subscription).await?;
                    }
                    Some(FromBrowser::Resume { cursor }) => {
                        subscription = self.subscribe(&who, Some(&cursor)).await?;
                    }
                    Some(FromBrowser::PopAck { pop_id, version, rendered_ms }) => {
                        let user = who.session.user.id;
                        self.app.reactor.tell(Command::PopDrawn { user, pop_id, version, rendered_ms });
                    }
                },
                _ = beat.tick() => {
                    // A session that was closed elsewhere ends here within one heartbeat.
                    let again = self.log_in(who.session.token.clone()).await?.ok_or(Close::Expired)?;
                    self.go_on_as(again, &mut who, &mut subscription).await?;
                    self.send(&FromServer::Heartbeat {}).await?;
                }
                () = tokio::time::sleep_until(who.until) => return Err(Close::Expired),
            }
        }
    }

    /// Goes on with a session of the same user; one who may see more or less than before begins anew.
    async fn go_on_as(
        &mut self,
        again: LoggedIn,
        who: &mut LoggedIn,
        subscription: &mut Subscription,
    ) -> Result<(), Close> {
        if again.session.viewer() != who.session.viewer() {
            *subscription = self.subscribe(&again, None).await?;
        }
        *who = again;
        Ok(())
    }

    async fn hello(&mut self) -> Result<(), Close> {
        let session = Token::make().map_err(|_| Close::Stopping)?.hash();
        let session = session.get(..16).unwrap_or_default();
        let epoch = self.app.settings.epoch.clone();
        self.send(&FromServer::Hello { session, epoch: &epoch, heartbeat_ms: HEARTBEAT.as_millis() }).await
    }

    async fn await_log_in(&mut self, cursor: Option<String>) -> Result<(LoggedIn, Option<String>), Close> {
        let deadline = Instant::now() + LOG_IN_WITHIN;
        loop {
            let heard = timeout_at(deadline, self.socket.recv()).await.map_err(|_| Close::NoLogin)?;
            match parse(heard)? {
                Some(FromBrowser::Auth { token, cursor: own }) => {
                    let token = Token::of_text(&token).ok_or(Close::WrongLogin)?;
                    let who = self.log_in(token).await?.ok_or(Close::WrongLogin)?;
                    return Ok((who, own.or(cursor)));
                }
                None | Some(FromBrowser::Heartbeat {}) => {}
                Some(FromBrowser::Resume { .. } | FromBrowser::PopAck { .. }) => return Err(Close::NoLogin),
            }
        }
    }

    async fn log_in(&mut self, token: Token) -> Result<Option<LoggedIn>, Close> {
        let session = Session::of_token(&self.app, token).await.map_err(|_| Close::TooSlow)?;
        Ok(session.map(|session| {
            let left = session.open.expires_at.since_ms(self.app.now());
            let until = Instant::now() + Duration::from_millis(u64::try_from(left).unwrap_or(0));
            LoggedIn { session, until }
        }))
    }

    async fn subscribe(&mut self, who: &LoggedIn, cursor: Option<&str>) -> Result<Subscription, Close> {
        let cursor: Option<Cursor> = cursor.map(str::parse).transpose().map_err(|_| Close::Protocol)?;
        let viewer = who.session.viewer();
        let subscription = self.ask(viewer, cursor).await?;
        match &subscription.start {
            Start::Snapshot { snapshot, cursor } => {
                self.send(&FromServer::Snapshot { cursor, seq: cursor.seq, data: snapshot }).await?;
            }
            Start::Recent(frames) => self.forward_all(frames).await?,
            Start::Stored { epoch, after, until, recent } => {
                if !self.forward_stored(epoch, *after, *until, &viewer).await? {
                    // Some of what was missed is gone: everything as it stands now instead, never a mixture.
                    let fresh = self.ask(viewer, None).await?;
                    if let Start::Snapshot { snapshot, cursor } = &fresh.start {
                        self.send(&FromServer::Snapshot { cursor, seq: cursor.seq, data: snapshot }).await?;
                    }
                    return Ok(fresh);
                }
                self.forward_all(recent).await?;
            }
        }
        Ok(subscription)
    }

    async fn ask(&mut self, viewer: Viewer, cursor: Option<Cursor>) -> Result<Subscription, Close> {
        let answer = self.app.reactor.ask(|reply| Command::Subscribe { viewer, cursor, reply }).await;
        answer.map_err(|_| Close::Stopping)
    }

    /// Sends frames from the database and tells whether none that was asked for is missing there.
    async fn forward_stored(
        &mut self,
        epoch: &str,
        after: u64,
        until: u64,
        viewer: &Viewer,
    ) -> Result<bool, Close> {
        let (Ok(mut after), Ok(until)) = (i64::try_from(after), i64::try_from(until)) else {
            return Ok(false);
        };
        let store = self.app.store.clone();
        match store.frames_floor(epoch).await {
            Ok(Some(floor)) if floor <= after => {}
            _ => return Ok(false),
        }
        let mut rows: Vec<FrameRow> = Vec::new();
        loop {
            let Ok(chunk) = store.frames_between(epoch, after, until, CHUNK).await else {
                return Ok(false);
            };
            let Some(last) = chunk.last() else { break };
            after = last.seq;
            rows.extend(chunk);
        }
        if after != until {
            return Ok(false);
        }
        for row in rows {
            let visible =
                serde_json::from_str::<Frame>(&row.frame).is_ok_and(|frame| frame.event.visible_to(viewer));
            if visible {
                self.send_text(row.frame.into()).await?;
            }
        }
        Ok(true)
    }

    async fn forward_all(&mut self, frames: &[Arc<NumberedFrame>]) -> Result<(), Close> {
        for frame in frames {
            self.send_text(frame.text.clone()).await?;
        }
        Ok(())
    }

    async fn send(&mut self, frame: &FromServer<'_>) -> Result<(), Close> {
        let text = serde_json::to_string(frame).map_err(|_| Close::Stopping)?;
        self.send_text(text.into()).await
    }

    async fn send_text(&mut self, text: Utf8Bytes) -> Result<(), Close> {
        match timeout(SEND_WITHIN, self.socket.send(Message::Text(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Close::Gone),
            Err(_) => Err(Close::TooSlow),
        }
    }
}

/// Reads what a browser sent; `None` for what needs no answer from here.
fn parse(heard: Option<Result<Message, axum::Error>>) -> Result<Option<FromBrowser>, Close> {
    match heard {
        None | Some(Err(_) | Ok(Message::Close(_))) => Err(Close::Gone),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Ok(Message::Binary(_))) => Err(Close::Protocol),
        Some(Ok(Message::Text(text))) => serde_json::from_str(&text).map(Some).map_err(|_| Close::Protocol),
    }
}
