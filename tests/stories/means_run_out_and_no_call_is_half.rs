//! 20 RTP ports, 256 file descriptors, or a relay at its limit: what finds no room is refused with 503, and what began goes on to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use super::Office;
use super::server::{NUMBER, OTHER_NUMBER, SOON};
use crate::peers::customer::CustomerCall;
use crate::peers::http::request;
use crate::peers::{Answer, Customer, Scenario, Sipp, eventually, net};

/// What a proxy makes of a 503, which would stop it from calling here at all (RFC 3261 section 16.7).
const PASSED_ON: u16 = 500;

/// An office whose agent has phones enough for every call.
fn office(more: &str) -> (Office, Sipp) {
    let mut office = Office::open_with(Answer::Auto, more);
    let phones = Sipp::phone(Scenario::Answers);
    office.pbx.bind("202", &phones.uri());
    let path = format!("/users/{}/devices", office.agent_id);
    for device in office.server.get(&path)["items"].as_array().expect("devices") {
        let id = device["id"].as_str().expect("an id");
        assert_eq!(office.server.request("DELETE", &format!("{path}/{id}"), "").status, 204);
    }
    office.adds_device("202");
    office.rings(&json!({"allow_call_waiting": true}));
    (office, phones)
}

/// Lets customers call until one is refused; returns those who talk and the status of the refusal.
fn call_until_refused(office: &Office, at_most: usize) -> (Vec<CustomerCall>, u16) {
    let mut talking = Vec::new();
    while talking.len() < at_most {
        let number = format!("+7831212{:04}", talking.len());
        let call = Customer::new(office.pbx.address(), number.as_bytes()).speaking(440).call(NUMBER);
        let status = call.wait_final(SOON);
        if status != 200 {
            return (talking, status);
        }
        call.wait_talking(SOON);
        talking.push(call);
    }
    panic!("{at_most} calls and none refused");
}

fn ended(office: &Office, count: usize) -> Vec<Value> {
    eventually("every call has ended", SOON, || {
        let list = office.server.get("/interactions?limit=500");
        let items = list["items"].as_array()?.clone();
        (items.len() == count && items.iter().all(|it| it["state"] == "ended")).then_some(items)
    })
}

#[test]
fn the_call_that_finds_no_ports_is_refused_and_the_others_talk_on() {
    let ip = net::own_address();
    let first = net::free_ports(ip, 21).next_multiple_of(2);
    let more = format!("[media]\nport_min = {first}\nport_max = {}\n", first + 19);
    let (mut office, _phones) = office(&more);
    let (_, idle) = office.hires("pyotr", "203", "102", Answer::Auto);
    let (talking, status) = call_until_refused(&office, 6);
    assert_eq!((talking.len(), status), (5, PASSED_ON), "ten pairs are five calls");

    let token = office.server.log_in("pyotr");
    let wish = json!({"to": OTHER_NUMBER}).to_string();
    let reply = request(office.server.http, "POST", "/api/v1/calls", &wish, Some(&token)).expect("an answer");
    let said = String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!(reply.status, 503, "{said}");
    assert!(said.contains("all lines for sound are busy"), "{said}");
    assert_eq!(idle.count("CALL_INCOMING"), 0, "nobody is rung for nothing");

    for call in &talking {
        call.rtp().wait_received(50, SOON);
        assert_eq!(call.hang_up(), 200);
    }
    // A port rests for two seconds; then there is room again.
    eventually("a call finds room again", SOON, || {
        let call = Customer::new(office.pbx.address(), b"+78312120099").call(NUMBER);
        let status = call.wait_final(SOON);
        if status == 200 {
            call.wait_talking(SOON);
            call.hang_up();
        }
        (status == 200).then_some(())
    });
    let interactions = eventually("every call has ended", SOON, || {
        let list = office.server.get("/interactions?limit=500");
        let items = list["items"].as_array()?.clone();
        items.iter().all(|it| it["state"] == "ended").then_some(items)
    });
    for it in &interactions {
        let refused = it["outcome"] == "failed" && it["sip_status"] == 503;
        assert!(refused || it["outcome"] == "answered", "{it}");
        let legs = it["legs"].as_array().expect("legs").len();
        assert_eq!(legs, if refused { 1 } else { 2 }, "a refused call rang nobody: {it}");
    }
    assert_eq!(interactions.iter().filter(|it| it["outcome"] == "answered").count(), 6);
    office.server.command(&["replay"], "");
    office.server.command(&["recording", "verify", "--all"], "");
}

#[test]
fn the_call_that_finds_the_relay_at_its_limit_is_refused_and_the_others_talk_on() {
    let (office, _phones) = office("[media]\nload_max_percent = 15\n");
    let call = |number: &str| Customer::new(office.pbx.address(), number).speaking(440).call(NUMBER);
    let talking = call("+78312120001");
    assert_eq!(talking.wait_final(SOON), 200);
    talking.wait_talking(SOON);
    talking.rtp().wait_received(5, SOON);
    let flood = Flood::begin(talking.rtp().received().first().expect("a packet").from);
    let refused = eventually("a call is refused", SOON, || {
        let another = call("+78312120002");
        let status = another.wait_final(SOON);
        if status == 200 {
            another.wait_talking(SOON);
            another.hang_up();
        }
        (status != 200).then_some(status)
    });
    assert_eq!(refused, PASSED_ON);
    let before = talking.rtp().received_count();
    talking.rtp().wait_received(before + 50, SOON);
    drop(flood);
    eventually("a call finds room again", SOON, || {
        // Each try is work too, and it is the work of a whole second that is looked at.
        std::thread::sleep(Duration::from_millis(500));
        let another = call("+78312120003");
        let status = another.wait_final(SOON);
        if status == 200 {
            another.wait_talking(SOON);
            another.hang_up();
        }
        (status == 200).then_some(())
    });
    talking.hang_up();
    let told = eventually("it is told why", SOON, || {
        let list = office.server.get("/interactions?limit=500");
        list["items"].as_array()?.iter().find(|it| it["sip_status"] == 503).cloned()
    });
    let why = office.server.explain(told["id"].as_str().expect("an id"));
    assert!(why.contains("As many talks were relayed as this machine can bear."), "{why}");
}

/// Somebody who sends as fast as it can until it is dropped.
struct Flood {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    fn begin(to: SocketAddr) -> Self {
        let (over, socket) = (Arc::new(AtomicBool::new(false)), net::udp_socket(net::own_address()));
        let until = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                for _ in 0..64 {
                    let _ = socket.send_to(&[0x80; 172], to);
                }
                std::thread::yield_now();
            }
        });
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn the_call_that_finds_no_file_descriptors_is_refused_and_the_others_talk_on() {
    let (office, _phones) = office("");
    let pid = i32::try_from(office.server.pid()).ok().and_then(rustix::process::Pid::from_raw);
    let limit = rustix::process::Rlimit { current: Some(256), maximum: Some(256) };
    rustix::process::prlimit(pid, rustix::process::Resource::Nofile, limit).expect("the limit is set");
    // A call takes four sockets and a file.
    let (talking, status) = call_until_refused(&office, 60);
    assert_eq!(status, PASSED_ON);
    assert!(talking.len() > 20, "{} calls", talking.len());
    for call in &talking {
        assert_eq!(call.hang_up(), 200, "who talks is heard to the end");
    }
    let interactions = ended(&office, talking.len() + 1);
    for it in &interactions {
        let refused = it["outcome"] == "failed" && it["sip_status"] == 503;
        assert!(refused || it["outcome"] == "answered", "{it}");
    }
    let answered: Vec<&Value> = interactions.iter().filter(|it| it["outcome"] == "answered").collect();
    assert_eq!(answered.len(), talking.len());
    for it in answered {
        office.server.closed_recording(it).is_as_long_as(it);
    }
    office.server.command(&["replay"], "");
}
