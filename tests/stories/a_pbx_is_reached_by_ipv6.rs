//! A PBX on IPv6: the line registers there, customers' calls ring, talk and are recorded, also when the agent's phone is on
//! IPv4, and a server that listens on no IPv6 address says what to write.

use std::net::{Ipv6Addr, SocketAddr};

use serde_json::{Value, json};

use super::Office;
use super::server::{CUSTOMERS, Linecard, NUMBER, SOON, Storage, accounts};
use crate::peers::{Account, Answer, Baresip, Customer, Kamailio, PhoneOptions, eventually, net};

const CUSTOMER_HZ: u32 = 440;
const AGENT_HZ: u32 = 700;

/// Opens an office at a PBX on IPv6; the server listens on both families.
fn office() -> Office {
    let pbx = Kamailio::start_on_ipv6(&accounts());
    let v4 = net::own_address();
    let v4 = SocketAddr::from((v4, net::free_port(v4)));
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, net::free_port(Ipv6Addr::LOCALHOST)));
    let more = format!("listen = [\"udp://{v4}\", \"udp://{v6}\", \"tcp://{v6}\"]\n");
    let line = json!({"server": pbx.address().to_string()});
    Office::open_at(pbx, &line, Answer::Auto, Storage::of_the_run(), &more)
}

fn is_talked_and_recorded(office: &Office) -> Value {
    let call = Customer::new(office.pbx.address(), b"+78312123456").speaking(CUSTOMER_HZ).call(NUMBER);
    call.wait_talking(SOON);
    let answers = call.answers();
    let (_, answer) = answers.iter().find(|(_, answer)| answer.status() == Some(200)).expect("the 200");
    assert!(answer.body.contains("IN IP6 ::1\r\n") && !answer.body.contains("IP4"), "{}", answer.body);
    call.rtp().wait_received(150, SOON);
    assert!(call.rtp().heard(AGENT_HZ) > 0.1, "the customer hears the agent");
    call.hang_up();
    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "answered", "{interaction}");
    assert_eq!(interaction["hangup_by"], "caller", "{interaction}");
    let wav = office.server.closed_recording(&interaction);
    assert!(wav.tone_in(0, CUSTOMER_HZ) > 0.1 && wav.tone_in(0, AGENT_HZ) < 0.02, "customer left");
    assert!(wav.tone_in(1, AGENT_HZ) > 0.1 && wav.tone_in(1, CUSTOMER_HZ) < 0.02, "agent right");
    interaction
}

#[test]
fn a_call_rings_talks_and_is_recorded() {
    let mut office = office();
    let contact = office.pbx.registered("100").remove(0);
    assert!(contact.contains("@[::1]:"), "{contact}");
    is_talked_and_recorded(&office);
    office.server.command(&["replay"], "");
}

#[test]
fn a_customer_on_ipv6_talks_with_a_phone_on_ipv4() {
    let office = office();
    let devices = format!("/users/{}/devices", office.agent_id);
    let first = office.server.get(&devices)["items"][0]["id"].as_str().expect("a device").to_owned();
    assert_eq!(office.server.request("DELETE", &format!("{devices}/{first}"), "").status, 204);
    let options = PhoneOptions { expires_s: 0, tone_hz: AGENT_HZ, ..PhoneOptions::default() };
    let phone = Baresip::start(office.server.sip(), &Account::new("agent"), &options);
    assert!(phone.uri().contains("@127."), "{}", phone.uri());
    office.adds_device(&phone.uri());
    is_talked_and_recorded(&office);
    let heard = eventually("the agent's phone has kept what it heard", SOON, || phone.heard().pop());
    assert!(heard.tone_in(0, CUSTOMER_HZ) > 0.1, "the agent hears the customer");
}

#[test]
fn a_telephone_on_ipv6_calls_and_talks() {
    let mut office = office();
    let options = PhoneOptions { tone_hz: CUSTOMER_HZ, ..PhoneOptions::default() };
    let customer =
        Baresip::start(office.pbx.address(), &Account::new("110").with_number(CUSTOMERS[0]), &options);
    office.pbx.wait_registered("110", 1, SOON);
    customer.dial(NUMBER);
    customer.wait_established(SOON);
    office.phone.wait_established(SOON);
    std::thread::sleep(std::time::Duration::from_secs(2));
    customer.hang_up();
    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "answered", "{interaction}");
    let wav = office.server.closed_recording(&interaction);
    assert!(wav.tone_in(0, CUSTOMER_HZ) > 0.1 && wav.tone_in(1, AGENT_HZ) > 0.1, "both are recorded");
    let heard = eventually("the customer's phone has kept what it heard", SOON, || customer.heard().pop());
    assert!(heard.tone_in(0, AGENT_HZ) > 0.1, "the customer hears the agent");
}

#[test]
fn a_server_without_an_ipv6_address_says_what_to_write() {
    let pbx = Kamailio::start_on_ipv6(&[Account::new("100")]);
    let server = Linecard::start();
    for transport in ["udp", "tcp"] {
        let draft = json!({
            "name": transport, "server": pbx.address().to_string(), "username": "100",
            "password": "secret-100", "transport": transport,
        });
        let line = format!("/lines/{}", server.create("/lines", &draft)["id"].as_str().expect("an id"));
        let said = eventually("the line says why not", SOON, || {
            let registration = server.get(&line)["registration"].clone();
            (!registration["reason_key"].is_null()).then_some(registration)
        });
        assert_eq!(said["reason_key"], "no_own_address", "{said}");
        assert!(said["advice"].as_str().is_some_and(|advice| advice.contains("sip.listen")), "{said}");
    }
}

/// `[::]` and `0.0.0.0` are two sockets, at one port too.
#[test]
fn both_families_are_listened_on_at_one_port() {
    let port = net::free_port(std::net::Ipv4Addr::UNSPECIFIED);
    let listen: Vec<String> = ["udp://0.0.0.0", "udp://[::]", "tcp://0.0.0.0", "tcp://[::]"]
        .iter()
        .map(|socket| format!("\"{socket}:{port}\""))
        .collect();
    let server = Linecard::start_with(&format!("listen = [{}]\n", listen.join(", ")));
    let mut pbx = Kamailio::start_on_ipv6(&[Account::new("100")]);
    let draft = json!({
        "name": "Main", "server": pbx.address().to_string(), "username": "100", "password": "secret-100",
    });
    server.create("/lines", &draft);
    pbx.wait_registered("100", 1, SOON);
}
