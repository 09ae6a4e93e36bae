//! A PBX of the fleet and a user agent on a simulated network: streams, cut connections, a restart, and how soon every line is
//! there again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[cfg(test)]
mod fleet_world;
#[cfg(test)]
mod ua_world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fleet_world::Driven;
use linecard_lab::SimNet;
use linecard_lab::fleet::{
    AWAY_MAX, Absence, Course, Desk, InboundEnd, Mishap, Mode, Network, Party, Pbx, PbxOutput, PlannedCall,
    Profile, World, WorldPlan, password_of,
};
use linecard_sip::transport::Transport;
use linecard_sip::ua::{Line, LineId, Presence};
use ua_world::{Phone, with_seeds};

const PBX: &str = "10.0.0.5:5060";
const HERE: &str = "10.0.0.1:5060";

/// A world of one PBX whose only call comes after everything else, with a desk of each mode.
fn world(seed: u64, network: Network) -> Arc<World> {
    let desk = |number: usize, mode: Mode| Desk {
        pbx: 0,
        mode,
        account: format!("line{number}"),
        extension: format!("{}", 200 + number),
        did: format!("+7495100000{number}"),
    };
    let desks = vec![
        desk(0, Mode::Anchor),
        desk(1, Mode::Anchor),
        desk(2, Mode::Anchor),
        desk(3, Mode::Anchor),
        desk(4, Mode::DialogInfo),
    ];
    let course = Course::Inbound { caller: Party { number: None }, end: InboundEnd::RingsOut };
    let calls = vec![PlannedCall { desk: 0, at_ms: 80_000, course }];
    let plan = WorldPlan {
        seed,
        calls: 1,
        rate_per_s: 1,
        profiles: vec![Profile::Kamailio],
        network,
        ring_timeout_ms: 3_000,
        numbers_from: 0,
    };
    Arc::new(World { plan, desks, calls })
}

/// A server that has a line for each desk.
fn server(world: &World, net: &SimNet) -> Phone {
    let mut phone = Phone::idle(world.plan.seed, HERE);
    for desk in &world.desks {
        let watches = desk.mode == Mode::DialogInfo;
        let id = LineId::new(&desk.account);
        let line = Line {
            id: id.clone(),
            server: PBX.to_owned(),
            username: desk.account.clone(),
            password: password_of(&desk.account),
            auth_username: None,
            outbound_proxy: None,
            transport: Some(world.transport(0)),
            websocket_path: None,
            expires_s: 3_600,
            contact_user: None,
            presence: if watches { Presence::Watches } else { Presence::Registers },
        };
        phone.ua.add_line(line, net.now()).unwrap();
        if watches {
            phone.ua.subscribe_dialogs(&id, &desk.account, net.now()).unwrap();
        }
    }
    phone
}

/// Lets a world go on; streams that the PBX ends are ended.
fn live(net: &mut SimNet, phone: &mut Phone, pbx: &mut Driven, lasts: Duration) {
    let until = net.now() + lasts;
    while net.now() < until {
        net.run_for(&mut [phone, pbx], Duration::from_millis(5));
        if std::mem::take(&mut pbx.cut) {
            net.close_streams(pbx.address);
        }
    }
}

fn absences(seed: u64, network: Network) -> (Transport, Vec<Absence>) {
    let world = world(seed, network);
    let mut net = SimNet::new(seed);
    let (mut phone, mut pbx) = (server(&world, &net), Driven::new(&world, 0, PBX.parse().unwrap()));
    live(&mut net, &mut phone, &mut pbx, Duration::from_secs(5));
    assert!(pbx.pbx.is_registered(), "seed {seed}");
    pbx.pbx.start(net.now());
    live(&mut net, &mut phone, &mut pbx, Duration::from_secs(112));
    assert_eq!(pbx.pbx.strangers(), [""; 0], "seed {seed}");
    let forgets = network == Network::Lossy && pbx.transport == Transport::Udp;
    assert_eq!(pbx.forgot, forgets, "seed {seed}: a stream takes its subscriptions with it");
    (pbx.transport, pbx.pbx.absences())
}

#[test]
fn every_line_is_there_again_within_30_s_of_a_restart_and_of_a_cut() {
    with_seeds(24, |seed| {
        let (transport, absences) = absences(seed, Network::Lossy);
        let of = |mishap: Mishap| absences.iter().filter(|absence| absence.mishap == mishap).count();
        assert_eq!(of(Mishap::Restart), 5, "seed {seed}: {absences:?}");
        match transport {
            Transport::Tcp => assert!(of(Mishap::Cut) >= 10, "seed {seed}: {absences:?}"),
            _ => assert_eq!(of(Mishap::Cut), 0, "seed {seed}"),
        }
        for Absence { desk, since, until, mishap } in absences {
            let away = until.map(|until| until - since);
            assert!(
                away.is_some_and(|away| away <= AWAY_MAX),
                "seed {seed}, {mishap:?}, desk {desk}: {away:?}"
            );
        }
    });
    assert!(absences(1, Network::Good).1.is_empty(), "on a good network nothing befalls anybody");
}

/// A PBX that speaks TCP, and a stream to it.
fn over_tcp() -> (Pbx, SocketAddr, Instant) {
    let seed = (0..).find(|seed| world(*seed, Network::Good).transport(0) == Transport::Tcp).unwrap();
    let mut pbx = Driven::new(&world(seed, Network::Good), 0, PBX.parse().unwrap()).pbx;
    let peer = SocketAddr::from(([10, 0, 0, 1], 40_001));
    pbx.opened(peer);
    (pbx, peer, Instant::now())
}

fn said(pbx: &mut Pbx, peer: SocketAddr) -> Vec<String> {
    let mut said = Vec::new();
    while let Some(output) = pbx.poll_output() {
        let PbxOutput::Transmit { to, bytes } = output else { continue };
        assert_eq!(to, peer);
        said.push(String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned());
    }
    said
}

fn options(number: u32) -> String {
    format!(
        "OPTIONS sip:fleet@{PBX} SIP/2.0\r\nVia: SIP/2.0/TCP {HERE};branch=z9hG4bKo{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@{HERE}>;tag=a\r\nTo: <sip:fleet@{PBX}>\r\nCall-ID: o{number}\r\nCSeq: {number} OPTIONS\r\n\
         Content-Length: 4\r\n\r\nbody"
    )
}

#[test]
fn a_stream_is_split_by_content_length_however_it_comes_and_a_keep_alive_is_answered() {
    let (mut pbx, peer, now) = over_tcp();
    pbx.receive(peer, (options(1) + &options(2)).as_bytes(), now);
    assert_eq!(said(&mut pbx, peer), ["SIP/2.0 200 OK", "SIP/2.0 200 OK"], "two messages in one piece");
    for byte in options(3).bytes() {
        assert_eq!(said(&mut pbx, peer), [""; 0]);
        pbx.receive(peer, &[byte], now);
    }
    assert_eq!(said(&mut pbx, peer), ["SIP/2.0 200 OK"], "one in many pieces");
    pbx.receive(peer, b"\r\n\r\n", now);
    assert_eq!(pbx.poll_output(), Some(PbxOutput::Transmit { to: peer, bytes: b"\r\n".to_vec() }));
    assert_eq!(pbx.strangers(), [""; 0]);
    pbx.receive(peer, b"nonsense\r\nContent-Length: none\r\n\r\n", now);
    assert_eq!(pbx.strangers().len(), 1, "{:?}", pbx.strangers());
}
