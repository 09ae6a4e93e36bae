//! Provisional responses that are acknowledged (RFC 3262), in both roles.

#[cfg(test)]
mod ua_world;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use linecard_lab::SimNet;
use linecard_sip::message::{CSeq, HeaderName, Message, Method, Request, Response};
use linecard_sip::ua::{EndCause, Event};
use linecard_sip::uri::Uri;
use ua_world::{ANSWER, OFFER, OTHER, Phone, Scripted, VOID, deed, request, response};

const PEER: &str = "10.0.0.5:5060";

/// A provisional response that has to be acknowledged.
fn reliable(invite: &Request, status: u16, number: u32, sdp: &[u8]) -> Response {
    let mut told = response(invite, status, "peer", PEER.parse().expect("an address"));
    told.headers.set(HeaderName::Require, "100rel");
    told.headers.set(HeaderName::RSeq, number.to_string());
    if !sdp.is_empty() {
        told.headers.set(HeaderName::ContentType, "application/sdp");
        told.body = sdp.to_vec();
    }
    told
}

fn progress(phone: &Phone) -> Vec<u16> {
    let status = |event: &&Event| match event {
        Event::Progress { status, .. } => Some(*status),
        _ => None,
    };
    phone.calls().iter().filter_map(status).collect()
}

fn racks(peer: &Scripted) -> Vec<String> {
    let pracks = peer.requests(Method::Prack).into_iter();
    pracks.map(|prack| prack.headers.text(&HeaderName::RAck).expect("a RAck").into_owned()).collect()
}

#[test]
fn what_the_peer_wants_acknowledged_is_acknowledged_once_and_in_its_order() {
    let mut net = SimNet::new(1);
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    let mut peer = Scripted::new(PEER, |message, out| {
        let Message::Request(request) = message else { return };
        let address = PEER.parse().expect("an address");
        match request.method {
            Method::Invite => {
                out.reply(0, &reliable(request, 180, 7, b""));
                out.reply(500, &reliable(request, 180, 7, b""));
                // It overtakes number 8.
                out.reply(1_000, &reliable(request, 182, 9, b""));
                out.reply(1_500, &reliable(request, 183, 8, ANSWER));
                out.reply(2_000, &reliable(request, 182, 9, b""));
                let mut answer = response(request, 200, "peer", address);
                answer.headers.remove(&HeaderName::ContentType);
                answer.body.clear();
                out.reply(3_000, &answer);
            }
            Method::Ack => {}
            _ => out.reply(0, &response(request, 200, "peer", address)),
        }
    });
    let target = Uri::parse(b"sip:200@10.0.0.5:5060").expect("a URI");
    let leg = phone.call(&target, Some(OFFER), net.now());
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(5));
    assert_eq!(racks(&peer), ["7 1 INVITE", "8 1 INVITE", "9 1 INVITE"]);
    assert_eq!(progress(&phone), [180, 183, 182], "each is told once");
    let answered = phone.calls().into_iter().find_map(|event| match event {
        Event::Answered { sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    assert_eq!(answered, Some(Some(ANSWER.to_vec())), "the 183 has said it already");
    phone.ua.bye(leg, None, net.now()).expect("hung up");
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(2));
    let numbers = |method: Method| -> Vec<u32> {
        peer.requests(method).iter().map(|request| request.headers.cseq().unwrap().number).collect()
    };
    assert_eq!(
        (numbers(Method::Prack), numbers(Method::Bye)),
        (vec![2, 3, 4], vec![5]),
        "one row of numbers"
    );
}

/// A phone that rings at once, queues 182 behind that, and answers after `answer_ms`.
fn rings_twice(answer_ms: u64) -> Phone {
    Phone::new(9, "10.0.0.2:5060", move |event| match event {
        Event::InviteReceived { handle, .. } => {
            let handle = *handle;
            vec![
                deed(0, move |ua, now| ua.ring(handle, 180, None, now).expect("rings")),
                deed(10, move |ua, now| ua.ring(handle, 182, None, now).expect("queues")),
                deed(answer_ms, move |ua, now| {
                    let _ = ua.accept(handle, ANSWER, now);
                }),
            ]
        }
        _ => Vec::new(),
    })
}

/// A caller who insists on being able to acknowledge; it does so when `acknowledges`.
fn insisting(target: &Uri, acknowledges: Rc<Cell<bool>>) -> (Scripted, Request) {
    let extra = format!("From: <sip:x@y>;tag=x\r\nTo: <{target}>\r\nCall-ID: reliable\r\nRequire: 100rel");
    let mut invite = request("INVITE", &target.to_string(), &extra, OTHER);
    invite.headers.set(HeaderName::ContentType, "application/sdp");
    let sent = invite.clone();
    let mut cseq = 1;
    let peer = Scripted::new(PEER, move |message, out| {
        let Message::Response(told) = message else { return };
        let Some(number) = told.headers.text(&HeaderName::RSeq).filter(|_| acknowledges.get()) else {
            return;
        };
        cseq += 1;
        let to = told.headers.text(&HeaderName::To).expect("To").into_owned();
        let extra =
            format!("From: <sip:x@y>;tag=x\r\nTo: {to}\r\nCall-ID: reliable\r\nRAck: {number} 1 INVITE");
        let mut prack = request("PRACK", &sent.uri.to_string(), &extra, b"");
        let method = prack.method.clone();
        prack.headers.set(HeaderName::CSeq, CSeq { number: cseq, method }.to_string());
        out.request(0, &prack);
    });
    (peer, invite)
}

fn told(peer: &Scripted) -> Vec<(u16, Option<String>)> {
    let of_invite =
        |answer: &&&Response| answer.headers.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
    let answers = peer.responses().into_iter().collect::<Vec<_>>();
    let answers = answers.iter().filter(of_invite);
    let rseq = |answer: &Response| answer.headers.text(&HeaderName::RSeq).map(|text| text.into_owned());
    answers.map(|answer| (answer.status.get(), rseq(answer))).collect()
}

#[test]
fn a_caller_who_insists_gets_each_ringing_until_it_is_acknowledged_and_one_after_the_other() {
    let mut net = SimNet::new(2);
    let mut phone = rings_twice(20_000);
    let target = phone.line(VOID, net.now());
    let acknowledges = Rc::new(Cell::new(false));
    let (mut peer, invite) = insisting(&target, Rc::clone(&acknowledges));
    peer.send("10.0.0.2:5060".parse().expect("an address"), &invite);
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(2));
    let early = told(&peer);
    assert_eq!(
        early.iter().map(|(status, _)| *status).collect::<Vec<_>>(),
        [100, 180, 180, 180],
        "at 0, 0.5 and 1.5 s"
    );
    assert!(early.windows(2).skip(1).all(|two| two[0].1 == two[1].1 && two[0].1.is_some()), "{early:?}");
    acknowledges.set(true);
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(5));
    let later = told(&peer).split_off(early.len());
    assert_eq!(later.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [180, 182]);
    let number =
        |rseq: &Option<String>| rseq.as_deref().and_then(|text| text.parse::<u32>().ok()).expect("a number");
    assert_eq!(number(&later[1].1), number(&later[0].1) + 1);
    assert_eq!(peer.finals(&Method::Prack), [200, 200]);
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(14));
    assert!(told(&peer).iter().any(|(status, _)| *status == 200), "and the call is answered");
}

#[test]
fn a_caller_who_insists_and_never_acknowledges_has_no_call() {
    let mut net = SimNet::new(3);
    let mut phone = rings_twice(60_000);
    let target = phone.line(VOID, net.now());
    let (mut peer, invite) = insisting(&target, Rc::default());
    peer.send("10.0.0.2:5060".parse().expect("an address"), &invite);
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(40));
    assert_eq!(told(&peer).last().map(|(status, _)| *status), Some(504));
    assert_eq!(
        phone.count(|event| matches!(event, Event::Ended { cause: EndCause::Lost { status: 408 }, .. })),
        1
    );
    phone.assert_no_leaks();
}
