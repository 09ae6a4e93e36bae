//! By what the PBXes of a world speak, and what befalls them on a bad network: restarts, and connections that are cut.

use std::time::{Duration, Instant};

use linecard_sip::transport::Transport;
use serde::Serialize;

use super::chance::Chance;
use super::observed::Observed;
use super::scorecard::{Finding, Scorecard, Verdict};
use super::world::{Network, World};

/// How long a line may be away after its PBX can be reached again.
pub const AWAY_MAX: Duration = Duration::from_secs(30);

/// Between two cuts of one PBX's connections, in ms: at least, and by how much more.
const CUTS_APART_MS: [u64; 2] = [20_000, 20_000];
/// When the first one comes, in ms.
const FIRST_CUT_MS: [u64; 2] = [4_000, 10_000];

/// Something that befalls a PBX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mishap {
    /// It forgets every binding and subscription, is silent for a while and challenges with another nonce.
    Restart,
    /// Its connections end; talks go on.
    Cut,
}

/// A time for which the line of a desk was not there, though its PBX was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absence {
    /// The desk.
    pub desk: usize,
    /// What had befallen the PBX.
    pub mishap: Mishap,
    /// When the PBX could be reached again.
    pub since: Instant,
    /// When the line was registered, and its phone watched, as its mode asks for; none when it never was again.
    pub until: Option<Instant>,
}

impl World {
    /// Tells by what a PBX speaks SIP: one half of each world by TCP, and the seed says which.
    #[must_use]
    pub fn transport(&self, pbx: usize) -> Transport {
        let first = Chance::new(self.plan.seed ^ 0x7c9).index(2);
        if (pbx + first).is_multiple_of(2) { Transport::Tcp } else { Transport::Udp }
    }

    /// Lists what befalls a PBX, and when at the earliest, in ms from the start: on a good network nothing.
    ///
    /// One PBX of the world restarts once; on TCP connections are cut now and then.
    #[must_use]
    pub fn mishaps(&self, pbx: usize) -> Vec<(u64, Mishap)> {
        if self.plan.network == Network::Good {
            return Vec::new();
        }
        let lasts_ms = self.calls.last().map_or(0, |call| call.at_ms);
        let mut chance = Chance::new(self.plan.seed ^ 0xbad);
        let restarts = chance.index(self.plan.profiles.len());
        let restart_ms = lasts_ms / 4 + chance.below(lasts_ms / 8);
        let mut mishaps = Vec::new();
        if restarts == pbx {
            mishaps.push((restart_ms, Mishap::Restart));
        }
        if self.transport(pbx) == Transport::Tcp {
            let mut chance = Chance::new(self.plan.seed ^ 0xc07 ^ ((pbx as u64) << 32));
            let mut drawn = |[least, more]: [u64; 2]| least + chance.below(more);
            let mut at_ms = drawn(FIRST_CUT_MS);
            while at_ms < lasts_ms {
                mishaps.push((at_ms, Mishap::Cut));
                at_ms += drawn(CUTS_APART_MS);
            }
        }
        mishaps
    }
}

/// Compares how long lines were away with what they may be.
pub(super) fn judge(observed: &Observed, card: &mut Scorecard) {
    for absence in &observed.absences {
        let away = absence.until.map(|until| until.saturating_duration_since(absence.since));
        if away.is_some_and(|away| away <= AWAY_MAX) {
            card.lines_back += 1;
            continue;
        }
        let what = match absence.mishap {
            Mishap::Restart => "the restart of its PBX",
            Mishap::Cut => "the end of its connection",
        };
        card.findings.push(Finding {
            verdict: Verdict::LineAway,
            call: None,
            interaction: None,
            expected: format!("the line of desk {} within {} s of {what}", absence.desk, AWAY_MAX.as_secs()),
            found: away.map_or("never".to_owned(), |away| format!("after {} ms", away.as_millis())),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::quirk::Profile;
    use super::super::world::WorldPlan;
    use super::*;

    fn world(seed: u64, network: Network) -> World {
        let profiles = Profile::ALL.to_vec();
        World::generate(WorldPlan {
            seed,
            calls: 900,
            rate_per_s: 15,
            profiles,
            network,
            ring_timeout_ms: 3_000,
            numbers_from: 0,
        })
    }

    #[test]
    fn each_kind_of_pbx_speaks_by_either_transport_and_no_world_by_one_alone() {
        let mut spoken = std::collections::BTreeSet::new();
        for seed in 0..20 {
            let world = world(seed, Network::Good);
            let all: Vec<Transport> = (0..5).map(|pbx| world.transport(pbx)).collect();
            assert!(all.contains(&Transport::Udp) && all.contains(&Transport::Tcp), "seed {seed}: {all:?}");
            spoken.extend(all.into_iter().enumerate());
        }
        assert_eq!(spoken.len(), 10, "{spoken:?}");
    }

    #[test]
    fn on_a_bad_network_one_pbx_restarts_and_connections_are_cut_and_on_a_good_one_nothing_happens() {
        for seed in 0..20 {
            let bad = world(seed, Network::Lossy);
            let all: Vec<(usize, u64, Mishap)> = (0..5)
                .flat_map(|pbx| bad.mishaps(pbx).into_iter().map(move |(at_ms, mishap)| (pbx, at_ms, mishap)))
                .collect();
            let restarts: Vec<u64> = all
                .iter()
                .filter(|(_, _, mishap)| *mishap == Mishap::Restart)
                .map(|(_, at_ms, _)| *at_ms)
                .collect();
            assert!(
                matches!(restarts.as_slice(), [at_ms] if (14_000..30_000).contains(at_ms)),
                "{restarts:?}"
            );
            let cut = |pbx: usize| all.iter().any(|(of, _, mishap)| *of == pbx && *mishap == Mishap::Cut);
            for pbx in 0..5 {
                assert_eq!(cut(pbx), bad.transport(pbx) == Transport::Tcp, "seed {seed}, PBX {pbx}");
            }
            let good = world(seed, Network::Good);
            assert!((0..5).all(|pbx| good.mishaps(pbx).is_empty()));
        }
    }
}
