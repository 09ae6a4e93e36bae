//! `sip-config`: a page for each PBX that an administrator may have, with the fields of a line as the server takes them,
//! and no more claimed than was tried.

use std::collections::BTreeSet;

use serde_json::Value;

use super::server::Server;
use crate::peers::http::send;
use crate::peers::root;

/// The PBXes and providers that Linecard promises a page for.
const PROMISED: [&str; 14] = [
    "asterisk",
    "freepbx",
    "freeswitch",
    "kamailio",
    "opensips",
    "3cx",
    "mikopbx",
    "yeastar",
    "mango-office",
    "zadarma",
    "uis-novofon",
    "beeline",
    "mts",
    "trunk",
];
/// The one that the tests start, and whose whole configuration stands in its folder.
const RUN_BY_THE_TESTS: &str = "kamailio";
/// Those whose quirks the simulated fleet has under their own name.
const SIMULATED: [&str; 3] = ["asterisk", "freeswitch", "3cx"];

fn page(folder: &str) -> String {
    let path = root().join("sip-config").join(folder).join("README.md");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The cells of a Markdown table's rows, those of its head left out.
fn rows(text: &str, head: &str) -> Vec<Vec<String>> {
    let table = text.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    table.take_while(|line| line.starts_with('|')).map(cells).collect()
}

/// The words between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The table of all: a folder and how it was tried.
fn table() -> Vec<(String, String)> {
    let rows = rows(&page(""), "| folder |");
    let row = |cells: &Vec<String>| {
        let folder = cells[0].trim_start_matches('[').split(']').next().expect("a link").to_owned();
        (folder, cells.last().expect("how it was tried").clone())
    };
    rows.iter().map(row).collect()
}

fn line_fields() -> BTreeSet<String> {
    let server = Server::start();
    let document = send(server.http, "GET", "/api/v1/openapi.json", "", "").expect("an answer").json();
    let line: &Value = &document["components"]["schemas"]["NewLine"]["properties"];
    line.as_object().expect("the fields of a line").keys().cloned().collect()
}

#[test]
fn each_promised_pbx_has_a_page_and_a_row() {
    let listed: BTreeSet<String> = table().into_iter().map(|(folder, _)| folder).collect();
    assert_eq!(listed, PROMISED.map(str::to_owned).into());
    for folder in PROMISED {
        assert!(page(folder).starts_with("# "), "{folder}");
    }
}

#[test]
fn every_page_names_the_fields_of_a_line_as_the_server_does() {
    let known = line_fields();
    for folder in PROMISED.into_iter().filter(|folder| *folder != RUN_BY_THE_TESTS) {
        let rows = rows(&page(folder), "| line field |");
        let named: BTreeSet<String> =
            rows.iter().flat_map(|cells| quoted(&cells[0])).map(str::to_owned).collect();
        let unknown: Vec<&String> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{folder}: a line has no {unknown:?}");
        for field in ["server", "username", "password", "transport", "mode"] {
            assert!(named.contains(field), "{folder} does not say what to enter for {field}");
        }
    }
}

#[test]
fn no_more_is_claimed_than_was_tried() {
    for (folder, tried) in table() {
        let says_so = page(&folder).contains("not tried") || page(&folder).contains("not the program");
        let expected = match folder.as_str() {
            RUN_BY_THE_TESTS => "the real program, by the tests",
            simulated if SIMULATED.contains(&simulated) => {
                "its simulated profile, by the tests; these settings from public documentation only"
            }
            _ => "from public documentation only",
        };
        assert_eq!(tried, expected, "{folder}");
        assert_eq!(says_so, folder != RUN_BY_THE_TESTS, "{folder}: the page itself");
    }
    let fleet = linecard_lab::fleet::Profile::ALL.map(|profile| profile.name());
    assert!(SIMULATED.iter().all(|name| fleet.contains(name)), "{fleet:?}");
}
