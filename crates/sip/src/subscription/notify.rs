//! What a NOTIFY says (RFC 6665 sections 4.1.3 and 4.1.4).

use std::time::Instant;

use super::machine::Subscription;
use super::state::{FailureReason, Output, SubscriptionState};
use crate::message::{HeaderName, Params, Request, Response, StatusCode};

impl Subscription {
    /// Takes a NOTIFY that names the subscription by Call-ID and our tag, and returns the answer to it.
    pub fn handle_notify(&mut self, notify: &Request, now: Instant) -> Response {
        let status = self.accept(notify);
        let mut response = Response::reply_to(notify, status);
        if status == StatusCode::BAD_EVENT {
            response.headers.set(HeaderName::AllowEvents, self.config.package);
        }
        if status != StatusCode::OK {
            return response;
        }
        if !notify.body.is_empty() {
            self.outputs.push_back(Output::Notified { body: notify.body.to_vec() });
        }
        // A notifier of before RFC 3265 leaves it out, and its subscription is on.
        let (word, params) =
            notify.headers.subscription_state().unwrap_or_else(|| ("active".to_owned(), Params::new()));
        self.stand(&word, &params, now);
        response
    }

    /// Returns 200 for a notification of this subscription, in its turn.
    fn accept(&mut self, notify: &Request) -> StatusCode {
        let event = notify.headers.text(&HeaderName::Event).unwrap_or_default();
        let package = event.split(';').next().unwrap_or_default().trim();
        if !package.eq_ignore_ascii_case(self.config.package) {
            return StatusCode::BAD_EVENT;
        }
        if !self.is_asked_for() || !self.adopt(notify) {
            return StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        }
        let Some(dialog) = &mut self.dialog else {
            return StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        };
        // Another branch of a SUBSCRIBE that was forked.
        if notify.headers.from_().ok().and_then(|from| from.tag().map(str::to_owned)).unwrap_or_default()
            != dialog.id.remote_tag
        {
            return StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        }
        match notify.headers.cseq() {
            Ok(cseq) if dialog.receive(cseq.number).is_ok() => {
                dialog.refresh_target(&notify.headers);
                StatusCode::OK
            }
            _ => StatusCode::SERVER_INTERNAL_ERROR,
        }
    }

    fn stand(&mut self, word: &str, params: &Params, now: Instant) {
        let seconds = |name: &str| params.get(name).and_then(|seconds| seconds.trim().parse().ok());
        match word {
            "terminated" => self.ended(params.get("reason").unwrap_or_default(), seconds("retry-after"), now),
            word => {
                let pending = word == "pending";
                let state = if pending { SubscriptionState::Pending } else { SubscriptionState::Active };
                if !self.is_given_up() {
                    self.told(state);
                }
                if let Some(left_s) = seconds("expires") {
                    self.kept_for(left_s, now);
                }
            }
        }
    }

    /// Section 4.1.3: each reason asks for another way to go on.
    fn ended(&mut self, reason: &str, retry_after_s: Option<u32>, now: Instant) {
        if self.is_given_up() {
            return self.rest();
        }
        match reason.to_ascii_lowercase().as_str() {
            "rejected" => self.fail(FailureReason::Forbidden, retry_after_s, now),
            "noresource" | "invariant" => self.fail(FailureReason::NoSuchResource, retry_after_s, now),
            "probation" | "giveup" => self.unavailable(retry_after_s, now),
            // "deactivated", "timeout", none.
            _ => self.ask_again_soon(now),
        }
    }
}
