// Calling out: by number, by name, from a card, from a missed call; what is said while it goes on and when it fails.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BrowserContext } from 'playwright-core';
import type { Office } from './fake/office.ts';
import { KNOWN, MARIA } from './fake/people.ts';
import type { FakeServer } from './fake/server.ts';
import { busy, neglected } from './scenes.ts';
import { Tab, openStage, person } from './stage.ts';

const VOLGA = '+78312123456';
const FIELD = '[data-testid=dial-input]';
const stage = openStage();
let server: FakeServer;
let office: Office;
let context: BrowserContext;
let tab: Tab;

beforeEach(async () => {
  server = stage.server;
  office = server.reset();
  busy(office);
  context = await person(stage.browser, 'ru');
  tab = await Tab.open(context, server);
  await tab.desk();
});

afterEach(async () => {
  // Closed whatever is found, or the tab would take part in the next test.
  await context.close();
  expect(tab.problems).toEqual([]);
});

const dials = (): string[] => server.asked.filter((asked) => asked === 'POST /calls');
const word = async (): Promise<string> => ((await tab.page.textContent('[data-testid=call-panel] [role=status]')) ?? '').trim();
const says = (text: string): Promise<void> => expect.poll(word, { timeout: 8_000 }).toBe(text);

test('a number is dialled once however often the key is pressed, and each step is told', async () => {
  server.delays.push({ path: /^\/calls$/, ms: 300 });
  await tab.page.keyboard.press('d');
  expect(await tab.page.evaluate(() => document.activeElement?.id)).toBe('dial-field');
  await tab.page.keyboard.type('8 831 212-34-56');
  for (let n = 0; n < 3; n += 1) await tab.page.keyboard.press('Enter');
  await says('Снимите трубку');
  expect(dials()).toHaveLength(1);
  const call = office.asked[0]?.found(KNOWN);
  await expect.poll(() => tab.page.textContent('[data-testid=pop-name]'), { timeout: 8_000 }).toBe(MARIA.name);
  await tab.see(`[data-testid=card][data-contact-id=${MARIA.id}]`);
  call?.pickUp();
  await says('Набираем');
  call?.ringThere();
  await says('Идут гудки');
  call?.answer();
  await says('Разговор');
  call?.end();
  await says('Разговор окончен');
  expect(await tab.page.locator('[data-testid=again-button]').count(), 'they talked').toBe(0);
});

test('nobody rings, notifies or announces a call that was asked for here', async () => {
  await tab.page.fill(FIELD, VOLGA);
  await tab.page.keyboard.press('Enter');
  await says('Снимите трубку');
  office.asked[0]?.found(KNOWN);
  await tab.see(`[data-testid=card][data-contact-id=${MARIA.id}]`);
  expect(await tab.page.title()).not.toContain('Звонит');
  expect(await tab.page.locator('[data-testid=decline-button]').count()).toBe(0);
});

test('a name finds the numbers of a contact, and the keys choose one', async () => {
  await tab.page.fill(FIELD, MARIA.name.slice(0, 4));
  await tab.see('[data-testid=dial-option]');
  const options = tab.page.locator('[data-testid=dial-option]');
  const all = await options.count();
  expect(all).toBeGreaterThan(0);
  await tab.page.keyboard.press('ArrowDown');
  expect(await options.nth(1 % all).getAttribute('aria-selected')).toBe('true');
  await tab.page.keyboard.press('Enter');
  await says('Снимите трубку');
  expect(dials()).toHaveLength(1);
  // The call is told by the event stream, which may be faster than the answer to the wish.
  await expect.poll(() => tab.page.inputValue(FIELD).catch(() => ''), { timeout: 4_000 }).toBe('');
});

test('a name that nobody has is not dialled', async () => {
  await tab.page.fill(FIELD, 'Ярополк');
  await expect.poll(() => server.asked.some((asked) => asked.startsWith('GET /contacts?q='))).toBe(true);
  await expect
    .poll(async () => {
      await tab.page.press(FIELD, 'Enter');
      return (await tab.page.locator('[data-testid=dial-trouble]').textContent().catch(() => '')) ?? '';
    })
    .toContain('никого нет');
  expect(dials()).toHaveLength(0);
});

test('a click on a number of a card calls it', async () => {
  const call = office.ring(VOLGA).found(KNOWN);
  await tab.see(`[data-testid=card][data-contact-id=${MARIA.id}]`);
  call.miss();
  await tab.page.locator('[data-testid=card] button[data-number]').first().click();
  await says('Снимите трубку');
  expect(dials()).toHaveLength(1);
});

test('whoever calls a missed caller back has it, and a colleague who was faster keeps it', async () => {
  server.reset();
  office = server.office;
  neglected(office);
  await tab.desk();
  await tab.page.locator('[data-testid=missed-row][data-state=open] [data-testid=callback-button]').first().click();
  await says('Снимите трубку');
  await tab.see('[data-testid=missed-row][data-state=claimed]');
  expect(server.asked.some((asked) => asked.endsWith('/claim'))).toBe(true);
  office.asked[0]?.fail('canceled');
  await says('Не набрали');
  await tab.page.click('[data-testid=done-button]');
  server.faults.push({ path: /claim$/, status: 409 });
  const before = dials().length;
  await tab.page.locator('[data-testid=missed-row][data-state=open] [data-testid=callback-button]').first().click();
  await tab.see('[data-testid=missed] [role=alert]');
  expect(dials(), 'nothing rings').toHaveLength(before);
});

test('why nobody was reached is said in words, and can be tried again', async () => {
  for (const [outcome, words] of [
    ['busy', 'Занято'],
    ['no_answer', 'Не отвечают'],
    ['rejected', 'Отклонили'],
    ['failed', 'Не дозвонились'],
  ] as const) {
    await tab.page.fill(FIELD, VOLGA);
    await tab.page.keyboard.press('Enter');
    await says('Снимите трубку');
    office.asked.at(-1)?.found([]).pickUp().fail(outcome);
    await says(words);
    await tab.see('[data-testid=again-button]');
    await tab.page.click('[data-testid=done-button]');
    await tab.see(FIELD);
  }
  await tab.page.fill(FIELD, VOLGA);
  await tab.page.keyboard.press('Enter');
  await says('Снимите трубку');
  office.asked.at(-1)?.pickUp().fail('busy');
  await tab.page.click('[data-testid=again-button]');
  await says('Снимите трубку');
});

test('a line is chosen when there are several', async () => {
  office.lines = [
    { id: 'line-1', name: 'Основная' },
    { id: 'line-2', name: 'Опт' },
  ];
  await tab.page.fill(FIELD, VOLGA);
  await tab.page.keyboard.press('Enter');
  await tab.page.locator('[data-testid=dial-lines] button').nth(1).click();
  await says('Снимите трубку');
  expect(dials()).toHaveLength(2);
});

test('a refusal keeps what was typed and says what to do', async () => {
  server.faults.push({ path: /^\/calls$/, status: 503 });
  await tab.page.fill(FIELD, VOLGA);
  await tab.page.keyboard.press('Enter');
  await tab.see('[data-testid=dial-trouble]');
  expect(await tab.page.inputValue(FIELD)).toBe(VOLGA);
  await tab.page.press(FIELD, '1');
  await tab.gone('[data-testid=dial-trouble]');
});

test('a call that comes while a number is typed takes neither the words nor the focus', async () => {
  await tab.page.focus(FIELD);
  await tab.page.keyboard.type('8 831');
  const call = office.ring('+79219876543').found([]);
  await tab.see('[data-testid=panel-state][data-state=ringing]');
  await tab.page.keyboard.type(' 212');
  expect(await tab.page.inputValue(FIELD)).toBe('8 831 212');
  await tab.page.evaluate(() => (document.activeElement as HTMLElement).blur());
  await tab.gone(FIELD);
  call.miss();
  await tab.page.click('[data-testid=done-button]');
  expect(await tab.page.inputValue(FIELD), 'still there when the call is over').toBe('8 831 212');
});

test('what came of a talk is chosen while it goes on, and taken back by a second press', async () => {
  const call = office.ring(VOLGA).found(KNOWN).answer();
  await tab.see('[data-testid=disposition]');
  await tab.page.click('[data-testid=disposition-agreed]');
  await tab.see('[data-testid=disposition][data-chosen=agreed]');
  expect(office.interactions.get(call.interactionId)?.disposition).toBe('agreed');
  call.end();
  await tab.see('[data-testid=panel-state][data-state=ended]');
  await tab.see('[data-testid=disposition][data-chosen=agreed]');
  server.faults.push({ path: /^\/interactions\//, status: 503, method: 'PATCH' });
  await tab.page.click('[data-testid=disposition-complaint]');
  await tab.see('[data-testid=disposition] [role=alert]');
  server.faults.length = 0;
  await tab.page.click('[data-testid=disposition-agreed]');
  await tab.see('[data-testid=disposition][data-chosen=""]');
});
