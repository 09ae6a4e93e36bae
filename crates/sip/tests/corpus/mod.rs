//! The torture messages, read where they lie beside the project.
#![allow(dead_code)] // each test file takes some of these
#![allow(clippy::indexing_slicing)] // a manifest of another shape fails the test

use std::path::PathBuf;

/// Reads a file of the corpora, or says loudly which one is absent.
pub(crate) fn read(path: &str) -> Vec<u8> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora")).join(path);
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("the corpus file {} is needed: {error}", path.display()))
}

/// One row of the RFC 4475 manifest.
pub(crate) struct Torture {
    pub(crate) file: String,
    pub(crate) kind: String,
    pub(crate) ua_behaviour: String,
    pub(crate) bytes: Vec<u8>,
}

/// Gives all 49 messages of RFC 4475 with their rows.
pub(crate) fn rfc4475() -> Vec<Torture> {
    let manifest = String::from_utf8(read("rfc4475/manifest.tsv")).expect("UTF-8");
    let rows = manifest.lines().skip(1).map(|row| {
        let columns: Vec<&str> = row.split('\t').collect();
        let file = columns[0].to_owned();
        let bytes = read(&format!("rfc4475/{file}"));
        assert_eq!(bytes.len().to_string(), columns[7], "{file} is the message that the manifest means");
        Torture { file, kind: columns[3].to_owned(), ua_behaviour: columns[5].replace('"', ""), bytes }
    });
    rows.collect()
}

/// Gives all 12 messages of RFC 5118 as they look on the wire, with name and whether they are valid.
pub(crate) fn rfc5118() -> Vec<(String, bool, Vec<u8>)> {
    let manifest: Vec<serde_json::Value> =
        serde_json::from_slice(&read("rfc5118/manifest.json")).expect("JSON");
    let rows = manifest.iter().map(|row| {
        let file = row["file"].as_str().expect("file").to_owned();
        let bytes = read(&format!("rfc5118/wire/{file}.sip"));
        assert_eq!(row["wire_bytes"].as_u64(), Some(bytes.len() as u64), "{file}");
        (file, row["kind"] == "valid", bytes)
    });
    rows.collect()
}
