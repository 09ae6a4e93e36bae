//! Chromium, driven by the Node program in `tests/browser`: one JSON line is a command, one is its answer.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout};
use std::time::Duration;

use serde_json::{Value, json};

use super::program::Program;
use super::root;

/// A running browser.
pub(crate) struct Browser {
    wire: RefCell<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    _program: Program,
}

/// A tab, named by the test.
pub(crate) struct Tab<'a> {
    browser: &'a Browser,
    name: String,
}

impl Browser {
    /// Starts Chromium without a window.
    pub(crate) fn start() -> Self {
        let runner = root().join("tests/browser/runner.mjs");
        let modules = root().join("tests/browser/node_modules/playwright-core");
        assert!(
            modules.exists(),
            "playwright-core is missing: run npm ci in tests/browser (cargo verify does)"
        );
        let chromium = Path::new("/usr/bin/chromium");
        assert!(chromium.exists(), "chromium is missing: install the package chromium (cargo verify does)");
        let mut program = Program::new("node", "nodejs");
        let (input, output) = program.start_piped(&[runner.display().to_string()]);
        let browser = Self { wire: RefCell::new((input, BufReader::new(output).lines())), _program: program };
        let hello = browser.read_line();
        assert!(hello["ready"].is_string(), "the browser greets: {hello}");
        browser
    }

    /// Opens a tab for `person` in the language `locale` (`ru-RU`, `en-GB`); a person's tabs share cookies and storage.
    pub(crate) fn open(&self, name: &str, person: &str, locale: &str, url: &str) -> Tab<'_> {
        let tab = Tab { browser: self, name: name.into() };
        tab.run("open", json!({"person": person, "locale": locale, "url": url, "timeout_ms": 10_000}));
        tab
    }

    fn ask(&self, command: &Value) -> Result<Value, String> {
        writeln!(self.wire.borrow_mut().0, "{command}").map_err(|error| error.to_string())?;
        let answer = self.read_line();
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["ok"].clone()),
        }
    }

    fn read_line(&self) -> Value {
        let line = self.wire.borrow_mut().1.next();
        let line = line.expect("the browser's driver still runs").expect("its answer can be read");
        serde_json::from_str(&line).expect("its answer is JSON")
    }
}

impl Tab<'_> {
    fn run(&self, command: &str, mut fields: Value) -> Value {
        fields["do"] = command.into();
        fields["tab"] = self.name.clone().into();
        self.browser.ask(&fields).unwrap_or_else(|error| self.fail(command, &error))
    }

    fn fail(&self, command: &str, error: &str) -> ! {
        let ask = |what: &str| self.browser.ask(&json!({"do": what, "tab": self.name, "selector": "body"}));
        let (text, problems) = (ask("text"), ask("problems"));
        panic!("{command} in tab {}: {error}\nproblems: {problems:?}\nthe page reads: {text:?}", self.name);
    }

    /// Goes to another address.
    pub(crate) fn go_to(&self, url: &str) {
        self.run("goto", json!({"url": url}));
    }

    /// Loads the page again.
    pub(crate) fn reload(&self) {
        self.run("reload", json!({}));
    }

    /// Clicks what the selector (CSS, or `text=...`, `role=button[name="..."]`) finds.
    pub(crate) fn click(&self, selector: &str) {
        self.run("click", json!({"selector": selector}));
    }

    /// Types into a field.
    pub(crate) fn fill(&self, selector: &str, value: &str) {
        self.run("fill", json!({"selector": selector, "value": value}));
    }

    /// Presses a key in an element, such as `Enter`.
    pub(crate) fn press(&self, selector: &str, key: &str) {
        self.run("press", json!({"selector": selector, "key": key}));
    }

    /// The text that a person reads in the first element found.
    pub(crate) fn text(&self, selector: &str) -> String {
        self.run("text", json!({"selector": selector})).as_str().unwrap_or_default().to_owned()
    }

    /// How many elements the selector finds.
    pub(crate) fn count(&self, selector: &str) -> u64 {
        self.run("count", json!({"selector": selector})).as_u64().expect("a count")
    }

    /// Waits until an element is visible.
    pub(crate) fn wait_for(&self, selector: &str, at_most: Duration) {
        self.run("wait_for", json!({"selector": selector, "timeout_ms": millis(at_most)}));
    }

    /// Waits until no such element is visible.
    pub(crate) fn wait_gone(&self, selector: &str, at_most: Duration) {
        self.run("wait_gone", json!({"selector": selector, "timeout_ms": millis(at_most)}));
    }

    /// Waits until the page shows this text; returns the browser's clock then, in milliseconds since 1970.
    pub(crate) fn wait_text(&self, text: &str, at_most: Duration) -> u64 {
        self.run("wait_text", json!({"text": text, "timeout_ms": millis(at_most)})).as_u64().expect("a time")
    }

    /// Evaluates a script expression in the page.
    pub(crate) fn evaluate(&self, script: &str) -> Value {
        self.run("evaluate", json!({"script": script}))
    }

    /// The page as it stands, as markup.
    pub(crate) fn html(&self) -> String {
        self.run("html", json!({})).as_str().unwrap_or_default().to_owned()
    }

    /// Writes a picture of the whole page.
    pub(crate) fn screenshot(&self, path: &Path) {
        self.run("screenshot", json!({"path": path.display().to_string()}));
    }

    /// Sets the size of the page's window.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        self.run("size", json!({"width": width, "height": height}));
    }

    /// Cuts the network for all tabs of this tab's person, or restores it. An open WebSocket is not cut by this.
    pub(crate) fn set_offline(&self, offline: bool) {
        self.run("offline", json!({"offline": offline}));
    }

    /// Console errors, uncaught exceptions, dialogs and violations of the content security policy so far.
    pub(crate) fn problems(&self) -> Vec<String> {
        let problems = self.run("problems", json!({}));
        problems
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|text| text.as_str().map(String::from))
            .collect()
    }

    /// The text frames that its WebSockets received so far, in order, each with the number of its socket.
    pub(crate) fn frames(&self) -> Vec<(u64, Value)> {
        let frames = self.run("frames", json!({}));
        let frames = frames.as_array().expect("a list").iter().map(|pair| {
            let text = pair[1].as_str().expect("text");
            (pair[0].as_u64().expect("a number"), serde_json::from_str(text).expect("a frame is JSON"))
        });
        frames.collect()
    }

    /// Closes the tab.
    pub(crate) fn close(self) {
        self.run("close", json!({}));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("a short wait")
}
