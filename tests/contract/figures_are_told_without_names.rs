//! `/metrics` and `/readyz`: what there is to count, for those who may look; which part is ready.

use std::collections::BTreeMap;

use serde_json::json;

use super::clients::Client;
use super::desk::{CALLER, Desk};
use super::server::Server;
use super::socket::{EventSocket, SOON};
use crate::peers::eventually;
use crate::peers::http::{Reply, send};

fn look(server: &Server, headers: &str) -> Reply {
    send(server.http, "GET", "/metrics", "", headers).expect("an answer")
}

/// Reads the samples; each has a kind told before it, and a number.
fn figures(server: &Server) -> BTreeMap<String, u64> {
    let reply = look(server, "");
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = reply.text();
    let mut found = BTreeMap::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(told) = line.strip_prefix("# TYPE ") {
            let (name, kind) = told.split_once(' ').expect("a name and a kind");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            family = name.to_owned();
        } else if !line.starts_with('#') {
            let (sample, value) = line.rsplit_once(' ').expect("a sample and a value");
            let name = sample.split('{').next().expect("a name");
            let of_a_histogram =
                ["_bucket", "_count", "_sum"].into_iter().find_map(|part| name.strip_suffix(part));
            assert!(name == family || of_a_histogram == Some(family.as_str()), "{line}");
            if of_a_histogram.is_some() && name.ends_with("_sum") {
                value.parse::<f64>().expect("a sum");
                continue;
            }
            let before = found.insert(sample.to_owned(), value.parse().expect("a number"));
            assert_eq!(before, None, "{sample} is told once");
        }
    }
    found
}

#[test]
fn a_call_moves_the_figures_and_names_nobody() {
    let desk = Desk::open();
    desk.pbx.answers();
    let server = &desk.server;
    let before = figures(server);
    let of = |figures: &BTreeMap<String, u64>, name: &str| {
        *figures.get(&format!("linecard_{name}")).unwrap_or_else(|| panic!("{name} in {figures:?}"))
    };
    assert_eq!(of(&before, "calls_live"), 0);
    assert_eq!(of(&before, "registrations{state=\"registered\"}"), 1);
    assert_eq!((of(&before, "rtp_legs"), of(&before, "browsers_connected")), (0, 0));

    let (socket, _) = EventSocket::logged_in(&desk.agent);
    let customer = desk.customer_calls(CALLER);
    customer.wait_talking(SOON);
    let during = eventually("the call is counted", SOON, || {
        let now = figures(server);
        (of(&now, "recordings_open") == 1).then_some(now)
    });
    assert_eq!((of(&during, "calls_live"), of(&during, "browsers_connected")), (1, 1));
    assert_eq!(of(&during, "rtp_legs"), 2, "the customer's and the agent's");
    assert_eq!(of(&during, "rtp_legs") + of(&during, "rtp_legs_free"), of(&before, "rtp_legs_free"));
    let text = look(server, "").text();
    for personal in [CALLER, "8312123456", "maria", &desk.agent.id, &desk.line_id] {
        assert!(!text.contains(personal), "{personal} in {text}");
    }

    customer.hang_up();
    drop(socket);
    let after = eventually("the end is counted", SOON, || {
        let now = figures(server);
        let closed = of(&now, "recordings_ended_total{state=\"finished\"}") == 1;
        (closed && of(&now, "rtp_legs") == 0 && of(&now, "browsers_connected") == 0).then_some(now)
    });
    assert_eq!(of(&after, "calls_ended_total{outcome=\"answered\"}"), 1);
    assert_eq!(of(&after, "calls_ended_total{outcome=\"busy\"}"), 0);
    let heard = format!("{{line=\"{}\",direction=\"received\"}}", desk.line_id);
    eventually("how the legs were heard is counted", SOON, || {
        let now = figures(server);
        let count = |name: &str| now.get(&format!("linecard_{name}_count{heard}")).copied().unwrap_or(0);
        let counts = [count("leg_mos"), count("leg_jitter_ms"), count("leg_loss_percent")];
        (counts[0] > 0 && counts == [counts[0]; 3]).then_some(())
    });
    assert_eq!((of(&after, "calls_live"), of(&after, "recordings_open")), (0, 0));
    for name in ["signals_appended_total", "events_published_total", "http_requests_total{status=\"2xx\"}"] {
        assert!(of(&after, name) > of(&before, name), "{name}");
    }
    assert_eq!(desk.agent.get("/nowhere").status, 404);
    let refused = "http_requests_total{status=\"4xx\"}";
    assert_eq!(of(&figures(server), refused), of(&after, refused) + 1);
}

#[test]
fn signals_that_wait_for_the_database_are_counted() {
    let desk = Desk::open();
    desk.pbx.answers();
    let spooled = || figures(&desk.server)["linecard_signals_spooled"];
    assert_eq!(spooled(), 0);
    let evidence = desk.server.evidence();
    let lock = evidence.lock();
    let customer = desk.customer_calls(CALLER);
    eventually("signals are spooled", SOON, || (spooled() > 0).then_some(()));
    drop(lock);
    eventually("the database has them", SOON, || (spooled() == 0).then_some(()));
    customer.wait_talking(SOON);
}

#[test]
fn the_figures_are_for_this_machine_and_for_administrators() {
    let server = Server::start();
    let admin = server.admin();
    let agent = server.agent(&admin, "maria");
    assert_eq!(look(&server, "").status, 200, "from this machine");
    let passed_on = [
        "X-Forwarded-For: 203.0.113.7\r\n",
        "X-Forwarded-For: 127.0.0.1\r\n",
        "X-Forwarded-Proto: https\r\n",
        "Forwarded: for=203.0.113.7\r\n",
        "Via: 1.1 proxy\r\n",
    ];
    for header in passed_on {
        let refused = look(&server, header);
        assert_eq!(refused.status, 401, "passed on for somebody else by {header}: {}", refused.text());
        let with_token =
            |who: &Client| look(&server, &format!("{header}Authorization: Bearer {}\r\n", who.token)).status;
        assert_eq!((with_token(&agent), with_token(&admin)), (403, 200), "{header}");
    }
}

#[test]
fn a_server_that_serves_is_ready() {
    let server = Server::start();
    let evidence = server.evidence();
    let _lock = evidence.lock();
    let reply = send(server.http, "GET", "/readyz", "", "").expect("an answer");
    assert_eq!(reply.status, 200, "a locked database still answers: {}", reply.text());
    assert_eq!(reply.json(), json!({"ready": true, "database": "ready", "reactor": "ready"}));
}
