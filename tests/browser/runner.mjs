// Drives the system's Chromium for tests written in Rust: one JSON command a line on standard input, one JSON answer a
// line on standard output. Each tab belongs to a named person; a person's tabs share cookies and storage.

import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
  ],
});
const people = new Map();
const tabs = new Map();

async function context(person, locale) {
  if (!people.has(person)) {
    people.set(person, await browser.newContext({ locale, timezoneId: "UTC", serviceWorkers: "block" }));
  }
  return people.get(person);
}

// What a healthy page never does: errors on its console, uncaught exceptions, requests the policy refuses.
function watch(page) {
  const problems = [];
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`exception: ${error.message}`));
  page.on("dialog", (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  return problems;
}

// Every text frame that its sockets received, with the number of the socket, in order.
function listen(page) {
  const frames = [];
  let sockets = 0;
  page.on("websocket", (socket) => {
    const number = ++sockets;
    socket.on("framereceived", ({ payload }) => frames.push([number, String(payload)]));
  });
  return frames;
}

async function open({ tab, person, url, locale, timeout_ms }) {
  const page = await (await context(person, locale)).newPage();
  page.setDefaultTimeout(timeout_ms);
  tabs.set(tab, { page, person, problems: watch(page), frames: listen(page) });
  await page.exposeFunction("reportPolicyViolation", (text) => tabs.get(tab).problems.push(`policy: ${text}`));
  await page.addInitScript(() =>
    document.addEventListener("securitypolicyviolation", (event) =>
      window.reportPolicyViolation(`${event.violatedDirective} ${event.blockedURI}`),
    ),
  );
  await page.goto(url);
}

const commands = {
  goto: ({ page }, { url }) => page.goto(url).then(() => null),
  reload: ({ page }) => page.reload().then(() => null),
  click: ({ page }, { selector }) => page.click(selector),
  fill: ({ page }, { selector, value }) => page.fill(selector, value),
  press: ({ page }, { selector, key }) => page.press(selector, key),
  text: ({ page }, { selector }) => page.innerText(selector),
  count: ({ page }, { selector }) => page.locator(selector).count(),
  wait_for: ({ page }, { selector, timeout_ms }) =>
    page.waitForSelector(selector, { state: "visible", timeout: timeout_ms }).then(() => null),
  wait_gone: ({ page }, { selector, timeout_ms }) =>
    page.waitForSelector(selector, { state: "hidden", timeout: timeout_ms }).then(() => null),
  wait_text: ({ page }, { text, timeout_ms }) =>
    page
      .waitForFunction((wanted) => document.body?.innerText.includes(wanted), text, { timeout: timeout_ms, polling: "raf" })
      .then(() => page.evaluate(() => Date.now())),
  evaluate: ({ page }, { script }) => page.evaluate(script),
  screenshot: ({ page }, { path }) => page.screenshot({ path, fullPage: true }).then(() => null),
  size: ({ page }, { width, height }) => page.setViewportSize({ width, height }),
  offline: ({ person }, { offline }) => people.get(person).setOffline(offline),
  problems: ({ problems }) => problems,
  frames: ({ frames }) => frames,
  html: ({ page }) => page.content(),
  close: ({ page }) => page.close(),
};

async function answer(command) {
  if (command.do === "open") return open(command);
  const tab = tabs.get(command.tab);
  if (!tab) throw new Error(`no tab ${command.tab}`);
  return commands[command.do](tab, command);
}

process.stdout.write(JSON.stringify({ ready: browser.version() }) + "\n");
for await (const line of createInterface({ input: process.stdin })) {
  let reply;
  try {
    reply = { ok: (await answer(JSON.parse(line))) ?? null };
  } catch (error) {
    reply = { error: String(error.message ?? error) };
  }
  process.stdout.write(JSON.stringify(reply) + "\n");
}
await browser.close();
