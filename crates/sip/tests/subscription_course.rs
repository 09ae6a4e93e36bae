//! Subscriptions (RFC 6665) against a notifier that does what PBXes do, on a clock of the test.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that meets the unexpected fails")]

use std::time::{Duration, Instant};

use linecard_sip::digest::{Credentials, DigestClient};
use linecard_sip::message::{HeaderName, Method, Request, Response, StatusCode};
use linecard_sip::subscription::{
    FailureReason, Input, Output, Subscription, SubscriptionConfig, SubscriptionState, WaitReason,
};
use linecard_sip::uri::{SipUri, Uri};
use proptest::prelude::*;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

const TAG: &str = "notifier";

fn uri(text: &str) -> SipUri {
    match Uri::parse(text.as_bytes()).unwrap() {
        Uri::Sip(uri) => uri,
        other => panic!("{other:?}"),
    }
}

/// A subscription, its clock, and what it has said and not been asked about.
struct World {
    subscription: Subscription,
    digest: DigestClient,
    now: Instant,
    requests: Vec<Request>,
    bodies: Vec<Vec<u8>>,
    notified: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let config = SubscriptionConfig {
            resource: uri("sip:105@pbx.example"),
            address_of_record: uri("sip:105@pbx.example"),
            contact: uri("sip:here@192.0.2.7"),
            outbound_proxy: Some(uri("sip:edge.example")),
            package: "dialog",
            accept: "application/dialog-info+xml",
            expires_s: 600,
        };
        let credentials = Credentials { username: "105".to_owned(), password: "secret".to_owned() };
        Self {
            subscription: Subscription::new(config, ChaCha12Rng::seed_from_u64(seed)),
            digest: DigestClient::new(credentials),
            now: Instant::now(),
            requests: Vec::new(),
            bodies: Vec::new(),
            notified: 0,
        }
    }

    fn started(seed: u64) -> Self {
        let mut world = Self::new(seed);
        world.input(Input::Start);
        world
    }

    fn active(seed: u64) -> Self {
        let mut world = Self::started(seed);
        let asked = world.asked();
        world.grant(&asked, 600);
        assert_eq!(world.notify(&asked, "active;expires=600", b"state"), 200);
        world
    }

    fn input(&mut self, input: Input) {
        self.subscription.handle_input(input, &mut self.digest, self.now);
        self.collect();
    }

    fn collect(&mut self) {
        loop {
            match self.subscription.poll_output() {
                Output::SendRequest(request) => self.requests.push(*request),
                Output::Notified { body } => self.bodies.push(body),
                Output::StateChanged(state) => assert_eq!(state, *self.subscription.state()),
                Output::Timeout { .. } | Output::Idle => return,
            }
        }
    }

    /// The one request that was sent and not looked at.
    fn asked(&mut self) -> Request {
        assert_eq!(self.requests.len(), 1, "{:?}", self.requests);
        self.requests.remove(0)
    }

    fn timer(&mut self) -> Option<Instant> {
        match self.subscription.poll_output() {
            Output::Timeout { at, .. } => Some(at),
            Output::Idle => None,
            other => panic!("{other:?}"),
        }
    }

    /// Waits for the timer and says how long it took.
    fn wait(&mut self) -> Duration {
        let at = self.timer().expect("something is waited for");
        let waited = at.saturating_duration_since(self.now);
        self.now = self.now.max(at);
        self.input(Input::Timeout);
        waited
    }

    fn answer(&mut self, request: &Request, status: u16, headers: &[(HeaderName, &str)]) {
        let mut response = Response::reply_to(request, StatusCode::new(status).unwrap());
        if response.headers.to().unwrap().tag().is_none() {
            response.headers.set_to_tag(TAG);
        }
        for (name, value) in headers {
            response.headers.push(name.clone(), *value);
        }
        self.input(Input::Response(response));
    }

    fn grant(&mut self, request: &Request, expires_s: u32) {
        let expires = expires_s.to_string();
        let headers =
            [(HeaderName::Expires, expires.as_str()), (HeaderName::Contact, "<sip:pbx@192.0.2.1:5070>")];
        self.answer(request, 200, &headers);
    }

    /// Sends a NOTIFY of the request's subscription and returns the status of the answer.
    fn notify(&mut self, request: &Request, state: &str, body: &[u8]) -> u16 {
        self.notified += 1;
        let notify = notify(request, TAG, self.notified, "dialog", state, body);
        self.deliver(&notify)
    }

    fn deliver(&mut self, notify: &Request) -> u16 {
        let response = self.subscription.handle_notify(notify, self.now);
        self.collect();
        response.status.get()
    }

    fn refused_as(&self) -> FailureReason {
        match self.subscription.state() {
            SubscriptionState::Waiting { reason: WaitReason::Refused(reason), .. } => *reason,
            other => panic!("{other:?}"),
        }
    }
}

fn notify(request: &Request, tag: &str, cseq: u32, event: &str, state: &str, body: &[u8]) -> Request {
    let from = request.headers.from_().unwrap();
    let mut notify = Request::new(Method::Notify, Uri::Sip(uri("sip:here@192.0.2.7")));
    let headers = &mut notify.headers;
    headers.push(HeaderName::From, format!("<sip:105@pbx.example>;tag={tag}"));
    headers.push(HeaderName::To, from.to_bytes());
    headers.push(HeaderName::CallId, request.headers.text(&HeaderName::CallId).unwrap().into_owned());
    headers.push(HeaderName::CSeq, format!("{cseq} NOTIFY"));
    headers.push(HeaderName::Contact, "<sip:pbx@192.0.2.1:5070>");
    headers.push(HeaderName::Event, event);
    headers.push(HeaderName::SubscriptionState, state);
    notify.body = body.to_vec();
    notify
}

fn header(request: &Request, name: &HeaderName) -> String {
    request.headers.text(name).unwrap_or_default().into_owned()
}

fn number(request: &Request) -> u32 {
    request.headers.cseq().unwrap().number
}

#[test]
fn it_asks_is_notified_and_refreshes_in_the_dialog() {
    let mut world = World::started(1);
    let asked = world.asked();
    assert_eq!(asked.method, Method::Subscribe);
    assert_eq!(header(&asked, &HeaderName::Event), "dialog");
    assert_eq!(header(&asked, &HeaderName::Accept), "application/dialog-info+xml");
    assert_eq!(header(&asked, &HeaderName::Expires), "600");
    assert_eq!(header(&asked, &HeaderName::Route), "<sip:edge.example;lr>");
    assert_eq!(*world.subscription.state(), SubscriptionState::Asking);
    world.grant(&asked, 300);
    assert_eq!(*world.subscription.state(), SubscriptionState::Asking, "nothing was told yet");
    assert_eq!(world.notify(&asked, "active;expires=300", b"full"), 200);
    assert_eq!(*world.subscription.state(), SubscriptionState::Active);
    assert_eq!(world.bodies, [b"full".to_vec()]);

    let waited = world.wait();
    assert!((150..=270).contains(&waited.as_secs()), "50 to 90 % of what was granted: {waited:?}");
    let refresh = world.asked();
    assert_eq!(refresh.uri.to_string(), "sip:pbx@192.0.2.1:5070", "where the notifier is");
    assert_eq!(refresh.headers.to().unwrap().tag(), Some(TAG));
    assert!(number(&refresh) > number(&asked));
    assert_eq!(header(&refresh, &HeaderName::CallId), header(&asked, &HeaderName::CallId));
    world.grant(&refresh, 300);
    assert_eq!(*world.subscription.state(), SubscriptionState::Active, "also without a notification");
    let again = world.wait();
    assert!(again.as_secs() >= 150, "{again:?}");
}

#[test]
fn a_notification_may_come_before_the_answer() {
    let mut world = World::started(2);
    let asked = world.asked();
    assert_eq!(world.notify(&asked, "active", b"early"), 200);
    assert_eq!(*world.subscription.state(), SubscriptionState::Active);
    world.grant(&asked, 600);
    let waited = world.wait();
    assert!(waited.as_secs() >= 300, "no other notification is due: {waited:?}");
    assert_eq!(world.asked().headers.to().unwrap().tag(), Some(TAG));
}

#[test]
fn granted_without_a_notification_is_asked_for_anew() {
    let mut world = World::started(3);
    let asked = world.asked();
    world.grant(&asked, 600);
    assert_eq!(world.wait(), Duration::from_secs(32));
    assert!(matches!(
        world.subscription.state(),
        SubscriptionState::Waiting { reason: WaitReason::Unreachable { attempts: 1 }, .. }
    ));
    assert_eq!(world.notify(&asked, "active", b"late"), 481, "it was given up");
    let waited = world.wait();
    assert!((2..=4).contains(&waited.as_secs()), "{waited:?}");
    assert_ne!(header(&world.asked(), &HeaderName::CallId), header(&asked, &HeaderName::CallId));
}

#[test]
fn a_challenge_is_answered_once_and_wrong_credentials_wait_long() {
    const CHALLENGE: (HeaderName, &str) = (
        HeaderName::WwwAuthenticate,
        "Digest realm=\"pbx.example\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"",
    );
    let mut world = World::started(4);
    let asked = world.asked();
    world.answer(&asked, 401, &[CHALLENGE]);
    let authorized = world.asked();
    assert!(header(&authorized, &HeaderName::Authorization).contains("username=\"105\""));
    assert_eq!(number(&authorized), number(&asked) + 1);
    world.answer(&authorized, 401, &[CHALLENGE]);
    assert_eq!(world.refused_as(), FailureReason::Credentials);
    let waited = world.wait();
    assert!((300..=600).contains(&waited.as_secs()), "{waited:?}");
}

#[test]
fn each_refusal_waits_in_its_way() {
    for (status, reason) in [
        (489, FailureReason::NoSuchPackage),
        (405, FailureReason::NoSuchPackage),
        (501, FailureReason::NoSuchPackage),
        (403, FailureReason::Forbidden),
        (404, FailureReason::NoSuchResource),
        (400, FailureReason::Rejected { status: 400 }),
    ] {
        let mut world = World::started(5);
        let asked = world.asked();
        world.answer(&asked, status, &[]);
        assert_eq!(world.refused_as(), reason, "{status}");
        let (first, asked) = (world.wait(), world.asked());
        assert!((60..=120).contains(&first.as_secs()), "{status} {first:?}");
        world.answer(&asked, status, &[]);
        let second = world.wait();
        assert!((120..=240).contains(&second.as_secs()), "{status} {second:?}");
    }
    let mut world = World::started(6);
    let asked = world.asked();
    world.answer(&asked, 503, &[(HeaderName::RetryAfter, "90")]);
    let waited = world.wait();
    assert!((90..=100).contains(&waited.as_secs()), "{waited:?}");
}

#[test]
fn a_forgotten_subscription_is_asked_for_anew_at_once() {
    let mut world = World::active(7);
    world.wait();
    let refresh = world.asked();
    world.answer(&refresh, 481, &[]);
    let anew = world.asked();
    assert_eq!(anew.headers.to().unwrap().tag(), None);
    assert_ne!(header(&anew, &HeaderName::CallId), header(&refresh, &HeaderName::CallId));
    world.answer(&anew, 481, &[]);
    assert!(world.requests.is_empty(), "not twice at once");
    assert!(matches!(world.subscription.state(), SubscriptionState::Waiting { .. }));
}

#[test]
fn a_longer_interval_is_taken_on() {
    let mut world = World::started(8);
    let asked = world.asked();
    world.answer(&asked, 423, &[(HeaderName::MinExpires, "1800")]);
    let longer = world.asked();
    assert_eq!(header(&longer, &HeaderName::Expires), "1800");
    world.answer(&longer, 423, &[(HeaderName::MinExpires, "1800")]);
    assert_eq!(world.refused_as(), FailureReason::Rejected { status: 423 }, "the same again is no interval");
}

#[test]
fn the_end_that_a_notifier_tells_decides_what_comes_next() {
    for (state, expected) in [
        ("terminated;reason=timeout", 2..=4),
        ("terminated;reason=deactivated", 2..=4),
        ("terminated", 2..=4),
        ("terminated;reason=probation;retry-after=300", 300..=332),
        ("terminated;reason=rejected", 60..=120),
        ("terminated;reason=noresource", 60..=120),
    ] {
        let mut world = World::active(9);
        let name = world.subscription.dialog_id();
        let asked = Request::new(Method::Subscribe, Uri::Sip(uri("sip:105@pbx.example")));
        let mut asked = asked;
        asked.headers.push(HeaderName::From, format!("<sip:105@pbx.example>;tag={}", name.local_tag));
        asked.headers.push(HeaderName::CallId, name.call_id.as_str());
        assert_eq!(world.notify(&asked, state, b"last"), 200, "{state}");
        assert_eq!(world.bodies.last().map(Vec::as_slice), Some(&b"last"[..]), "{state}");
        let waited = world.wait();
        assert!(expected.contains(&waited.as_secs()), "{state}: {waited:?}");
        assert_eq!(world.asked().headers.to().unwrap().tag(), None, "{state}");
    }
}

#[test]
fn foreign_and_late_notifications_change_nothing() {
    let mut world = World::started(10);
    let asked = world.asked();
    world.grant(&asked, 600);
    let from_notifier = |tag, cseq, event| notify(&asked, tag, cseq, event, "active", b"x");
    assert_eq!(world.deliver(&from_notifier(TAG, 1, "presence")), 489);
    assert_eq!(world.deliver(&from_notifier("fork", 1, "dialog")), 481);
    assert_eq!(world.deliver(&from_notifier(TAG, 5, "Dialog;id=7")), 200);
    assert_eq!(world.deliver(&from_notifier(TAG, 4, "dialog")), 500, "older than the last");
    assert_eq!(world.bodies.len(), 1);
    let without_state = {
        let mut notify = from_notifier(TAG, 6, "dialog");
        notify.headers.remove(&HeaderName::SubscriptionState);
        notify
    };
    assert_eq!(world.deliver(&without_state), 200);
    assert_eq!(*world.subscription.state(), SubscriptionState::Active);
}

#[test]
fn one_that_is_not_wanted_is_given_back() {
    let mut world = World::active(11);
    world.input(Input::Stop);
    let leaving = world.asked();
    assert_eq!(header(&leaving, &HeaderName::Expires), "0");
    world.answer(&leaving, 200, &[]);
    assert_eq!(*world.subscription.state(), SubscriptionState::Ended);
    assert_eq!(world.timer(), None);

    // While the first request is under way.
    let mut world = World::started(12);
    let asked = world.asked();
    world.input(Input::Stop);
    world.grant(&asked, 600);
    assert_eq!(header(&world.asked(), &HeaderName::Expires), "0", "what was granted is given back");
    world.input(Input::TransportFailed);
    assert_eq!(world.requests.len(), 0);
    let mut world = World::started(13);
    let asked = world.asked();
    world.input(Input::Stop);
    world.answer(&asked, 489, &[]);
    world.input(Input::TransportFailed);
    assert_eq!(*world.subscription.state(), SubscriptionState::Ended, "what fails later wakes nothing");
    assert_eq!(world.timer(), None);
}

#[test]
fn a_missed_notification_brings_a_refresh_and_the_whole_state() {
    let mut world = World::active(14);
    world.input(Input::Refresh);
    let refresh = world.asked();
    assert_eq!(refresh.headers.to().unwrap().tag(), Some(TAG));
    world.grant(&refresh, 600);
    assert_eq!(world.wait(), Duration::from_secs(32), "one that does not come is not waited for for ever");
    assert!(matches!(world.subscription.state(), SubscriptionState::Waiting { .. }));
}

proptest! {
    /// Whatever a notifier did, once it does what it should the subscription is on within ten minutes, or within the
    /// wait that a refusal made it take.
    #[test]
    fn it_recovers_from_any_course(seed in 0..1_000_u64, course in prop::collection::vec(0..9_u8, 0..30)) {
        let mut world = World::started(seed);
        for step in course {
            let asked = world.requests.pop();
            prop_assert!(world.requests.is_empty(), "one request at a time");
            match (asked, step) {
                (Some(asked), 0) => world.answer(&asked, 503, &[]),
                (Some(asked), 1) => world.answer(&asked, 481, &[]),
                (Some(asked), 2) => world.grant(&asked, 60),
                (Some(_), 3) => world.input(Input::TimedOut),
                (Some(asked), 4) => {
                    world.notify(&asked, "active;expires=30", b"x");
                    world.grant(&asked, 60);
                }
                (Some(asked), 5) => { world.notify(&asked, "terminated;reason=timeout", b""); }
                (Some(asked), 6) => world.answer(&asked, 407, &[]),
                (Some(_), _) => world.input(Input::TransportFailed),
                (None, 7) => world.input(Input::Refresh),
                (None, 8) => { world.input(Input::Stop); world.input(Input::Start); }
                (None, _) => { if world.timer().is_some() { world.wait(); } }
            }
        }
        let began = world.now;
        for _ in 0..12 {
            if let Some(asked) = world.requests.pop() {
                let zero = header(&asked, &HeaderName::Expires) == "0";
                world.grant(&asked, 600);
                if !zero {
                    world.notify(&asked, "active;expires=600", b"x");
                }
            } else if *world.subscription.state() == SubscriptionState::Active {
                break;
            } else if world.timer().is_some() {
                world.wait();
            } else {
                world.input(Input::Start);
            }
        }
        prop_assert_eq!(world.subscription.state(), &SubscriptionState::Active);
        let took = world.now - began;
        prop_assert!(took <= Duration::from_secs(3_600), "{:?}", took);
    }
}
