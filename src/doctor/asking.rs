//! What a session asks its server: what it can do (OPTIONS), and to be told of the account's calls (RFC 4235).

use std::time::{Duration, Instant};

use linecard_sip::dialog_info::DialogInfo;
use linecard_sip::digest::{Attempt, Credentials, DigestClient};
use linecard_sip::message::{CSeq, HeaderName, Message, Method, NameAddr, Request, Response, Via};
use linecard_sip::subscription::{SubscriptionState, WaitReason};
use linecard_sip::ua::{LineId, SubscriptionHandle};
use linecard_sip::uri::{Host, SipUri, Uri, escape_user};
use linecard_web::doctor::Account;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::RngCore;

use super::reach::Server;
use super::session::{DialogsTold, LINE, Session};
use super::watched::Watched;
use crate::chance;

/// How long is waited for what a PBX tells of calls.
const TOLD_WITHIN: Duration = Duration::from_secs(4);
/// How long after the account's call its end may take to be told.
const END_TOLD_WITHIN: Duration = Duration::from_millis(1_500);
/// How often an OPTIONS is sent, and how long after each an answer is waited for.
const ASKED: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

impl Session {
    /// Asks the server itself, no user of it, what it can do; none when it does not answer. A challenge is answered.
    pub(super) async fn ask_options(&mut self, account: &Account, server: &Server) -> Option<Response> {
        let mut rng = chance::generator().ok()?;
        let username = account.auth_username.clone().unwrap_or_else(|| account.username.clone());
        let mut digest = DigestClient::new(Credentials { username, password: account.password.clone() });
        let mut attempt = Attempt::default();
        let mut request = self.options_request(account, server, &mut rng);
        loop {
            let (branch, message) = self.signed(&mut request, &mut rng);
            let answer = self.ask(&branch, &message).await?;
            let challenged = matches!(answer.status.get(), 401 | 407);
            if !challenged || digest.answer(&mut attempt, &mut request, &answer, &mut rng).is_err() {
                return Some(answer);
            }
        }
    }

    /// Sends a request until it has a final answer or the patience is over.
    async fn ask(&mut self, branch: &str, message: &[u8]) -> Option<Response> {
        let answered = |session: &Self| session.transcript.final_answer(branch).is_some();
        for patience in ASKED {
            self.transmit(self.flow(), message.to_vec());
            if self.until(patience, answered).await {
                break;
            }
            if self.flow().transport.reliable() {
                self.until(patience * 2, answered).await;
                break;
            }
        }
        self.transcript.final_answer(branch).cloned()
    }

    fn options_request(&self, account: &Account, server: &Server, rng: &mut ChaCha12Rng) -> Request {
        let flow = self.flow();
        let target = SipUri { port: server.port, ..SipUri::new(server.host.clone()) };
        let mut request = Request::new(Method::Options, Uri::from(target.clone()));
        let own = SipUri { user: Some(escape_user(&account.username)), ..target.clone() };
        let from = NameAddr::new(Uri::from(own)).to_bytes();
        let headers = &mut request.headers;
        headers.push(HeaderName::From, [&from[..], format!(";tag={}", token(rng)).as_bytes()].concat());
        headers.push(HeaderName::To, NameAddr::new(Uri::from(target)).to_bytes());
        headers.push(HeaderName::CallId, token(rng));
        headers.push(HeaderName::MaxForwards, "70");
        if let Some(proxy) = &account.outbound_proxy {
            headers.push(HeaderName::Route, format!("<sip:{proxy};lr>"));
        }
        let own = format!("<sip:{}@{};transport={}>", self.contact_user, flow.local, flow.transport);
        headers.push(HeaderName::Contact, own);
        headers.push(HeaderName::Accept, "application/sdp");
        request
    }

    /// Gives a request the next number and a branch of its own; returns the branch and the request as bytes.
    fn signed(&self, request: &mut Request, rng: &mut ChaCha12Rng) -> (String, Vec<u8>) {
        let flow = self.flow();
        let number = request.headers.cseq().map_or(1, |cseq| cseq.number.saturating_add(1));
        request.headers.set(HeaderName::CSeq, CSeq { number, method: Method::Options }.to_string());
        let branch = format!("z9hG4bK{}", token(rng));
        let mut via = Via::new(flow.transport.as_via(), Host::from(flow.local.ip()), Some(flow.local.port()));
        via.set_branch(&branch);
        via.set_rport(None);
        request.headers.remove(&HeaderName::Via);
        request.headers.push_front(HeaderName::Via, via.to_bytes());
        (branch, Message::Request(request.clone()).to_bytes())
    }

    /// Asks to be told of the account's calls; none when that cannot be asked.
    pub(super) async fn ask_dialogs(&mut self, account: &Account) -> Option<SubscriptionHandle> {
        let line = LineId::new(LINE);
        let handle = self.agent.subscribe_dialogs(&line, &account.username, Instant::now()).ok()?;
        self.pump();
        let is_over =
            |dialogs: &DialogsTold| !matches!(dialogs, DialogsTold::Unanswered | DialogsTold::Silent);
        self.until(TOLD_WITHIN, |session| is_over(&session.dialogs)).await;
        Some(handle)
    }

    /// Gives the subscription back, after what it still has to tell of a call that is over.
    pub(super) async fn stop_dialogs(&mut self, handle: SubscriptionHandle) {
        let watched = |session: &Self| Watched::read(session.transcript.entries());
        if watched(self).live.is_some() {
            self.until(END_TOLD_WITHIN, |session| watched(session).ended.is_some()).await;
        }
        self.agent.unsubscribe(handle, Instant::now());
        self.pump();
        let given_back = |session: &Self| session.agent.subscription_count() == 0;
        self.until(Duration::from_secs(1), given_back).await;
    }

    pub(super) fn told_of_dialogs(&mut self, body: &[u8]) {
        self.dialogs = match DialogInfo::parse(body) {
            Ok(told) => {
                let count = told.dialogs.iter().filter(|dialog| !dialog.is_over()).count();
                let before = if let DialogsTold::Calls(before) = self.dialogs { before } else { 0 };
                DialogsTold::Calls(count.max(before))
            }
            Err(error) => DialogsTold::Unreadable(error.to_string()),
        };
    }

    pub(super) fn subscription_changed(&mut self, state: SubscriptionState) {
        match state {
            SubscriptionState::Active | SubscriptionState::Pending
                if self.dialogs == DialogsTold::Unanswered =>
            {
                self.dialogs = DialogsTold::Silent;
            }
            SubscriptionState::Waiting { reason: WaitReason::Refused(reason), .. } => {
                self.dialogs = DialogsTold::Refused(reason);
            }
            _ => {}
        }
    }
}

fn token(rng: &mut ChaCha12Rng) -> String {
    format!("{:016x}", rng.next_u64())
}
