//! The norms of the source, kept by tests that read the source. Each rule is shown a bad sample too and must find it.
//!
//! What the compiler and clippy already refuse is not repeated here; what they let through when somebody writes an
//! `allow`, or cannot see because it spans files, is.

mod arrows;
mod rust_source;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use rust_source::{Code, functions};

use super::peers::root;

/// Lines of a file without its tests.
const FILE_LINES: usize = 600;
/// Lines of a file that is all tests.
const TEST_FILE_LINES: usize = 1200;
/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES: usize = 70;
/// Above a function whose length is its RFC's figure, not ours.
const MIRRORS: &str = "// mirrors RFC";

const TOP_LEVEL: [&str; 16] = [
    ".cargo",
    ".ci",
    ".config",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "clippy.toml",
    "crates",
    "migrations",
    "rustfmt.toml",
    "sip-config",
    "src",
    "tests",
];

/// A file of the project: its path from the root and its text.
struct SourceFile {
    path: String,
    text: String,
}

/// Every text file that is tracked or about to be; generated and ignored ones are not.
fn files() -> Vec<SourceFile> {
    let list = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    assert!(list.status.success(), "git ls-files: {}", String::from_utf8_lossy(&list.stderr));
    let paths = String::from_utf8(list.stdout).expect("paths are UTF-8");
    let paths = paths.split('\0').filter(|path| !path.is_empty());
    let read = |path: &str| {
        let bytes = std::fs::read(root().join(path)).ok()?;
        Some(SourceFile { path: path.into(), text: String::from_utf8(bytes).ok()? })
    };
    let files: Vec<SourceFile> = paths.filter_map(read).collect();
    assert!(files.len() > 30, "only {} files were found", files.len());
    files
}

fn rust_files() -> Vec<SourceFile> {
    let mut files = files();
    files.retain(|file| extension(&file.path) == "rs");
    files
}

fn extension(path: &str) -> &str {
    Path::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

/// Runs a rule over files and fails with everything it found.
fn all_keep(files: &[SourceFile], rule: impl Fn(&SourceFile) -> Vec<String>) {
    let found: Vec<String> = files
        .iter()
        .flat_map(|file| rule(file).into_iter().map(|fault| format!("{}: {fault}", file.path)))
        .collect();
    assert!(found.is_empty(), "{} faults:\n{}", found.len(), found.join("\n"));
}

fn sample(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.into(), text: text.into() }
}

fn is_test_file(path: &str) -> bool {
    path.starts_with("tests/")
        || path.contains("/tests/")
        || path.ends_with("tests.rs")
        || path.contains(".test.")
        || path.contains(".spec.")
}

fn too_long(file: &SourceFile) -> Vec<String> {
    let own = file.text.lines().take_while(|line| *line != "#[cfg(test)]").count();
    let inline = file.text.contains("\n#[cfg(test)]\nmod tests {");
    let lines = if inline { own } else { file.text.lines().count() };
    let limit = if is_test_file(&file.path) { TEST_FILE_LINES } else { FILE_LINES };
    if lines > limit { vec![format!("{lines} lines, at most {limit}")] } else { Vec::new() }
}

#[test]
fn no_file_is_too_long() {
    let mut files = files();
    files.retain(|file| ["rs", "ts", "svelte", "css", "mjs", "js"].contains(&extension(&file.path)));
    all_keep(&files, too_long);

    let long = "x\n".repeat(601);
    assert_eq!(too_long(&sample("src/a.rs", &long)).len(), 1);
    assert_eq!(too_long(&sample("tests/a.rs", &long)).len(), 0);
    let tests = format!("{}#[cfg(test)]\nmod tests {{\n{long}}}\n", "x\n".repeat(500));
    assert_eq!(too_long(&sample("src/a.rs", &tests)).len(), 0, "its tests do not count");
}

fn long_functions(file: &SourceFile) -> Vec<String> {
    let long = functions(&file.text).into_iter().filter(|function| function.lines > FUNCTION_LINES);
    let unmarked = long.filter(|function| !function.heading.contains(MIRRORS));
    unmarked
        .map(|function| format!("{}: fn {} has {} lines", function.line, function.name, function.lines))
        .collect()
}

#[test]
fn no_function_is_too_long() {
    all_keep(&rust_files(), long_functions);

    let long = format!("fn a<'x>(c: char) -> &'x str {{\n{}}}\n", "    if c == '{' { \"}\"; }\n".repeat(70));
    assert_eq!(long_functions(&sample("a.rs", &long)), ["1: fn a has 72 lines"]);
    assert_eq!(long_functions(&sample("a.rs", &format!("{MIRRORS} 3261 figure 5\n{long}"))).len(), 0);
    let short = long.replacen("    if", "}\nfn b() {\n    if", 1);
    assert_eq!(long_functions(&sample("a.rs", &short)), ["3: fn b has 72 lines"]);
}

/// Words that mean unfinished work or a type without a meaning of its own.
fn forbidden_words(file: &SourceFile) -> Vec<String> {
    let code = Code::of(&file.text);
    let mut found = Vec::new();
    for (number, line) in code.without_text().lines().enumerate() {
        let stubs = ["todo!", "unimplemented!", "dbg!", "#[ignore"];
        found.extend(
            stubs.iter().filter(|stub| line.contains(*stub)).map(|stub| format!("{}: {stub}", number + 1)),
        );
        let vague = declared_name(line).filter(|name| is_vague(name));
        found.extend(vague.map(|name| format!("{}: the name {name} says nothing", number + 1)));
    }
    let unfinished = ["FIXME", "XXX", "TODO"];
    for (number, line) in code.comments().lines().enumerate() {
        found.extend(
            unfinished
                .iter()
                .filter(|word| line.contains(*word))
                .map(|word| format!("{}: {word}", number + 1)),
        );
    }
    found
}

fn declared_name(line: &str) -> Option<&str> {
    let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    words.find(|word| ["struct", "enum", "trait", "mod", "type", "union"].contains(word))?;
    words.next()
}

fn is_vague(name: &str) -> bool {
    let parts = ["Manager", "Helper", "Util"];
    let in_type = parts.iter().any(|part| {
        name.match_indices(part).any(|(at, _)| {
            let rest = name[at + part.len()..].trim_start_matches('s');
            rest.is_empty() || rest.starts_with(char::is_uppercase)
        })
    });
    in_type || ["util", "utils", "helper", "helpers", "manager", "misc"].contains(&name)
}

#[test]
fn nothing_is_unfinished_or_without_a_name_of_its_own() {
    all_keep(&rust_files(), forbidden_words);

    let bad = "fn a() { todo!() }\nstruct CallManager;\nmod utils;\n// FIXME later\nfn b() { dbg!(1); }\nenum StringUtils {}\n";
    assert_eq!(forbidden_words(&sample("a.rs", bad)).len(), 6);
    let good = "/// Says \"todo!\" aloud.\nfn a() { print(\"todo! FIXME\") }\nstruct Utilisation;\nstruct Managed;\n";
    assert_eq!(forbidden_words(&sample("a.rs", good)), Vec::<String>::new());
}

fn strange_entries<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<String> {
    let entries: BTreeSet<&str> = paths.filter_map(|path| path.split('/').next()).collect();
    entries.into_iter().filter(|entry| !TOP_LEVEL.contains(entry)).map(String::from).collect()
}

#[test]
fn the_top_level_holds_what_the_architecture_names_and_nothing_else() {
    let files = files();
    assert_eq!(strange_entries(files.iter().map(|file| file.path.as_str())), Vec::<String>::new());
    assert_eq!(strange_entries(["src/a.rs", "notes.md", "x/y"].into_iter()), ["notes.md", "x"]);
}

fn without_opening(file: &SourceFile) -> Vec<String> {
    let opening = file.text.lines().next().unwrap_or_default();
    if opening.starts_with("//! ") {
        Vec::new()
    } else {
        vec!["does not open with what it is (`//!`)".into()]
    }
}

#[test]
fn every_module_opens_with_what_it_is() {
    all_keep(&rust_files(), without_opening);

    assert_eq!(without_opening(&sample("a.rs", "use std::fs;\n//! late")).len(), 1);
    assert_eq!(without_opening(&sample("a.rs", "")).len(), 1);
}

/// Paths and hosts that exist on one machine only.
fn machine_traces(file: &SourceFile) -> Vec<String> {
    let local = ["work", "farm", "root", "home"].map(|place| format!("/{place}/"));
    let mut found = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let traces =
            local.iter().filter(|trace| line.contains(*trace)).filter(|trace| !is_part_of_word(line, trace));
        found.extend(traces.map(|trace| format!("{}: {trace}", number + 1)));
    }
    let lock = file.path.ends_with("package-lock.json");
    let public = "\"resolved\": \"https://registry.npmjs.org/";
    let strange =
        file.text.lines().filter(|line| lock && line.contains("\"resolved\": ") && !line.contains(public));
    found.extend(strange.map(|line| format!("a registry of this place: {}", line.trim())));
    found
}

/// Whether the needle only continues a longer, relative path.
fn is_part_of_word(line: &str, needle: &str) -> bool {
    let at = line.find(needle).unwrap_or_default();
    line[..at]
        .ends_with(|before: char| before.is_alphanumeric() || matches!(before, '.' | '_' | '-' | '}' | '@'))
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    all_keep(&files(), machine_traces);

    let place = ["/", "work", "/main"].concat();
    assert_eq!(machine_traces(&sample("a.rs", &format!("let a = \"{place}\";"))).len(), 1);
    assert_eq!(machine_traces(&sample("a.md", "see ../shared/corpora")).len(), 0);
    let lock = "  \"resolved\": \"http://127.0.0.1:9/npm/x.tgz\",";
    assert_eq!(machine_traces(&sample("tests/browser/package-lock.json", lock)).len(), 1);
}

/// The plural forms of a language (Unicode CLDR): Russian has more of them than English.
const PLURALS: [&str; 6] = ["zero", "one", "two", "few", "many", "other"];

/// The keys of a catalogue of texts, `a.b.c` for nested ones: JSON, or a TypeScript object with one key a line.
/// Plural forms belong to their key.
fn catalogue_keys(file: &SourceFile) -> BTreeSet<String> {
    if extension(&file.path) == "json" {
        let value = serde_json::from_str(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.path));
        let mut keys = BTreeSet::new();
        collect_keys("", &value, &mut keys);
        return keys;
    }
    let key = |line: &str| {
        let (key, rest) = line.trim().split_once(':')?;
        let key = key.trim_matches(['"', '\'']);
        let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "._-".contains(c));
        (plain && !rest.is_empty() && !PLURALS.contains(&key)).then(|| key.to_owned())
    };
    file.text.lines().filter_map(key).collect()
}

fn collect_keys(prefix: &str, value: &serde_json::Value, keys: &mut BTreeSet<String>) {
    type Object = serde_json::Map<String, serde_json::Value>;
    let plural = |object: &Object| object.keys().all(|key| PLURALS.contains(&key.as_str()));
    match value.as_object().filter(|object| !plural(object)) {
        Some(object) => {
            object.iter().for_each(|(key, value)| collect_keys(&format!("{prefix}.{key}"), value, keys))
        }
        None => {
            keys.insert(prefix.trim_start_matches('.').to_owned());
        }
    }
}

fn untranslated(one: &SourceFile, other: &SourceFile) -> Vec<String> {
    let (left, right) = (catalogue_keys(one), catalogue_keys(other));
    left.symmetric_difference(&right).cloned().collect()
}

#[test]
fn every_text_of_the_interface_is_in_both_languages() {
    let files = files();
    let catalogue = |language: &str| {
        let names = [format!("{language}.json"), format!("{language}.ts")];
        let mut ours = files.iter().filter(|file| file.path.starts_with("crates/web/ui/src/"));
        ours.find(|file| names.iter().any(|name| file.path.rsplit('/').next() == Some(name)))
    };
    let interface = files.iter().any(|file| file.path == "crates/web/ui/package.json");
    match (catalogue("en"), catalogue("ru")) {
        (Some(english), Some(russian)) => {
            assert!(catalogue_keys(english).len() > 10, "{} has hardly a text", english.path);
            assert_eq!(untranslated(english, russian), Vec::<String>::new());
        }
        _ => assert!(!interface, "the interface has no catalogues en and ru under crates/web/ui/src"),
    }

    let english = sample("en.json", r#"{"call": {"answer": "Answer", "end": "Hang up"}}"#);
    let russian = sample("ru.json", r#"{"call": {"answer": "Ответить"}}"#);
    assert_eq!(untranslated(&english, &russian), ["call.end"]);
    let english = sample("en.ts", "export const en = {\n  \"call.answer\": \"Answer\",\n  end: \"End\",\n};");
    let russian =
        sample("ru.ts", "export const ru = {\n  \"call.answer\": {\n    few: \"Ответьте\",\n  },\n};");
    assert_eq!(untranslated(&english, &russian), ["end"]);
}
