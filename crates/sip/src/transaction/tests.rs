//! Each machine against its figure: the table lists every arrow, and every pair of state and input that is not in
//! it must do nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::client_invite::{self, ClientInput, ClientInvite};
use super::client_non_invite::{self, ClientNonInvite};
use super::effect::Effect;
use super::output::{ClientTransactionId, TransactionId};
use super::server_invite::{self, ServerInput, ServerInvite};
use super::server_non_invite::{self, ServerNonInvite};
use super::timer::{TimerName, TimerQueue, Timers};
use crate::message::{HeaderName, Method, Request, Response, StatusCode};
use crate::transport::Transport;

const NAMES: [(&str, TimerName); 14] = [
    ("A", TimerName::A),
    ("B", TimerName::B),
    ("D", TimerName::D),
    ("E", TimerName::E),
    ("F", TimerName::F),
    ("G", TimerName::G),
    ("H", TimerName::H),
    ("I", TimerName::I),
    ("J", TimerName::J),
    ("K", TimerName::K),
    ("L", TimerName::L),
    ("M", TimerName::M),
    ("Trying", TimerName::Trying),
    ("Cancelled", TimerName::Cancelled),
];

const STATUSES: [&str; 6] = ["100", "180", "200", "302", "486", "603"];

const CLIENT_INVITE: &str = "
    Calling    | A         | send INVITE, start A 4s                                              | Calling
    Calling    | B         | timed out                                                            | Terminated
    Calling    | broken    | transport failed                                                     | Terminated
    Calling    | 100       | stop A, stop B, deliver                                              | Proceeding
    Calling    | 180       | stop A, stop B, deliver                                              | Proceeding
    Calling    | 200       | stop A, stop B, stop Cancelled, deliver, start M 32s                 | Accepted
    Calling    | 302       | stop A, stop B, stop Cancelled, send ACK, deliver, start D {D}       | Completed
    Calling    | 486       | stop A, stop B, stop Cancelled, send ACK, deliver, start D {D}       | Completed
    Calling    | 603       | stop A, stop B, stop Cancelled, send ACK, deliver, start D {D}       | Completed
    Proceeding | 100       | deliver                                                              | Proceeding
    Proceeding | 180       | deliver                                                              | Proceeding
    Proceeding | 200       | stop A, stop B, stop Cancelled, deliver, start M 32s                 | Accepted
    Proceeding | 302       | stop A, stop B, stop Cancelled, send ACK, deliver, start D {D}       | Completed
    Proceeding | 486       | stop A, stop B, stop Cancelled, send ACK, deliver, start D {D}       | Completed
    Proceeding | 603       | stop A, stop B, stop Cancelled, send ACK, deliver, start D {D}       | Completed
    Proceeding | cancelled | start Cancelled 32s                                                  | Proceeding
    Proceeding | Cancelled | timed out                                                            | Terminated
    Completed  | 302       | send ACK                                                             | Completed
    Completed  | 486       | send ACK                                                             | Completed
    Completed  | 603       | send ACK                                                             | Completed
    Completed  | broken    | transport failed                                                     | Terminated
    Completed  | D         |                                                                      | Terminated
    Accepted   | 200       | deliver                                                              | Accepted
    Accepted   | M         |                                                                      | Terminated
";

const CLIENT_NON_INVITE: &str = "
    Trying     | E      | send OPTIONS, start E 4s             | Trying
    Trying     | F      | timed out                            | Terminated
    Trying     | broken | transport failed                     | Terminated
    Trying     | 100    | deliver                              | Proceeding
    Trying     | 180    | deliver                              | Proceeding
    Trying     | 200    | stop E, stop F, deliver, start K {K} | Completed
    Trying     | 302    | stop E, stop F, deliver, start K {K} | Completed
    Trying     | 486    | stop E, stop F, deliver, start K {K} | Completed
    Trying     | 603    | stop E, stop F, deliver, start K {K} | Completed
    Proceeding | E      | send OPTIONS, start E 4s             | Proceeding
    Proceeding | F      | timed out                            | Terminated
    Proceeding | broken | transport failed                     | Terminated
    Proceeding | 100    | deliver                              | Proceeding
    Proceeding | 180    | deliver                              | Proceeding
    Proceeding | 200    | stop E, stop F, deliver, start K {K} | Completed
    Proceeding | 302    | stop E, stop F, deliver, start K {K} | Completed
    Proceeding | 486    | stop E, stop F, deliver, start K {K} | Completed
    Proceeding | 603    | stop E, stop F, deliver, start K {K} | Completed
    Completed  | K      |                                      | Terminated
";

const SERVER_INVITE: &str = "
    Received   | Trying | send 100                                       | Proceeding
    Received   | 100    | stop Trying, send 100                          | Proceeding
    Received   | 180    | stop Trying, send 180                          | Proceeding
    Received   | 200    | stop Trying, send 200, start L 32s             | Accepted
    Received   | 302    | stop Trying, send 302, {G}start H 32s          | Completed
    Received   | 486    | stop Trying, send 486, {G}start H 32s          | Completed
    Received   | 603    | stop Trying, send 603, {G}start H 32s          | Completed
    Received   | broken | transport failed                               | Received
    Proceeding | again  | send 180                                       | Proceeding
    Proceeding | 100    | stop Trying, send 100                          | Proceeding
    Proceeding | 180    | stop Trying, send 180                          | Proceeding
    Proceeding | 200    | stop Trying, send 200, start L 32s             | Accepted
    Proceeding | 302    | stop Trying, send 302, {G}start H 32s          | Completed
    Proceeding | 486    | stop Trying, send 486, {G}start H 32s          | Completed
    Proceeding | 603    | stop Trying, send 603, {G}start H 32s          | Completed
    Proceeding | broken | transport failed                               | Proceeding
    Completed  | again  | send 486                                       | Completed
    Completed  | G      | send 486, start G 4s                           | Completed
    Completed  | H      | timed out                                      | Terminated
    Completed  | ack    | stop G, stop H, start I {I}                    | Confirmed
    Completed  | broken | transport failed                               | Completed
    Confirmed  | I      |                                                | Terminated
    Accepted   | 200    | send 200                                       | Accepted
    Accepted   | ack    | deliver                                        | Accepted
    Accepted   | broken | transport failed                               | Accepted
    Accepted   | L      |                                                | Terminated
";

const SERVER_NON_INVITE: &str = "
    Trying     | 100    | send 100              | Proceeding
    Trying     | 180    | send 180              | Proceeding
    Trying     | 200    | send 200, start J {J} | Completed
    Trying     | 302    | send 302, start J {J} | Completed
    Trying     | 486    | send 486, start J {J} | Completed
    Trying     | 603    | send 603, start J {J} | Completed
    Proceeding | again  | send 180              | Proceeding
    Proceeding | 100    | send 100              | Proceeding
    Proceeding | 180    | send 180              | Proceeding
    Proceeding | 200    | send 200, start J {J} | Completed
    Proceeding | 302    | send 302, start J {J} | Completed
    Proceeding | 486    | send 486, start J {J} | Completed
    Proceeding | 603    | send 603, start J {J} | Completed
    Proceeding | broken | transport failed      | Terminated
    Completed  | again  | send 200              | Completed
    Completed  | broken | transport failed      | Completed
    Completed  | J      |                       | Terminated
";

#[test]
fn the_client_invite_machine_is_its_figure() {
    use client_invite::State;
    for (on, linger) in [(Transport::Udp, "32s"), (Transport::Tcp, "0ns"), (Transport::Tls, "0ns")] {
        let figure = Figure::read(&CLIENT_INVITE.replace("{D}", linger), "");
        let states = [
            State::Calling { resend_after: Duration::from_secs(2) },
            State::Proceeding,
            State::Completed { ack: b"ACK sip:bob SIP/2.0".to_vec() },
            State::Accepted,
            State::Terminated,
        ];
        for state in states {
            figure.check_client(&format!("{on}"), name(&state), &mut |input, effects| {
                let request = request(Method::Invite);
                let mut machine = ClientInvite::start(request, on, Timers::default(), &mut Vec::new());
                machine.state = state.clone();
                machine.handle(input, effects);
                name(&machine.state)
            });
        }
    }
}

#[test]
fn the_client_non_invite_machine_is_its_figure() {
    use client_non_invite::State;
    for (on, absorb) in [(Transport::Udp, "5s"), (Transport::Tcp, "0ns"), (Transport::Tls, "0ns")] {
        let figure = Figure::read(&CLIENT_NON_INVITE.replace("{K}", absorb), "");
        let resend_after = Duration::from_secs(3);
        for state in [State::Trying { resend_after }, State::Proceeding, State::Completed, State::Terminated]
        {
            figure.check_client(&format!("{on}"), name(&state), &mut |input, effects| {
                let request = request(Method::Options);
                let mut machine = ClientNonInvite::start(request, on, Timers::default(), &mut Vec::new());
                machine.state = state.clone();
                machine.handle(input, effects);
                name(&machine.state)
            });
        }
    }
}

#[test]
fn the_server_invite_machine_is_its_figure() {
    use server_invite::State;
    let unreliable = (Transport::Udp, "start G 500ms, ", "5s");
    for (on, repeat, absorb) in [unreliable, (Transport::Tcp, "", "0ns"), (Transport::Tls, "", "0ns")] {
        let table = SERVER_INVITE.replace("{G}", repeat).replace("{I}", absorb);
        let figure = Figure::read(&table, "refuse");
        let resend_after = Duration::from_secs(2);
        let states = [
            State::Received { trying: response(100).to_bytes() },
            State::Proceeding { response: response(180).to_bytes() },
            State::Completed { response: response(486).to_bytes(), resend_after },
            State::Confirmed,
            State::Accepted { response: response(200).to_bytes() },
            State::Terminated,
        ];
        for state in states {
            figure.check_server(&format!("{on}"), name(&state), &mut |input, effects| {
                let mut machine = ServerInvite::start(Vec::new(), on, Timers::default(), &mut Vec::new());
                machine.state = state.clone();
                machine.handle(input, effects);
                name(&machine.state)
            });
        }
    }
}

#[test]
fn the_server_non_invite_machine_is_its_figure() {
    use server_non_invite::State;
    for (on, absorb) in [(Transport::Udp, "32s"), (Transport::Tcp, "0ns"), (Transport::Tls, "0ns")] {
        let figure = Figure::read(&SERVER_NON_INVITE.replace("{J}", absorb), "refuse");
        let states = [
            State::Trying,
            State::Proceeding { response: response(180).to_bytes() },
            State::Completed { response: response(200).to_bytes() },
            State::Terminated,
        ];
        for state in states {
            figure.check_server(&format!("{on}"), name(&state), &mut |input, effects| {
                let mut machine = ServerNonInvite::start(on, Timers::default(), &mut Vec::new());
                machine.state = state.clone();
                machine.handle(input, effects);
                name(&machine.state)
            });
        }
    }
}

#[test]
fn each_machine_starts_with_its_message_and_its_timers() {
    let timers = Timers::default();
    let started = |start: &dyn Fn(&mut Vec<Effect>)| {
        let mut effects = Vec::new();
        start(&mut effects);
        describe(&effects)
    };
    let client = |method: Method, on: Transport| {
        started(&|effects| {
            if method == Method::Invite {
                ClientInvite::start(request(method.clone()), on, timers, effects);
            } else {
                ClientNonInvite::start(request(method.clone()), on, timers, effects);
            }
        })
    };
    assert_eq!(client(Method::Invite, Transport::Udp), "send INVITE, start A 500ms, start B 32s");
    assert_eq!(client(Method::Invite, Transport::Tcp), "send INVITE, start B 32s");
    assert_eq!(client(Method::Bye, Transport::Udp), "send BYE, start E 500ms, start F 32s");
    assert_eq!(client(Method::Bye, Transport::Tls), "send BYE, start F 32s");
    let invite = started(&|effects| {
        ServerInvite::start(Vec::new(), Transport::Udp, timers, effects);
    });
    assert_eq!(invite, "deliver, start Trying 200ms");
    let other = started(&|effects| {
        ServerNonInvite::start(Transport::Udp, timers, effects);
    });
    assert_eq!(other, "deliver");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_timer_queue_is_a_sorted_list(
        steps in prop::collection::vec((0_u8..4, 0_u64..6, 0_usize..14, 0_u64..50), 0..200)
    ) {
        let start = Instant::now();
        let mut queue = TimerQueue::default();
        let mut model: BTreeMap<(TransactionId, TimerName), Instant> = BTreeMap::new();
        for (step, id, timer, ms) in steps {
            let id = TransactionId::Client(ClientTransactionId(id));
            let (_, timer) = NAMES[timer];
            let at = start + Duration::from_millis(ms);
            match step {
                0 | 1 => {
                    queue.start(id, timer, at);
                    model.insert((id, timer), at);
                }
                2 => {
                    queue.stop(id, timer);
                    model.remove(&(id, timer));
                }
                _ => {
                    queue.stop_all(id);
                    model.retain(|(of, _), _| *of != id);
                }
            }
            let first = model.iter().map(|((id, name), at)| (*at, *id, *name)).min();
            prop_assert_eq!(queue.next(), first.map(|(at, _, name)| (at, name)));
        }
        let mut expected: Vec<_> = model.iter().map(|((id, name), at)| (*at, *id, *name)).collect();
        expected.sort();
        let end = start + Duration::from_millis(50);
        let taken: Vec<_> = std::iter::from_fn(|| queue.take_due(end)).collect();
        prop_assert_eq!(taken, expected.into_iter().map(|(_, id, name)| (id, name)).collect::<Vec<_>>());
        prop_assert!(queue.is_empty());
    }
}

/// The arrows of a machine, read from a table: state, input, effects, next state.
struct Figure {
    arrows: BTreeMap<(String, String), (String, String)>,
    /// What an answer of the user does where no arrow takes it.
    misfit: String,
}

impl Figure {
    fn read(table: &str, misfit: &str) -> Self {
        let arrows: BTreeMap<_, _> = table
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| {
                let cells: Vec<String> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
                let [state, input, effects, next] = cells.try_into().expect("a row has four cells");
                ((state, input), (effects, next))
            })
            .collect();
        Self { arrows, misfit: misfit.to_owned() }
    }

    fn expect(&self, state: &str, input: &str, otherwise: &str) -> (String, String) {
        let key = (state.to_owned(), input.to_owned());
        self.arrows.get(&key).cloned().unwrap_or_else(|| (otherwise.to_owned(), state.to_owned()))
    }

    fn check_client(
        &self,
        on: &str,
        state: String,
        handle: &mut dyn FnMut(ClientInput<'_>, &mut Vec<Effect>) -> String,
    ) {
        let mut check = |label: &str, input: ClientInput<'_>| {
            let mut effects = Vec::new();
            let next = handle(input, &mut effects);
            let expected = self.expect(&state, label, "");
            assert_eq!((describe(&effects), next), expected, "{on}: {state} on {label}");
        };
        for label in STATUSES {
            let response = response(label.parse().unwrap());
            check(label, ClientInput::Response(&response));
        }
        for (label, timer) in NAMES {
            check(label, ClientInput::Timer(timer));
        }
        check("broken", ClientInput::TransportFailed);
        check("cancelled", ClientInput::CancelSent);
    }

    fn check_server(
        &self,
        on: &str,
        state: String,
        handle: &mut dyn FnMut(ServerInput, &mut Vec<Effect>) -> String,
    ) {
        let mut check = |label: &str, input: ServerInput, otherwise: &str| {
            let mut effects = Vec::new();
            let next = handle(input, &mut effects);
            let expected = self.expect(&state, label, otherwise);
            assert_eq!((describe(&effects), next), expected, "{on}: {state} on {label}");
        };
        for label in STATUSES {
            let response = response(label.parse().unwrap());
            let input = ServerInput::Respond { status: response.status, bytes: response.to_bytes() };
            check(label, input, &self.misfit);
        }
        for (label, timer) in NAMES {
            check(label, ServerInput::Timer(timer), "");
        }
        check("broken", ServerInput::TransportFailed, "");
        check("again", ServerInput::Repetition, "");
        check("ack", ServerInput::Ack, "");
    }
}

/// Gives the bare name of a state, without what it carries.
fn name(state: &impl std::fmt::Debug) -> String {
    let text = format!("{state:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}

fn describe(effects: &[Effect]) -> String {
    let each = effects.iter().map(|effect| match effect {
        Effect::Send(bytes) => {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let mut words = text.split(' ');
            let first = words.next().unwrap_or_default();
            let shown = if first == "SIP/2.0" { words.next().unwrap_or_default() } else { first };
            format!("send {shown}")
        }
        Effect::Start(timer, after) => format!("start {timer:?} {after:?}"),
        Effect::Stop(timer) => format!("stop {timer:?}"),
        Effect::Deliver => "deliver".to_owned(),
        Effect::Refuse => "refuse".to_owned(),
        Effect::TimedOut => "timed out".to_owned(),
        Effect::TransportFailed => "transport failed".to_owned(),
    });
    each.collect::<Vec<_>>().join(", ")
}

fn request(method: Method) -> Request {
    let cseq = format!("1 {}", method.as_str());
    let mut request = Request::new(method, "sip:bob@example.com".parse().expect("a URI"));
    request.headers.push(HeaderName::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1");
    request.headers.push(HeaderName::From, "<sip:alice@example.com>;tag=1");
    request.headers.push(HeaderName::To, "<sip:bob@example.com>");
    request.headers.push(HeaderName::CallId, "1");
    request.headers.push(HeaderName::CSeq, cseq);
    request
}

fn response(status: u16) -> Response {
    let status = StatusCode::new(status).expect("a status");
    Response::reply_to(&request(Method::Invite), status)
}
