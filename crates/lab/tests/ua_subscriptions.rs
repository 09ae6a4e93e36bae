//! Subscriptions of a user agent's lines at a PBX that tells of its extensions, over a good and a bad network.

#[cfg(test)]
mod ua_world;

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use linecard_lab::SimNet;
use linecard_sip::dialog_info::{DialogInfo, DialogState};
use linecard_sip::message::{HeaderName, Message, Method, Request};
use linecard_sip::subscription::SubscriptionState;
use linecard_sip::ua::{Event, LineId, SubscriptionHandle};
use linecard_sip::uri::Uri;
use ua_world::{Outbox, Phone, Scripted, bad_network, response, with_seeds};

const PBX: &str = "10.0.0.5:5060";
const HERE: &str = "10.0.0.1:5060";

/// A PBX that grants every subscription and tells at once that the extension rings.
fn pbx(expires_s: u32) -> Scripted {
    let address = PBX.parse().expect("an address");
    Scripted::new(PBX, move |message, out: &mut Outbox| {
        let Message::Request(request) = message else { return };
        let mut answer = response(request, 200, "pbx", address);
        match request.method {
            Method::Register => {
                let contact = request.headers.get_all(&HeaderName::Contact).next().map(<[u8]>::to_vec);
                contact.into_iter().for_each(|contact| answer.headers.push(HeaderName::Contact, contact));
                out.reply(0, &answer);
            }
            Method::Subscribe => {
                let over = request.headers.expires() == Some(0);
                let granted = if over { 0 } else { expires_s };
                answer.headers.set(HeaderName::Expires, granted.to_string());
                answer.headers.set(HeaderName::Contact, format!("<sip:pbx@{PBX}>"));
                out.reply(0, &answer);
                let state = if over {
                    "terminated;reason=timeout".to_owned()
                } else {
                    format!("active;expires={granted}")
                };
                out.request(5, &told(request, &state));
            }
            _ => {}
        }
    })
}

/// What a PBX knows that forgets all of it at a restart.
#[derive(Default)]
struct Known {
    contacts: HashSet<Vec<u8>>,
    subscriptions: HashSet<String>,
}

/// A PBX that tells who is bound, and refuses to refresh what it does not know.
fn forgetful(known: &Rc<RefCell<Known>>) -> Scripted {
    let (known, address) = (Rc::clone(known), PBX.parse().expect("an address"));
    Scripted::new(PBX, move |message, out: &mut Outbox| {
        let Message::Request(request) = message else { return };
        let mut known = known.borrow_mut();
        let mut answer = response(request, 200, "pbx", address);
        if request.method == Method::Register {
            known.contacts.extend(request.headers.get_all(&HeaderName::Contact).map(<[u8]>::to_vec));
            for contact in &known.contacts {
                answer.headers.push(HeaderName::Contact, contact.clone());
            }
        } else if request.method == Method::Subscribe {
            let name = request.headers.call_id().expect("a name").to_owned();
            if request.headers.to().is_ok_and(|to| to.tag().is_some()) && !known.subscriptions.contains(&name)
            {
                return out.reply(0, &response(request, 481, "pbx", address));
            }
            known.subscriptions.insert(name);
            answer.headers.set(HeaderName::Expires, "1800");
            answer.headers.set(HeaderName::Contact, format!("<sip:pbx@{PBX}>"));
            out.request(5, &told(request, "active;expires=1800"));
        }
        out.reply(0, &answer);
    })
}

/// The NOTIFY that a SUBSCRIBE makes due.
fn told(subscribe: &Request, state: &str) -> Request {
    let headers = &subscribe.headers;
    let contact = headers.contacts().expect("a Contact").remove(0);
    let mut notify = Request::new(Method::Notify, contact.uri);
    let from = headers.from_().expect("a From");
    let cseq = headers.cseq().expect("a CSeq").number;
    let tag = from.tag().unwrap_or_default().to_owned();
    let body = "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"0\" state=\"full\" \
                entity=\"sip:105@10.0.0.5\"><dialog id=\"105\"><state>early</state></dialog></dialog-info>";
    let headers = &mut notify.headers;
    headers.push(HeaderName::Via, format!("SIP/2.0/UDP {PBX};branch=z9hG4bK{tag}{cseq}{}", state.len()));
    headers.push(HeaderName::MaxForwards, "70");
    headers.push(HeaderName::From, "<sip:105@10.0.0.5>;tag=pbx");
    headers.push(HeaderName::To, from.to_bytes());
    headers
        .push(HeaderName::CallId, subscribe.headers.text(&HeaderName::CallId).expect("a name").into_owned());
    headers.push(HeaderName::CSeq, format!("{cseq} NOTIFY"));
    headers.push(HeaderName::Contact, format!("<sip:pbx@{PBX}>"));
    headers.push(HeaderName::Event, "dialog");
    headers.push(HeaderName::SubscriptionState, state);
    headers.push(HeaderName::ContentType, "application/dialog-info+xml");
    notify.body = body.as_bytes().to_vec();
    notify
}

fn subscribed(phone: &mut Phone, net: &SimNet) -> SubscriptionHandle {
    phone.line("10.0.0.5", net.now());
    phone.ua.subscribe_dialogs(&LineId::new("line"), "105", net.now()).expect("a line")
}

fn states(phone: &Phone, of: SubscriptionHandle) -> Vec<SubscriptionState> {
    let state = |event: &Event| match event {
        Event::SubscriptionChanged { handle, state } if *handle == of => Some(state.clone()),
        _ => None,
    };
    phone.events.iter().filter_map(state).collect()
}

fn is_notified(event: &Event) -> bool {
    matches!(event, Event::Notified { .. })
}

#[test]
fn a_line_is_told_of_the_dialogs_of_its_extension_until_it_gives_that_up() {
    let mut net = SimNet::new(1);
    let (mut phone, mut peer) = (Phone::idle(1, HERE), pbx(120));
    let handle = subscribed(&mut phone, &net);
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(2));
    assert_eq!(states(&phone, handle), [SubscriptionState::Asking, SubscriptionState::Active]);
    let body = phone.events.iter().find_map(|event| match event {
        Event::Notified { body, .. } => Some(body.clone()),
        _ => None,
    });
    let told = DialogInfo::parse(&body.expect("a notification")).expect("a document");
    assert_eq!(told.dialogs.first().map(|dialog| dialog.state), Some(DialogState::Early));
    assert_eq!(peer.finals(&Method::Notify), [200]);

    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(300));
    let asked = peer.requests(Method::Subscribe).len();
    assert!((4..=7).contains(&asked), "refreshed at 50 to 90 % of two minutes: {asked}");
    assert_eq!(states(&phone, handle).len(), 2, "a refresh is nobody's concern");

    phone.ua.unsubscribe(handle, net.now());
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(60));
    assert_eq!(states(&phone, handle).last(), Some(&SubscriptionState::Ended));
    let last = peer.requests(Method::Subscribe).last().and_then(|request| request.headers.expires());
    assert_eq!(last, Some(0));
    assert_eq!(phone.ua.subscription_count(), 0);
}

#[test]
fn a_pbx_that_forgot_everything_is_subscribed_to_again_within_30_s() {
    with_seeds(20, |seed| {
        let known = Rc::new(RefCell::new(Known::default()));
        let mut net = SimNet::new(seed);
        let (mut phone, mut peer) = (Phone::idle(seed, HERE), forgetful(&known));
        let handle = subscribed(&mut phone, &net);
        net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(60));
        assert_eq!(known.borrow().subscriptions.len(), 1, "seed {seed}");
        *known.borrow_mut() = Known::default();
        net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(30));
        let known = known.borrow();
        assert_eq!((known.contacts.len(), known.subscriptions.len()), (1, 1), "seed {seed}");
        assert_eq!(states(&phone, handle).last(), Some(&SubscriptionState::Active), "seed {seed}");
    });
}

#[test]
fn a_bad_network_delays_it_and_no_more() {
    with_seeds(40, |seed| {
        let mut net = bad_network(seed, 0.3);
        let (mut phone, mut peer) = (Phone::idle(seed, HERE), pbx(60));
        let handle = subscribed(&mut phone, &net);
        net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(400));
        assert!(phone.has(is_notified), "seed {seed}: {:?}", states(&phone, handle));
        assert_eq!(phone.ua.subscription_count(), 1, "seed {seed}");
    });
}

#[test]
fn a_notification_of_nobodys_subscription_is_refused() {
    let mut net = SimNet::new(3);
    let (mut phone, mut peer) = (Phone::idle(3, HERE), pbx(120));
    let handle = subscribed(&mut phone, &net);
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(2));
    let asked = peer.requests(Method::Subscribe).remove(0).clone();
    let mut foreign = told(&asked, "active");
    foreign.headers.set(HeaderName::CallId, "another");
    foreign.headers.set(HeaderName::Via, format!("SIP/2.0/UDP {PBX};branch=z9hG4bKforeign"));
    peer.send(HERE.parse().expect("an address"), &foreign);
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(2));
    assert_eq!(peer.finals(&Method::Notify), [200, 481]);

    phone.ua.remove_line(&LineId::new("line"), net.now()).expect("a line");
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(60));
    assert_eq!(states(&phone, handle).last(), Some(&SubscriptionState::Ended), "it goes with its line");
    assert!(matches!(asked.uri, Uri::Sip(_)));
}
