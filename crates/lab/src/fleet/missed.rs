//! Which callers have to stand among the missed ones, from the calls that they made.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use super::observed::Observed;
use super::scorecard::{Finding, Scorecard, Verdict};
use super::truth::Deeds;
use super::world::{Course, World};

/// How a caller stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Open { attempts: u32 },
    Closed,
}

/// Compares the items of callers with a number: one for each whom nobody answered, closed by an answered call.
pub(super) fn judge(
    world: &World,
    deeds: &BTreeMap<usize, Deeds>,
    observed: &Observed,
    card: &mut Scorecard,
) {
    let mut calls: Vec<(Instant, usize)> =
        deeds.iter().filter_map(|(call, deeds)| Some((deeds.over.or(deeds.begun)?, *call))).collect();
    calls.sort_unstable();
    let mut standings: HashMap<&str, (Standing, usize)> = HashMap::new();
    for (_, call) in calls {
        let (Some(planned), Some(number)) = (world.calls.get(call), world.other_number(call)) else {
            continue;
        };
        let inbound = !matches!(planned.course, Course::Outbound { .. });
        let answered = deeds.get(&call).is_some_and(|deeds| deeds.connected.is_some());
        let before = standings.get(number).map(|(standing, _)| *standing);
        let now = match (answered, inbound, before) {
            (true, _, Some(_)) => Standing::Closed,
            (false, true, Some(Standing::Open { attempts })) => Standing::Open { attempts: attempts + 1 },
            (false, true, _) => Standing::Open { attempts: 1 },
            _ => continue,
        };
        standings.insert(number, (now, call));
    }
    let mut found: HashMap<&str, Vec<Standing>> = HashMap::new();
    for item in &observed.missed {
        let Some(number) = item.number.as_deref() else { continue };
        let standing = match item.state.as_str() {
            "closed" => Standing::Closed,
            _ => Standing::Open { attempts: item.attempts },
        };
        found.entry(number).or_default().push(standing);
    }
    for (number, (standing, call)) in standings {
        let items = found.remove(number).unwrap_or_default();
        let open: Vec<&Standing> = items.iter().filter(|item| **item != Standing::Closed).collect();
        let right = match standing {
            Standing::Open { .. } => open == [&standing],
            Standing::Closed => open.is_empty() && !items.is_empty(),
        };
        if right {
            card.missed_right += 1;
            continue;
        }
        card.findings.push(Finding {
            verdict: Verdict::MissedWrong,
            call: Some(call),
            interaction: None,
            expected: format!("the item of {number} {standing:?}"),
            found: format!("{items:?}"),
        });
    }
    for number in found.into_keys().filter(|number| called(world, number)) {
        card.findings.push(Finding {
            verdict: Verdict::MissedWrong,
            call: None,
            interaction: None,
            expected: format!("no item of {number}"),
            found: "one".to_owned(),
        });
    }
}

/// Tells whether a number is of this world: a server has other callers too.
fn called(world: &World, number: &str) -> bool {
    (0..world.calls.len()).any(|call| world.other_number(call) == Some(number))
}
