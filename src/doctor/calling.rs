//! The account called by itself: placed as a test, cancelled when somewhere a telephone rings, never answered.
//!
//! Our own contact keeps silent at first, so that a 180 is another phone's; when none comes it rings by itself, which
//! shows whether the PBX tells the caller.

use std::time::{Duration, Instant};

use linecard_sip::invite::DialogHandle;
use linecard_sip::message::{Header, HeaderName, Message, Method, ReasonValue, Request};
use linecard_sip::sdp::{LocalAudio, LocalSession};
use linecard_sip::ua::{CallerId, Event, LineId, OutgoingInvite, Route};
use linecard_sip::uri::{SipUri, Uri, escape_user};
use linecard_web::doctor::{Account, Language, TestCall};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::called::{Mark, is_test_call};
use super::chart::Chart;
use super::reach::Server;
use super::session::{LINE, Session};

/// How long a telephone may take until it rings.
const RINGS_WITHIN: Duration = Duration::from_secs(6);
/// How long our contact keeps silent when it is called, so that another phone is heard first.
const SILENT_FOR: Duration = Duration::from_secs(2);
/// How long after a ring elsewhere our contact may be called: a PBX may tell of a ring before it has rung anybody.
const FORK_WITHIN: Duration = Duration::from_millis(700);
/// How long after our own 180 the caller may take to be told of it.
const TOLD_WITHIN: Duration = Duration::from_secs(2);
/// How long the end of the call is waited for: a PBX that answered nothing at all is given up by then (timer B).
const OVER_WITHIN: Duration = Duration::from_secs(34);
/// How long the CANCEL may take to come to our contact after the call is over.
const FORK_OVER_WITHIN: Duration = Duration::from_secs(1);
/// Sent along to see whether a PBX hands it on; it says nothing that a phone obeys.
pub(super) const CALL_INFO_PURPOSE: &str = "x-linecard-test";
/// Our contact does not take the call; it ends no other fork.
const NOT_TAKEN: u16 = 480;

/// The call as it stands.
#[derive(Debug, Default)]
pub(super) struct Ringing {
    caller: Caller,
    fork: Fork,
    /// How our contact knows the call again.
    pub(super) mark: Option<Mark>,
}

/// The leg that calls.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Caller {
    #[default]
    Idle,
    Calling(DialogHandle),
    /// The PBX says that it rings.
    Rings(DialogHandle),
    /// It is cancelled, or hung up.
    Leaving(DialogHandle),
    Over,
}

/// The leg that is called: our contact's.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Fork {
    #[default]
    None,
    Called {
        handle: DialogHandle,
        at: Instant,
    },
    Over,
}

impl Caller {
    fn handle(self) -> Option<DialogHandle> {
        match self {
            Self::Calling(handle) | Self::Rings(handle) | Self::Leaving(handle) => Some(handle),
            Self::Idle | Self::Over => None,
        }
    }
}

impl Ringing {
    fn is_decided(&self) -> bool {
        !matches!(self.caller, Caller::Calling(_))
    }

    fn has_waited_for_others(&self) -> bool {
        matches!(self.fork, Fork::Called { at, .. } if at.elapsed() >= SILENT_FOR)
    }
}

/// What stands on the telephone's display.
pub(super) fn display_name(language: Language) -> &'static str {
    match language {
        Language::En => "Linecard test",
        Language::Ru => "Linecard: проверка",
    }
}

impl Session {
    /// Calls the account by itself until it rings, is refused, or nothing comes of it; nothing of it is left behind.
    ///
    /// # Errors
    /// When the system gives no socket, or the account cannot be called at all.
    pub(super) async fn call_itself(
        &mut self,
        account: &Account,
        server: &Server,
        chart: &Chart,
    ) -> anyhow::Result<()> {
        let TestCall::Yes(language) = account.test_call else { return Ok(()) };
        // Sound that a phone sends although nobody answers comes to somebody who takes it, and is thrown away.
        let sound = UdpSocket::bind((self.flow().local.ip(), 0)).await?;
        let offer =
            LocalSession::new(1).offer(&LocalAudio::new(self.told_address(), sound.local_addr()?.port()));
        let target =
            SipUri { user: Some(escape_user(&account.username)), ..SipUri::new(server.host.clone()) };
        let target = SipUri { port: server.port, ..target };
        let info = format!("<sip:{}>;purpose={CALL_INFO_PURPOSE}", server.host);
        let invite = OutgoingInvite {
            target: Uri::from(target),
            route: Route::Line(LineId::new(LINE)),
            caller: CallerId { display: Some(display_name(language).to_owned()), user: None },
            headers: vec![Header { name: HeaderName::from("Call-Info"), value: info.into_bytes() }],
            offer: Some(offer.to_bytes()),
            beside: None,
        };
        let handle = self.agent.invite(invite, Instant::now())?;
        self.ringing.caller = Caller::Calling(handle);
        self.pump();
        let asked =
            self.transcript.entries().iter().rev().find(|entry| entry.asks(&Method::Invite).is_some());
        let call_id = asked.and_then(|entry| entry.headers().call_id().ok()).unwrap_or_default().to_owned();
        let (display, username) = (display_name(language).to_owned(), account.username.clone());
        self.ringing.mark = Some(Mark { call_id, display, username });
        tokio::select! {
            () = self.listen_for_ringing() => {}
            () = chart.left() => {}
        }
        self.give_up_call().await;
        Ok(())
    }

    async fn listen_for_ringing(&mut self) {
        let settled =
            |session: &Self| session.ringing.is_decided() || session.ringing.has_waited_for_others();
        let begun = Instant::now();
        while !settled(self) && begun.elapsed() < RINGS_WITHIN {
            self.until(Duration::from_millis(100), settled).await;
        }
        if matches!(self.ringing.caller, Caller::Rings(_)) {
            let decided = |session: &Self| {
                session.ringing.fork != Fork::None || !matches!(session.ringing.caller, Caller::Rings(_))
            };
            self.until(FORK_WITHIN, decided).await;
        } else if let (false, Fork::Called { handle, .. }) = (self.ringing.is_decided(), self.ringing.fork) {
            let _ = self.agent.ring(handle, 180, None, Instant::now());
            self.pump();
            self.until(TOLD_WITHIN, |session| session.ringing.is_decided()).await;
        }
    }

    /// Cancels the call if it still goes on, and waits for its end: 487, or a late answer that is hung up.
    pub(super) async fn give_up_call(&mut self) {
        if let Caller::Calling(handle) | Caller::Rings(handle) = self.ringing.caller {
            // A phone that understands it writes no missed call down (RFC 3326).
            let reason = ReasonValue {
                protocol: "SIP".into(),
                cause: Some(200),
                text: Some("Call completed elsewhere".into()),
            };
            self.ringing.caller = Caller::Leaving(handle);
            let _ = self.agent.cancel(handle, Some(&reason), Instant::now());
            self.pump();
        }
        self.until(OVER_WITHIN, Self::is_call_over).await;
        self.until(FORK_OVER_WITHIN, |session| !matches!(session.ringing.fork, Fork::Called { .. })).await;
        if let Fork::Called { handle, .. } = self.ringing.fork {
            let _ = self.agent.reject(handle, NOT_TAKEN, None, Instant::now());
            self.pump();
        }
    }

    /// Tells whether nothing of the call is left: a BYE that was sent is answered, too.
    fn is_call_over(&self) -> bool {
        let bye = |answered: bool| {
            self.transcript.entries().iter().any(|entry| match answered {
                true => entry.answers(&Method::Bye).is_some(),
                false => entry.asks(&Method::Bye).is_some(),
            })
        };
        self.ringing.caller.handle().is_none() && (!bye(false) || bye(true))
    }

    /// An event of a leg: the test call's, or a call that comes meanwhile.
    pub(super) fn call_event(&mut self, event: Event) {
        let now = Instant::now();
        let is_caller = |session: &Self, handle| session.ringing.caller.handle() == Some(handle);
        match event {
            Event::InviteReceived { handle, request, .. } => self.rung(handle, &request),
            Event::Progress { handle, status: 180 | 183, .. }
                if self.ringing.caller == Caller::Calling(handle) =>
            {
                self.ringing.caller = Caller::Rings(handle);
            }
            Event::Answered { handle, .. } if is_caller(self, handle) => {
                self.ringing.caller = Caller::Leaving(handle);
                let _ = self.agent.bye(handle, None, now);
            }
            Event::Cancelled { handle, .. }
            | Event::Rejected { handle, .. }
            | Event::Ended { handle, .. } => {
                if is_caller(self, handle) {
                    self.ringing.caller = Caller::Over;
                } else if matches!(self.ringing.fork, Fork::Called { handle: own, .. } if own == handle) {
                    self.ringing.fork = Fork::Over;
                }
            }
            _ => {}
        }
    }

    /// Our contact is called: by us, then it listens; by somebody else, then the call is left to the other contacts.
    fn rung(&mut self, handle: DialogHandle, request: &Request) {
        let is_ours = self.ringing.mark.as_ref().is_some_and(|mark| is_test_call(request, mark));
        if is_ours && self.ringing.fork == Fork::None {
            self.ringing.fork = Fork::Called { handle, at: Instant::now() };
        } else {
            let _ = self.agent.reject(handle, NOT_TAKEN, None, Instant::now());
        }
    }

    /// The call came to the account's line, which goes on beside this look.
    pub(super) fn called_at_line(&mut self, request: Request) {
        let message = Message::Request(request);
        self.heard(&message.to_bytes(), message);
    }
}

/// Waits for the next call that came to the line; for ever when none can come.
pub(super) async fn next_at_line(calls: &mut Option<mpsc::Receiver<Request>>) -> Request {
    match calls {
        Some(receiver) => match receiver.recv().await {
            Some(request) => request,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}
