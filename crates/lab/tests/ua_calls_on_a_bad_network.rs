//! Whole calls between two user agents under loss, duplication and reordering: both sides tell the same story, once.

#[cfg(test)]
mod ua_world;

use std::time::Duration;

use linecard_lab::SimNet;
use linecard_sip::ua::{EndCause, Event};
use ua_world::{ANSWER, OFFER, OTHER, Phone, VOID, answering, bad_network, deed, with_seeds};

const LOSSES: [f64; 4] = [0.0, 0.05, 0.2, 0.5];

/// A caller that hangs up two seconds after the answer.
fn hanging_up(seed: u64) -> Phone {
    Phone::new(seed, "10.0.0.1:5060", |event| match event {
        Event::Answered { handle, .. } => {
            let handle = *handle;
            vec![deed(2000, move |ua, now| {
                let _ = ua.bye(handle, None, now);
            })]
        }
        _ => Vec::new(),
    })
}

fn run_call(seed: u64, loss: f64) -> (Phone, Phone) {
    let mut net = bad_network(seed, loss);
    let mut caller = hanging_up(seed);
    let mut callee = Phone::new(seed + 1000, "10.0.0.2:5060", answering(1500));
    let target = callee.line(VOID, net.now());
    caller.call(&target, Some(OFFER), net.now());
    net.run_for(&mut [&mut caller, &mut callee], Duration::from_secs(240));
    let one = caller.count(|event| matches!(event, Event::Answered { .. } | Event::Rejected { .. }));
    assert_eq!(one, 1, "one outcome: {:?}", caller.calls());
    assert!(callee.count(|event| matches!(event, Event::InviteReceived { .. })) <= 1);
    let ends =
        |phone: &Phone| phone.count(|event| matches!(event, Event::Ended { .. } | Event::Cancelled { .. }));
    assert!(ends(&caller) <= 1 && ends(&callee) <= 1, "{:?} {:?}", caller.calls(), callee.calls());
    caller.assert_no_leaks();
    callee.assert_no_leaks();
    (caller, callee)
}

#[test]
fn a_call_has_one_outcome_and_both_ends_agree_under_any_loss() {
    for loss in LOSSES {
        let mut whole = 0;
        for seed in 1..=60 {
            let (caller, callee) = run_call(seed, loss);
            let answered = caller.has(|event| matches!(event, Event::Answered { .. }));
            let invited = callee.has(|event| matches!(event, Event::InviteReceived { .. }));
            assert!(invited || !answered, "nobody answers what nobody received (seed {seed}, loss {loss})");
            if answered {
                let ended = callee.count(|event| matches!(event, Event::Ended { .. }));
                assert_eq!(
                    ended,
                    1,
                    "the callee's leg ends too (seed {seed}, loss {loss}): {:?}",
                    callee.calls()
                );
                let by_caller =
                    caller.has(|event| matches!(event, Event::Ended { cause: EndCause::LocalBye, .. }));
                let by_callee =
                    callee.has(|event| matches!(event, Event::Ended { cause: EndCause::AckTimeout, .. }));
                assert!(by_caller || by_callee, "{:?}", caller.calls());
                whole += usize::from(by_caller);
            }
        }
        let least = if loss < 0.3 { 60 } else { 50 };
        assert!(whole >= least, "{whole} of 60 calls were whole at a loss of {loss}");
    }
}

#[test]
fn a_retransmitted_invite_makes_no_second_call() {
    with_seeds(30, |seed| {
        let mut net = bad_network(seed, 0.3);
        let mut caller = hanging_up(seed);
        let mut callee = Phone::new(seed + 1000, "10.0.0.2:5060", answering(9000));
        let target = callee.line(VOID, net.now());
        caller.call(&target, Some(OFFER), net.now());
        net.run_for(&mut [&mut caller, &mut callee], Duration::from_secs(240));
        assert!(callee.count(|event| matches!(event, Event::InviteReceived { .. })) <= 1, "seed {seed}");
    });
}

#[test]
fn reinvites_from_both_ends_at_once_resolve_on_both() {
    for loss in [0.0, 0.05, 0.2] {
        with_seeds(30, |seed| glare(seed, loss));
    }
}

fn accept_changes(event: &Event) -> Vec<(Duration, ua_world::Deed)> {
    use linecard_sip::ua::ReinviteAnswer;
    match event {
        Event::ReinviteReceived { handle, .. } => {
            let handle = *handle;
            vec![deed(20, move |ua, now| {
                let _ = ua.answer_reinvite(handle, ReinviteAnswer::Accept(ANSWER.to_vec()), now);
            })]
        }
        _ => Vec::new(),
    }
}

fn glare(seed: u64, loss: f64) {
    let mut net = SimNet::new(seed);
    let mut caller = Phone::new(seed, "10.0.0.1:5060", accept_changes);
    let mut answer = answering(100);
    let mut callee = Phone::new(seed + 1000, "10.0.0.2:5060", move |event| {
        let mut deeds = answer(event);
        deeds.extend(accept_changes(event));
        deeds
    });
    let target = callee.line(VOID, net.now());
    let leg = caller.call(&target, Some(OFFER), net.now());
    net.run_for(&mut [&mut caller, &mut callee], Duration::from_secs(2));
    let other = callee.incoming();
    net.set_conditions(linecard_lab::Conditions::hostile(loss));
    caller.ua.reinvite(leg, OTHER, net.now()).expect("asked");
    callee.ua.reinvite(other, OTHER, net.now()).expect("asked");
    net.run_for(&mut [&mut caller, &mut callee], Duration::from_secs(60));
    for phone in [&caller, &callee] {
        let answered = phone.count(|event| matches!(event, Event::ReinviteAnswered { .. }));
        let rejected = phone.count(|event| matches!(event, Event::ReinviteRejected { .. }));
        assert_eq!((answered, rejected), (1, 0), "seed {seed}, loss {loss}: {:?}", phone.calls());
        assert!(!phone.has(|event| matches!(event, Event::Ended { .. })));
    }
    let glares = net.transcript().entries().filter(|entry| entry.payload.starts_with(b"SIP/2.0 491")).count();
    assert!(glares > 0 || loss > 0.0, "both were under way at once");
}

#[test]
fn bye_and_bye_cross_without_harm() {
    with_seeds(20, |seed| {
        let mut net = bad_network(seed, 0.1);
        let mut caller = Phone::idle(seed, "10.0.0.1:5060");
        let mut callee = Phone::new(seed + 1000, "10.0.0.2:5060", answering(100));
        let target = callee.line(VOID, net.now());
        let leg = caller.call(&target, Some(OFFER), net.now());
        net.run_for(&mut [&mut caller, &mut callee], Duration::from_secs(20));
        let other = callee.incoming();
        let _ = caller.ua.bye(leg, None, net.now());
        let _ = callee.ua.bye(other, None, net.now());
        net.run_for(&mut [&mut caller, &mut callee], Duration::from_secs(120));
        for phone in [&caller, &callee] {
            assert_eq!(phone.count(|event| matches!(event, Event::Ended { .. })), 1, "{:?}", phone.calls());
            phone.assert_no_leaks();
        }
    });
}

#[test]
fn a_large_invite_goes_by_tcp_and_by_udp_when_tcp_is_refused() {
    for refused in [false, true] {
        let mut net = SimNet::new(7);
        let mut caller = hanging_up(1);
        let mut callee = Phone::new(2, "10.0.0.2:5060", answering(500));
        net.refuse_streams(callee.address, refused);
        let target = callee.line(VOID, net.now());
        let mut offer = OFFER.to_vec();
        for number in 0..80 {
            offer.extend_from_slice(
                format!("a=candidate:{number} 1 UDP 1 10.0.0.1 4000 typ host\r\n").as_bytes(),
            );
        }
        caller.call(&target, Some(&offer), net.now());
        net.run_for(&mut [&mut caller, &mut callee], Duration::from_secs(120));
        assert!(callee.has(|event| matches!(event, Event::Ended { cause: EndCause::RemoteBye { .. }, .. })));
        let flow = callee.events.iter().find_map(|event| match event {
            Event::InviteReceived { flow, offer: received, .. } => {
                assert_eq!(received.as_deref(), Some(&*offer));
                Some(*flow)
            }
            _ => None,
        });
        assert_eq!(flow.unwrap().transport.reliable(), !refused);
        caller.assert_no_leaks();
        callee.assert_no_leaks();
    }
}
