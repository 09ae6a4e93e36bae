//! A NAT that translates ports stands between the server and its PBX: without STUN no sound comes in, with it the talk is heard
//! both ways and recorded, and a STUN server that is silent costs half a second and no call.

use std::time::Duration;

use serde_json::json;

use super::Office;
use super::server::{NUMBER, SOON, Storage, accounts};
use crate::peers::customer::CustomerCall;
use crate::peers::nat::{self, SEEN, SEEN_PORTS_FROM, behind_nat};
use crate::peers::stun::StunServer;
use crate::peers::{Answer, Customer, Kamailio, eventually, net};

const CUSTOMER_HZ: u32 = 440;
const AGENT_HZ: u32 = 700;

fn office(more: &str) -> Office {
    let pbx = Kamailio::start_with(&accounts(), &[("TRUNK_SOURCES", "\"^198[.]51[.]100[.]\"")]);
    let line = json!({"server": pbx.address().to_string(), "transport": "udp"});
    let mut office = Office::open_at(pbx, &line, Answer::Auto, Storage::Sqlite, more);
    let seen = || office.pbx.registered("100").pop().filter(|contact| contact.contains(&format!("@{SEEN}:")));
    eventually("the line has learned at which address it is seen", SOON, seen);
    office
}

fn talks(office: &Office) -> CustomerCall {
    let call = Customer::new(office.pbx.address(), b"+78312123456").speaking(CUSTOMER_HZ).call(NUMBER);
    call.wait_talking(SOON);
    call
}

/// What the customer was told of where sound goes.
fn told(call: &CustomerCall) -> std::net::SocketAddr {
    let answers = call.answers();
    let answer = answers.iter().find(|(_, answer)| answer.status() == Some(200));
    answer.and_then(|(_, answer)| answer.sound_address()).expect("a description")
}

#[test]
fn without_stun_no_sound_comes_through_and_with_it_both_are_heard() {
    let name = "stories::a_nat_stands_before_the_server::without_stun_no_sound_comes_through_and_with_it_both_are_heard";
    behind_nat(name, || {
        let office = office("");
        let call = talks(&office);
        assert_eq!(told(&call).ip(), nat::INSIDE);
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(call.rtp().received_count(), 0, "nothing came in that could be passed on");
        call.hang_up();
        let wav = office.server.closed_recording(&office.server.ended_interaction());
        assert!(wav.tone_in(0, CUSTOMER_HZ) < 0.01 && wav.tone_in(1, AGENT_HZ) < 0.01, "nobody is recorded");
        drop((call, office));

        let stun = StunServer::start();
        let office = self::office(&format!("[media]\nstun = \"{}\"\n", stun.address()));
        let call = talks(&office);
        let told = told(&call);
        assert!(told.ip() == SEEN && told.port() >= SEEN_PORTS_FROM, "{told}");
        call.rtp().wait_received(150, SOON);
        assert!(call.rtp().heard(AGENT_HZ) > 0.1, "the customer hears the agent");
        call.hang_up();
        let interaction = office.server.ended_interaction();
        assert_eq!(interaction["outcome"], "answered", "{interaction}");
        let wav = office.server.closed_recording(&interaction);
        assert!(wav.tone_in(0, CUSTOMER_HZ) > 0.1 && wav.tone_in(1, AGENT_HZ) > 0.1, "both are recorded");
    });
}

#[test]
fn a_silent_stun_server_costs_half_a_second_and_no_call() {
    let name =
        "stories::a_nat_stands_before_the_server::a_silent_stun_server_costs_half_a_second_and_no_call";
    behind_nat(name, || {
        let silent = net::udp_socket(net::own_address());
        let office = office(&format!("[media]\nstun = \"{}\"\n", silent.local_addr().expect("bound")));
        let begun = std::time::Instant::now();
        let call = talks(&office);
        assert!(begun.elapsed() < Duration::from_secs(3), "answered after {:?}", begun.elapsed());
        let told = told(&call);
        assert!(
            told.ip() == SEEN && told.port() < SEEN_PORTS_FROM,
            "the own port at the learned address: {told}"
        );
        let mut heard = [0; 64];
        let (length, _) = silent.recv_from(&mut heard).expect("it was asked");
        assert_eq!((length, &heard[..2]), (20, &[0, 1][..]));
        let alarms = office.server.get("/server")["alarms"].clone();
        assert_eq!(alarms[0]["alarm"], "stun_silent", "{alarms}");
        call.hang_up();
        assert_eq!(office.server.ended_interaction()["outcome"], "answered");
    });
}
