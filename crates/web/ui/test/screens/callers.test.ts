// What people say of a doubtful caller, and what becomes of a file of contacts.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BrowserContext } from 'playwright-core';
import type { Office } from './fake/office.ts';
import { LONG, MARIA } from './fake/people.ts';
import type { FakeServer } from './fake/server.ts';
import { choose, importing, putThrough, searching, stranger, switchboard } from './scenes_callers.ts';
import { Tab, openStage, person } from './stage.ts';

const at = (id: string): string => `[data-testid=${id}]`;
const stage = openStage();
let server: FakeServer;
let office: Office;
let context: BrowserContext;
let tab: Tab;

beforeEach(async () => {
  server = stage.server;
  office = server.reset();
  context = await person(stage.browser, 'ru');
  tab = await Tab.open(context, server);
});

afterEach(async () => {
  // Closed whatever is found, or the tab would take part in the next test.
  await context.close();
  expect(tab.problems).toEqual([]);
});

const until = (what: () => unknown): Promise<void> => expect.poll(what, { timeout: 8_000, interval: 20 }).toBeTruthy();
const name = (): Promise<string | null> => tab.page.textContent(at('pop-name'));
const live = (): { contact_id: string | null } | undefined => [...office.interactions.values()].find(({ state }) => state === 'live');

test('a customer whom a colleague puts through is on the screen at once, and called back by the own number', async () => {
  const call = await putThrough(tab, office);
  await expect.poll(name, { timeout: 8_000 }).toBe(MARIA.name);
  expect(await tab.page.textContent(at('pop-put-through'))).toBe('Соединили с номера 101');
  expect(await tab.page.textContent(at('pop-handed'))).toContain('Договор № 2026/118-К');
  expect(await tab.page.textContent(at('pop-number'))).toContain('831');
  call.connectedWith('+79161234567');
  await tab.see(at('pop-connected'));
  expect(await name()).toBe(MARIA.name);
  expect(await tab.page.textContent(at('pop-connected'))).toMatch(/Сейчас на линии: .*916/);
  call.end();
  await tab.page.goto(`${server.url}/history/${call.interactionId}`);
  const facts = tab.page.locator(at('detail'));
  await expect.poll(() => facts.innerText(), { timeout: 8_000 }).toContain('Звонок начат с');
  expect(await facts.innerText()).toContain('Соединён с');
  expect(await tab.page.textContent(at('detail-number'))).toContain('831');
});

test('somebody new at the company gets no number of the switchboard', async () => {
  await switchboard(tab, office);
  await tab.page.click(at('someone-new'));
  expect(await tab.page.inputValue(at('new-company'))).toBe('ООО «Волга-Сервис»');
  await tab.page.fill(at('new-name'), 'Зоя Павлова');
  await tab.page.click(at('new-save'));
  await expect.poll(name, { timeout: 8_000 }).toBe('Зоя Павлова');
  const zoya = office.contacts.find((contact) => contact.name === 'Зоя Павлова');
  expect([zoya?.company_id, zoya?.numbers]).toEqual(['volga', []]);
  expect(live()?.contact_id).toBe(zoya?.id);
});

test('none of these is said, survives a reload, and is taken back by picking one', async () => {
  await switchboard(tab, office);
  await tab.page.click(at('none-of-these'));
  await tab.see(at('new-contact'));
  await tab.page.reload();
  await tab.see(at('new-contact'));
  expect(await tab.page.textContent(at('pop-why'))).toBe('Вы указали: никто из них');
  await tab.page.locator('details', { has: tab.page.locator(at('candidate')) }).locator('summary').click();
  await tab.page.click(`${at('candidate')}[data-contact-id=${MARIA.id}]`);
  await expect.poll(name, { timeout: 8_000 }).toBe(MARIA.name);
  await tab.page.reload();
  await expect.poll(name, { timeout: 8_000 }).toBe(MARIA.name);
});

test('an unknown number is given to the contact who is found', async () => {
  await stranger(tab, office);
  await tab.page.click(`${at('known-caller')} summary`);
  await tab.page.fill(at('known-search'), 'Константин');
  await tab.see(`${at('known-caller')} [role=option]`);
  await tab.page.keyboard.press('ArrowDown');
  await tab.page.keyboard.press('Enter');
  await expect.poll(name, { timeout: 8_000 }).toBe(LONG.name);
  const long = (): (typeof office.contacts)[number] | undefined => office.contacts.find(({ id }) => id === LONG.id);
  expect(long()?.numbers.map(({ e164 }) => e164)).toEqual(['+79035550123', '+78312987654']);
  expect(live()?.contact_id).toBe(LONG.id);
});

test('a contact that cannot be changed is said so, and nothing is lost', async () => {
  await stranger(tab, office);
  await tab.page.fill(at('new-name'), 'Кто-то');
  await tab.page.click(`${at('known-caller')} summary`);
  server.faults.push({ path: /^\/contacts\/long$/, method: 'PATCH', status: 503 });
  await tab.page.fill(at('known-search'), 'Константин');
  await tab.page.locator(`${at('known-caller')} [role=option]`).first().click();
  await tab.see(`${at('known-caller')} [role=alert]`);
  expect(await tab.page.inputValue(at('new-name'))).toBe('Кто-то');
  expect(live()?.contact_id).toBe(null);
});

test('one search finds contacts, companies and calls, and opens them by the keyboard', async () => {
  await searching(tab, office, 'мария');
  await tab.see(`${at('search-option')}[data-kind=call]`);
  const kinds = await tab.page.locator(at('search-option')).evaluateAll((options) => options.map((option) => option.getAttribute('data-kind')));
  expect(kinds).toEqual(['contact', 'call', 'call', 'call', 'all']);
  await tab.page.keyboard.press('Enter');
  await until(() => new URL(tab.page.url()).pathname === `/contacts/${MARIA.id}`);
  await tab.gone(at('search-option'));
  await tab.page.keyboard.press('/');
  await tab.page.keyboard.type('8 (831) 212-34');
  await tab.see(`${at('search-option')}[data-kind=company]`);
  await tab.page.locator(`${at('search-option')}[data-kind=company]`).click();
  await until(() => new URL(tab.page.url()).pathname === '/companies/volga');
  await tab.page.keyboard.press('/');
  await tab.page.keyboard.type('никого такого');
  await tab.see(at('search-nothing'));
  await tab.page.keyboard.press('Escape');
  await tab.gone(at('search-nothing'));
});

test('the search says that it failed and works again with the next letter', async () => {
  server.faults.push({ path: /^\/companies$/, status: 503 });
  await searching(tab, office, 'мари');
  await tab.see(at('search-nothing'));
  server.faults.length = 0;
  await tab.page.keyboard.type('я');
  await tab.see(at('search-option'));
});

test('a narrow screen unfolds the search over the bar and folds it away', async () => {
  await tab.page.setViewportSize({ width: 360, height: 740 });
  await searching(tab, office, 'мария');
  await tab.page.locator(at('search-option')).first().click();
  await until(() => new URL(tab.page.url()).pathname === `/contacts/${MARIA.id}`);
  expect(await tab.page.locator(at('search-all')).isVisible()).toBe(false);
});

test('a file is tried before anything changes, then added once', async () => {
  await importing(tab, office);
  const before = office.contacts.length;
  await choose(tab);
  await tab.see(at('import-add'));
  expect(office.contacts.length).toBe(before);
  const results = await tab.page.locator(at('import-row')).evaluateAll((rows) => rows.map((row) => row.getAttribute('data-result')));
  expect(results).toEqual(['refused', 'added', 'added', 'known']);
  await tab.page.click(at('import-add'));
  await tab.see(`${at('import-report')}[data-dry-run=false]`);
  expect(office.contacts.length).toBe(before + 2);
  await choose(tab);
  await until(async () => (await tab.page.getAttribute(at('import-report'), 'data-dry-run')) === 'true');
  expect(await tab.page.locator(at('import-add')).count()).toBe(0);
});
