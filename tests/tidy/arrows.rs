//! Which crate may lean on which, read from `cargo metadata`; dependencies of tests and build scripts are free.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use super::root;

/// Each crate of the workspace with the siblings that it may use.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("linecard-sip", &[]),
    ("linecard-media", &[]),
    ("linecard-crm", &[]),
    ("linecard-calls", &["linecard-crm"]),
    ("linecard-store", &["linecard-calls", "linecard-crm"]),
    ("linecard-web", &["linecard-store", "linecard-calls", "linecard-crm"]),
    ("linecard-lab", &["linecard-sip", "linecard-media", "linecard-calls"]),
    (
        "linecard",
        &[
            "linecard-sip",
            "linecard-media",
            "linecard-crm",
            "linecard-calls",
            "linecard-store",
            "linecard-web",
            "linecard-lab",
        ],
    ),
    (
        "linecard-bench",
        &["linecard-sip", "linecard-media", "linecard-crm", "linecard-calls", "linecard-store"],
    ),
    ("xtask", &[]),
];

/// The crates that know neither sockets nor tasks.
const WITHOUT_RUNTIME: [&str; 4] = ["linecard-sip", "linecard-media", "linecard-calls", "linecard-crm"];
const RUNTIMES: [&str; 4] = ["tokio", "mio", "async-std", "smol"];

type Arrows = BTreeMap<String, BTreeSet<String>>;

fn metadata() -> Metadata {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(vec!["--filter-platform".into(), platform])
        .exec()
        .expect("cargo metadata")
}

/// Every normal dependency between the packages of the lock file, by name.
fn arrows(metadata: &Metadata) -> Arrows {
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let mut arrows = Arrows::new();
    for node in &resolve.nodes {
        let from = metadata[&node.id].name.to_string();
        let normal = node
            .deps
            .iter()
            .filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        arrows
            .entry(from)
            .or_default()
            .extend(normal.map(|dependency| metadata[&dependency.pkg].name.to_string()));
    }
    arrows
}

fn siblings_out_of_order(members: &BTreeSet<String>, arrows: &Arrows) -> Vec<String> {
    let mut found = Vec::new();
    for member in members {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| name == member) else {
            found.push(format!("{member} has no place among the arrows"));
            continue;
        };
        let used = arrows.get(member).into_iter().flatten().filter(|name| members.contains(*name));
        let strange = used.filter(|name| !allowed.contains(&name.as_str()));
        found.extend(strange.map(|name| format!("{member} -> {name}")));
    }
    found
}

/// The way from `from` to a runtime, however long.
fn way_to_runtime(from: &str, arrows: &Arrows) -> Option<Vec<String>> {
    let mut ways = vec![vec![from.to_owned()]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        let last = way.last().cloned().unwrap_or_default();
        if RUNTIMES.contains(&last.as_str()) {
            return Some(way);
        }
        if seen.insert(last.clone()) {
            let next = arrows.get(&last).into_iter().flatten();
            ways.extend(next.map(|name| way.iter().chain([name]).cloned().collect()));
        }
    }
    None
}

#[test]
fn crates_lean_on_each_other_in_one_direction_only() {
    let metadata = metadata();
    let members = metadata.workspace_packages().iter().map(|package| package.name.to_string()).collect();
    assert_eq!(siblings_out_of_order(&members, &arrows(&metadata)), Vec::<String>::new());

    let bad = graph(&[
        ("linecard-sip", "linecard-calls"),
        ("linecard-calls", "linecard-crm"),
        ("linecard-new", "serde"),
    ]);
    let members = bad.keys().cloned().chain(["linecard-crm".into()]).collect();
    let found = siblings_out_of_order(&members, &bad);
    assert_eq!(found, ["linecard-new has no place among the arrows", "linecard-sip -> linecard-calls"]);
}

#[test]
fn the_rules_and_protocols_know_no_runtime() {
    let arrows = arrows(&metadata());
    let ways: Vec<Vec<String>> =
        WITHOUT_RUNTIME.iter().filter_map(|name| way_to_runtime(name, &arrows)).collect();
    assert_eq!(ways, Vec::<Vec<String>>::new());

    let bad = graph(&[("linecard-sip", "some-crate"), ("some-crate", "tokio")]);
    assert_eq!(way_to_runtime("linecard-sip", &bad).map(|way| way.len()), Some(3));
}

fn graph(edges: &[(&str, &str)]) -> Arrows {
    let mut arrows = Arrows::new();
    for &(from, to) in edges {
        arrows.entry(from.into()).or_default().insert(to.into());
    }
    arrows
}
