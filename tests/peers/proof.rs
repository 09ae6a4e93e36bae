//! The peers among themselves, without Linecard: a story that fails must not fail because of them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use serde_json::json;

use super::sound::{RATE_HZ, from_alaw, level, sine, to_alaw};
use super::*;

const SOON: Duration = Duration::from_secs(5);
const NUMBER: &str = "+74951234567";

fn accounts() -> [Account; 2] {
    [Account::new("201").with_number(NUMBER), Account::new("202")]
}

fn phone(pbx: &Kamailio, account: &Account, answer: Answer) -> Baresip {
    Baresip::start(pbx.address(), account, &PhoneOptions { answer, ..PhoneOptions::default() })
}

#[test]
fn a_customer_and_a_phone_hear_each_other() {
    let accounts = accounts();
    let mut pbx = Kamailio::start(&accounts);
    let agent = phone(&pbx, &accounts[0], Answer::Auto);
    assert_eq!(pbx.registered("201").len(), 1, "the phone is registered");

    let customer = Customer::new(pbx.address(), "+79161234567").named("Иван \"Петров\"").speaking(1000);
    let call = customer.call(NUMBER);
    call.wait_talking(SOON);
    let established = agent.wait_established(SOON);
    assert!(established.peer.starts_with("sip:+79161234567@"), "{}", established.peer);
    assert!(established.peer_name.contains("Иван"), "{}", established.peer_name);
    call.rtp().wait_received(100, SOON);
    assert_eq!(call.hang_up(), 200);
    agent.wait_closed(SOON);

    assert!(call.rtp().heard(700) > 0.25, "the agent's tone is heard: {}", call.rtp().heard(700));
    assert!(call.rtp().heard(1000) < 0.02, "and no echo: {}", call.rtp().heard(1000));
    assert_eq!(call.rtp().lost(), 0);
    assert!(call.rtp().sent() >= 90, "{} packets sent", call.rtp().sent());
    let packet = &call.rtp().received()[1];
    assert_eq!((packet.payload_type, packet.payload.len()), (8, 160));
    let previous = &call.rtp().received()[0];
    assert_eq!(packet.timestamp.wrapping_sub(previous.timestamp), 160);
    assert!(packet.at >= previous.at);
    let (_, answer) = call.answers().pop().expect("an answer");
    assert_eq!(Some(packet.from), answer.sound_address(), "sound comes from where the phone said");
    let heard = agent.heard();
    assert!(heard[0].tone_in(0, 1000) > 0.2, "the agent heard the customer: {}", heard[0].tone_in(0, 1000));
    assert!(heard[0].tone_in(0, 700) < 0.02, "{}", heard[0].tone_in(0, 700));
}

#[test]
fn a_customer_who_gives_up_silences_the_phone() {
    let accounts = accounts();
    let pbx = Kamailio::start(&accounts);
    let agent = phone(&pbx, &accounts[0], Answer::Manual);
    let call = Customer::new(pbx.address(), "+79161234567").call(NUMBER);
    call.wait_ringing(SOON);
    agent.wait_ringing(SOON);
    assert_eq!(call.give_up(), 487);
    agent.wait_closed(SOON);
    assert_eq!(agent.count("CALL_ESTABLISHED"), 0);
    assert_eq!(call.rtp().received_count(), 0);
}

#[test]
fn a_phone_that_is_told_to_answers_and_hangs_up() {
    let accounts = accounts();
    let pbx = Kamailio::start(&accounts);
    let agent = phone(&pbx, &accounts[0], Answer::Manual);
    let call = Customer::new(pbx.address(), "+79161234567").call(NUMBER);
    let rang = agent.wait_ringing(SOON);
    agent.answer();
    let talking = call.wait_talking(SOON);
    assert!(talking > rang.at);
    call.rtp().set_tone(400);
    agent.hang_up();
    call.wait_hung_up(SOON);
    assert_eq!(call.requests().iter().filter(|(_, message)| message.method() == "BYE").count(), 1);
    assert_eq!(call.wait_final(SOON), 200);
}

#[test]
fn all_phones_of_an_extension_ring_and_the_others_stop_when_one_answers() {
    let accounts = accounts();
    let mut pbx = Kamailio::start(&accounts);
    let first = phone(&pbx, &accounts[0], Answer::Manual);
    let second = phone(&pbx, &accounts[0], Answer::Manual);
    pbx.wait_registered("201", 2, SOON);
    let call = Customer::new(pbx.address(), "+79161234567").call(NUMBER);
    first.wait_ringing(SOON);
    second.wait_ringing(SOON);
    second.answer();
    call.wait_talking(SOON);
    first.wait_closed(SOON);
    assert_eq!(first.count("CALL_ESTABLISHED"), 0);
    assert_eq!(call.hang_up(), 200);
}

#[test]
fn a_busy_phone_a_declining_phone_and_no_phone_are_told_apart() {
    let accounts = [
        Account::new("201").with_number("+74950000001"),
        Account::new("202").with_number("+74950000002"),
        Account::new("203").with_number("+74950000003"),
    ];
    let mut pbx = Kamailio::start(&accounts);
    let _busy = phone(&pbx, &accounts[0], Answer::Busy);
    let declining = Sipp::phone(Scenario::Declines);
    pbx.bind("202", &declining.uri());
    let customer = Customer::new(pbx.address(), "+79161234567");
    let calls =
        ["+74950000001", "+74950000002", "+74950000003", "+74950000004"].map(|number| customer.call(number));
    // The last is no public number, so the PBX asks who is calling.
    assert_eq!(calls.each_ref().map(|call| call.wait_final(SOON)), [486, 603, 480, 407]);
}

#[test]
fn a_phone_that_rings_for_ever_rings_until_it_is_cancelled() {
    let accounts = accounts();
    let mut pbx = Kamailio::start(&accounts);
    let phone = Sipp::phone(Scenario::RingsForEver);
    pbx.bind("201", &phone.uri());
    let call = Customer::new(pbx.address(), "+79161234567").call(NUMBER);
    call.wait_ringing(SOON);
    assert_eq!(call.give_up(), 487);
    eventually("the phone was cancelled", SOON, || {
        phone.messages().contains("CANCEL sip:phone@").then_some(())
    });
    assert_eq!(phone.errors(), "");
}

#[test]
fn a_restarted_pbx_knows_no_phone_until_it_registers_again() {
    let accounts = accounts();
    let mut pbx = Kamailio::start(&accounts);
    let agent = Baresip::start(
        pbx.address(),
        &accounts[0],
        &PhoneOptions { expires_s: 10, ..PhoneOptions::default() },
    );
    pbx.wait_registered("201", 1, SOON);
    let call = Customer::new(pbx.address(), "+79161234567").call(NUMBER);
    call.wait_talking(SOON);
    pbx.kill();
    pbx.restart_empty();
    assert_eq!(pbx.registered("201"), Vec::<String>::new());
    let heard = call.rtp().received_count();
    call.rtp().wait_received(heard + 20, SOON);
    pbx.wait_registered("201", 1, Duration::from_secs(15));
    assert_eq!(call.hang_up(), 200, "the BYE finds its way through a PBX that forgot everything");
    agent.wait_closed(SOON);
}

#[test]
fn a_phone_calls_another_extension_with_its_password() {
    let accounts = accounts();
    let pbx = Kamailio::start_with(&accounts, &[("RINGING_MS", "20000")]);
    let caller = phone(&pbx, &accounts[0], Answer::Manual);
    let callee = phone(&pbx, &accounts[1], Answer::Auto);
    assert!(callee.uri().starts_with("sip:202@127."));
    caller.dial(&format!("sip:202@{}", pbx.address()));
    let established = callee.wait_established(SOON);
    assert!(established.peer.starts_with("sip:201@"), "{}", established.peer);
    caller.wait_established(SOON);
    callee.hang_up();
    caller.wait_closed(SOON);
}

#[test]
fn an_account_reaches_the_world_through_the_trunk() {
    let accounts = accounts();
    let world = Sipp::phone(Scenario::Answers);
    let gateway = format!("\"{}\"", world.uri().replace("phone@", ""));
    let pbx = Kamailio::start_with(&accounts, &[("TRUNK_GATEWAY", &gateway)]);
    let caller = phone(&pbx, &accounts[0], Answer::Manual);
    caller.dial(&format!("sip:+78120000000@{}", pbx.address()));
    caller.wait_established(SOON);
    assert!(world.messages().contains("INVITE sip:+78120000000@"));
    caller.hang_up();
    eventually("the world hears the BYE", SOON, || world.messages().contains("\nBYE ").then_some(()));
}

#[test]
fn the_pbx_challenges_with_the_digest_that_it_is_told() {
    for (setting, algorithm) in [("\"MD5\"", "MD5"), ("\"SHA-256\"", "SHA-256")] {
        let pbx = Kamailio::start_with(&accounts(), &[("DIGEST", setting)]);
        let ip = net::own_address();
        let socket = std::net::UdpSocket::bind((ip, 0)).expect("a socket");
        socket.set_read_timeout(Some(SOON)).expect("a timeout");
        let (local, address) = (socket.local_addr().expect("bound"), pbx.address());
        let register = format!(
            "REGISTER sip:{address} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKr\r\nMax-Forwards: 70\r\n\
             From: <sip:201@{address}>;tag=r\r\nTo: <sip:201@{address}>\r\nCall-ID: r@{ip}\r\nCSeq: 1 REGISTER\r\n\
             Contact: <sip:201@{local}>\r\nContent-Length: 0\r\n\r\n"
        );
        socket.send_to(register.as_bytes(), address).expect("sent");
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).expect("an answer");
        let answer = sip_text::Message::parse(&buffer[..length]).expect("a message");
        assert_eq!(answer.status(), Some(401));
        let challenge = answer.header("WWW-Authenticate");
        assert!(challenge.contains(&format!("algorithm={algorithm}")), "{challenge}");
    }
}

#[test]
fn a_phone_cut_from_its_power_says_no_goodbye() {
    let accounts = accounts();
    let pbx = Kamailio::start(&accounts);
    let mut agent = phone(&pbx, &accounts[0], Answer::Auto);
    let call = Customer::new(pbx.address(), "+79161234567").call(NUMBER);
    call.rtp().wait_received(5, SOON);
    assert!(agent.pid() > 1);
    agent.kill();
    let before = call.rtp().received_count();
    assert_eq!(call.requests().len(), 0);
    assert!(call.rtp().received_count() <= before + 1);
}

#[test]
fn header_bytes_of_a_customer_arrive_as_they_were_sent() {
    let pbx_like = std::net::UdpSocket::bind((net::own_address(), 0)).expect("a socket");
    pbx_like.set_read_timeout(Some(SOON)).expect("a timeout");
    let SocketAddr::V4(address) = pbx_like.local_addr().expect("bound") else { panic!("IPv4") };
    let customer = Customer::new(address.into(), b"+7916\xff").named(b"\xcf\xe5\xf2\xf0 \"x\"");
    let call = customer.with_header("P-Asserted-Identity: <tel:+79160000000>").call("100");
    let mut buffer = [0; 4096];
    let length = pbx_like.recv(&mut buffer).expect("the INVITE");
    let invite = &buffer[..length];
    let has = |needle: &[u8]| invite.windows(needle.len()).any(|window| window == needle);
    assert!(has(b"From: \"\xcf\xe5\xf2\xf0 \\\"x\\\"\" <sip:+7916\xff@"));
    assert!(has(b"\r\nP-Asserted-Identity: <tel:+79160000000>\r\n"));
    assert!(has(format!("\r\nCall-ID: {}\r\n", call.call_id()).as_bytes()));
    let again = pbx_like.recv(&mut buffer).expect("the INVITE again, for nobody answered");
    assert_eq!(again, length);
}

#[test]
fn a_crowd_of_sipp_customers_talks_to_a_phone_that_answers() {
    let accounts = accounts();
    let mut pbx = Kamailio::start(&accounts);
    let phone = Sipp::phone(Scenario::Answers);
    pbx.bind("201", &phone.uri());
    let caller = |n: u32| Caller {
        dials: NUMBER.into(),
        number: format!("+7916000000{n}"),
        name: format!("Caller {n}"),
    };
    let mut crowd = Crowd {
        callers: (0..5).map(caller).collect(),
        calls: 10,
        per_second: 10,
        talk: Duration::from_millis(500),
        tone_hz: 600,
    };
    let mut customers = Sipp::customers(pbx.address(), Scenario::TalksThenHangsUp, &crowd);
    customers.wait_done(Duration::from_secs(20));
    assert_eq!(customers.messages().matches("\nBYE sip:").count(), 10);
    assert_eq!(phone.errors(), "");

    let ringing = Sipp::phone(Scenario::RingsForEver);
    pbx.restart_empty();
    pbx.bind("201", &ringing.uri());
    crowd.calls = 2;
    Sipp::customers(pbx.address(), Scenario::GivesUpWhileItRings, &crowd).wait_done(Duration::from_secs(20));
}

#[test]
fn sipp_customers_speak_their_tone_until_the_agent_hangs_up() {
    let accounts = accounts();
    let pbx = Kamailio::start(&accounts);
    let agent = phone(&pbx, &accounts[0], Answer::Auto);
    let caller = Caller { dials: NUMBER.into(), number: "+79161234567".into(), name: "Anna".into() };
    let crowd = Crowd { callers: vec![caller], calls: 1, per_second: 1, talk: Duration::ZERO, tone_hz: 600 };
    let mut customer = Sipp::customers(pbx.address(), Scenario::TalksUntilTheOtherHangsUp, &crowd);
    agent.wait_established(SOON);
    std::thread::sleep(Duration::from_secs(2));
    agent.hang_up();
    customer.wait_done(SOON);
    let heard = agent.heard();
    assert!(heard[0].tone_in(0, 600) > 0.2, "{}", heard[0].tone_in(0, 600));
}

#[test]
fn a_tone_is_found_where_it_is_and_nowhere_else() {
    let tone = sine(440, 0, RATE_HZ as usize);
    let coded: Vec<i16> = tone.iter().map(|&sample| from_alaw(to_alaw(sample))).collect();
    let worst =
        tone.iter().zip(&coded).map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs()).max().expect("samples");
    assert!(worst <= 256, "A-law keeps the tone within {worst}");
    assert!((level(&coded, RATE_HZ, 440) - 0.3).abs() < 0.01);
    assert!(level(&coded, RATE_HZ, 450) < 0.01);
    assert!((0..=255_u8).all(|byte| to_alaw(from_alaw(byte)) == byte), "each A-law byte keeps its meaning");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tone.wav");
    Wav::write(&path, &[tone, vec![0; RATE_HZ as usize]].concat());
    let wav = Wav::open(&path);
    assert_eq!((wav.duration_ms(), wav.channels.len()), (2000, 1));
    assert!(wav.tone_between(0, 440, 100, 900) > 0.29 && wav.tone_between(0, 440, 1100, 1900) < 0.001);
}

#[test]
fn a_browser_clicks_reads_waits_and_tells_what_went_wrong() {
    let address = serve_page();
    let url = format!("http://{address}/");
    let browser = Browser::start();
    let tab = browser.open("first", "anna", "ru-RU", &url);
    tab.evaluate("localStorage.who = 'anna'");
    let second = browser.open("second", "anna", "ru-RU", &url);
    tab.fill("#name", "Анна");
    tab.press("#name", "Tab");
    tab.click("text=Greet");
    assert!(tab.wait_text("Привет, Анна", SOON) > 1_600_000_000_000);
    assert_eq!(tab.text("#out"), "Привет, Анна");
    tab.wait_for("#out", SOON);
    tab.wait_gone("#ghost", SOON);
    assert_eq!(tab.count("button"), 1);
    assert_eq!(tab.evaluate("navigator.language"), json!("ru-RU"));
    assert!(tab.html().contains("<button"));
    assert_eq!(second.evaluate("localStorage.who"), json!("anna"), "a person's tabs share storage");
    let stranger = browser.open("third", "boris", "en-GB", &url);
    assert_eq!(stranger.evaluate("localStorage.length"), json!(0), "people share nothing");
    assert_eq!(stranger.evaluate("navigator.language"), json!("en-GB"));
    stranger.close();
    assert_eq!(tab.problems(), Vec::<String>::new());

    tab.resize(390, 800);
    let directory = tempfile::tempdir().expect("a directory");
    let picture = directory.path().join("page.png");
    tab.screenshot(&picture);
    assert!(std::fs::read(&picture).expect("a picture").starts_with(b"\x89PNG"));
    tab.reload();
    tab.go_to(&url);
    tab.set_offline(true);
    assert_eq!(tab.evaluate("fetch('/').then(() => 'through', () => 'cut')"), json!("cut"));
    tab.set_offline(false);
    assert_eq!(tab.evaluate("fetch('/').then(() => 'through', () => 'cut')"), json!("through"));
    tab.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=alert(1)>'); 0");
    eventually("the inline handler is refused and told", SOON, || {
        tab.problems().iter().any(|problem| problem.starts_with("policy: script-src-attr")).then_some(())
    });
}

/// Serves one page with a strict policy to everyone, in a thread that lives as long as the test's process.
fn serve_page() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let script = request[..length].starts_with(b"GET /page.js");
            let (kind, body) =
                if script { ("text/javascript", SCRIPT) } else { ("text/html; charset=utf-8", PAGE) };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\
                 Set-Cookie: seen=1\r\nContent-Security-Policy: default-src 'self'; script-src 'self'; img-src 'self' data:\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        }
    });
    address
}

const PAGE: &str = "<!doctype html><link rel=icon href='data:,'><input id=name><button>Greet</button>\
    <p id=out></p><p id=ghost hidden>boo</p><script src=/page.js></script>";
const SCRIPT: &str = "document.querySelector('button').onclick = () => {
  document.querySelector('#out').textContent = 'Привет, ' + document.querySelector('#name').value;
};";
