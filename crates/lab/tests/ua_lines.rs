//! Many lines of one user agent at one registrar.

#[cfg(test)]
mod ua_world;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use linecard_lab::{Outcome, SimNet};
use linecard_sip::message::{HeaderName, Message, Method, Request};
use linecard_sip::registration::RegistrationState;
use linecard_sip::ua::{CommandRefused, Event, LineId};
use ua_world::{Phone, Scripted, response};

const REGISTRAR: &str = "10.0.0.5:5060";

/// Contacts by address of record.
type Bindings = Rc<RefCell<HashMap<String, HashSet<Vec<u8>>>>>;

/// A registrar that keeps what it is told and lists it.
fn registrar(bindings: &Bindings) -> Scripted {
    let bindings = Rc::clone(bindings);
    let address = REGISTRAR.parse().expect("an address");
    Scripted::new(REGISTRAR, move |message, out| {
        let Message::Request(request) = message else { return };
        let mut table = bindings.borrow_mut();
        let contacts = table.entry(address_of_record(request)).or_default();
        for contact in request.headers.get_all(&HeaderName::Contact) {
            let text = String::from_utf8_lossy(contact).into_owned();
            let uri = text.split(['<', '>']).nth(1).expect("a URI").as_bytes().to_vec();
            if text.contains("expires=0") || request.headers.expires() == Some(0) {
                contacts.remove(&uri);
            } else {
                contacts.insert(uri);
            }
        }
        let mut answer = response(request, 200, "r", address);
        for uri in contacts.iter() {
            let value = [b"<", uri.as_slice(), b">;expires=600"].concat();
            answer.headers.push(HeaderName::Contact, value);
        }
        out.reply(0, &answer);
    })
}

fn address_of_record(request: &Request) -> String {
    request.headers.to().expect("a To").uri.to_string()
}

fn bound(bindings: &Bindings) -> usize {
    bindings.borrow().values().filter(|contacts| contacts.len() == 1).count()
}

fn registered(phone: &Phone) -> usize {
    let is = |line: &LineId| {
        matches!(phone.ua.registration_state(line), Some(RegistrationState::Registered { .. }))
    };
    phone.ua.line_ids().iter().filter(|line| is(line)).count()
}

#[test]
fn a_registrar_that_lost_its_table_has_every_line_again_within_30_seconds() {
    let mut net = SimNet::new(1);
    let bindings = Bindings::default();
    let mut peer = registrar(&bindings);
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    for number in 0..40 {
        phone.line_named(&format!("line{number}"), "10.0.0.5", net.now());
    }
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(60));
    assert_eq!((bound(&bindings), registered(&phone)), (40, 40));
    bindings.borrow_mut().clear();
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(30));
    assert_eq!(bound(&bindings), 40);
}

#[test]
fn thousands_of_lines_register_and_unregister() {
    let mut net = SimNet::new(2);
    let bindings = Bindings::default();
    let mut peer = registrar(&bindings);
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    for number in 0..2000 {
        phone.line_named(&format!("line{number}"), "10.0.0.5", net.now());
    }
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(60));
    assert_eq!((bound(&bindings), registered(&phone)), (2000, 2000));
    phone.ua.shut_down(net.now());
    let outcome = net.run_until_idle(&mut [&mut phone, &mut peer], Duration::from_secs(120));
    assert_eq!(outcome, Outcome::Idle, "nothing is left to do");
    assert_eq!(bound(&bindings), 0);
    assert_eq!(phone.count(|event| matches!(event, Event::ShutDown)), 1);
}

#[test]
fn a_removed_line_is_unregistered_and_forgotten() {
    let mut net = SimNet::new(3);
    let bindings = Bindings::default();
    let mut peer = registrar(&bindings);
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    phone.line_named("one", "10.0.0.5", net.now());
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(5));
    phone.ua.remove_line(&LineId::new("one"), net.now()).expect("known");
    let outcome = net.run_until_idle(&mut [&mut phone, &mut peer], Duration::from_secs(120));
    assert_eq!((outcome, bound(&bindings)), (Outcome::Idle, 0));
    assert!(phone.ua.line_ids().is_empty());
    assert_eq!(phone.ua.remove_line(&LineId::new("one"), net.now()), Err(CommandRefused::UnknownLine));
}

#[test]
fn contacts_of_lines_are_not_guessable_and_differ() {
    let mut net = SimNet::new(4);
    let bindings = Bindings::default();
    let mut peer = registrar(&bindings);
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    let contacts: HashSet<String> =
        (0..10).map(|n| phone.line_named(&format!("l{n}"), "10.0.0.5", net.now()).to_string()).collect();
    assert_eq!(contacts.len(), 10);
    assert!(contacts.iter().all(|contact| contact.len() > 32 + "sip:@10.0.0.1:5060".len() - 1));
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(1));
    assert!(!peer.requests(Method::Register).is_empty());
}
