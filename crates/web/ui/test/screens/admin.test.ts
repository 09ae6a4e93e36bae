// What an administrator does, and what stays put meanwhile.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BrowserContext } from 'playwright-core';
import { BOSS } from './fake/admin.ts';
import { BOTH } from './fake/doctor.ts';
import { HEALTHY, registration, trouble, wrong } from './fake/lines.ts';
import type { FakeServer } from './fake/server.ts';
import { fillAccount, office as lines } from './scenes_admin.ts';
import { Tab, openStage, person } from './stage.ts';

const stage = openStage();
let server: FakeServer;
let context: BrowserContext;
let tab: Tab;

beforeEach(async () => {
  server = stage.server;
  server.reset();
  context = await person(stage.browser, 'ru');
  tab = await Tab.open(context, server);
  lines(tab);
});

afterEach(async () => {
  // Closed whatever is found, or the tab would take part in the next test.
  await context.close();
  expect(tab.problems).toEqual([]);
});

const value = (name: string): Promise<string> => tab.page.inputValue(`[data-testid=line-${name}]`);
const place = (selector: string): Promise<number> => tab.page.locator(selector).first().evaluate((element) => element.getBoundingClientRect().y);

test('an agent has no settings of the office, and is told so at their address', async () => {
  server.reset();
  await tab.desk('/settings/lines');
  await tab.see('main [role=alert]');
  expect(server.asked.filter((asked) => /\/lines(?!\/standings)/.test(asked))).toEqual([]);
});

test('a check ticks step by step, can be stopped, and keeps what was typed', async () => {
  server.lines.waitsAfter = 2;
  await tab.desk('/settings/lines/new');
  await fillAccount(tab);
  await tab.page.keyboard.press('Control+Enter');
  await tab.see('[data-step=port][data-state=good]');
  await tab.see('[data-step=register][data-state=running]');
  await tab.see('[data-step=outlook][data-state=waiting]');
  const before = await place('[data-step=outlook]');
  await tab.page.click('[data-testid=line-stop]');
  await tab.see('[data-testid=check][data-state=cut]');
  expect(await place('[data-step=outlook]')).toBe(before);
  expect([await value('server'), await value('username'), await value('password')]).toEqual(['pbx.example.com', '102', 'secret']);
  expect(server.lines.asked.filter(({ method }) => method === 'POST')).toEqual([]);
});

test('a sound account becomes a line by itself, and its owner is one choice away', async () => {
  await tab.desk('/settings/lines/new');
  await fillAccount(tab);
  await tab.page.click('[data-testid=line-connect]');
  await tab.see('[data-testid=line-added] [data-state=registered]');
  await tab.page.selectOption('[data-testid=added-owner]', 'user-olga');
  await expect.poll(() => server.lines.asked.at(-1)).toMatchObject({ method: 'PATCH', body: { user_id: 'user-olga' }, version: '"1"' });
  expect(server.lines.items[0]).toMatchObject({ username: '102', user_id: 'user-olga' });
});

const looks = (): Record<string, unknown>[] => server.lines.asked.filter(({ method }) => method === 'CHECK').map(({ body }) => body);

test('a telephone is rung only after the question, by keys too, and in the page’s language', async () => {
  server.lines.findings = BOTH;
  await tab.desk('/settings/lines/line-2');
  await tab.page.click('[data-testid=line-check]');
  await tab.see('[data-testid=check][data-state=healthy]');
  expect(looks()).toEqual([{ test_call: false, language: 'ru' }]);
  await tab.gone('[data-step=call]');
  await tab.page.focus('[data-testid=line-test-call]');
  await tab.page.keyboard.press('Enter');
  await tab.see('[data-testid=confirm-cancel]:focus');
  expect(await tab.page.innerText('[data-testid=confirm]')).toContain('101');
  await tab.page.keyboard.press('Escape');
  await tab.gone('[data-testid=confirm]');
  expect(looks().length).toBe(1);
  await tab.page.click('[data-testid=line-test-call]');
  await tab.page.click('[data-testid=confirm-yes]');
  await tab.see('[data-step=call][data-key=call_both]');
  expect(looks().at(-1)).toEqual({ test_call: true, language: 'ru' });
  await tab.page.click('[data-testid=plan-choose]');
  await tab.gone('[data-testid=plan-choose]');
  await tab.see('[data-testid=line-save]:focus');
  await tab.page.keyboard.press('Enter');
  await expect.poll(() => server.lines.asked.at(-1)).toMatchObject({ method: 'PATCH', body: { mode: 'shadow' } });
});

test('a new account is called with its password, and each claim leads to its message', async () => {
  server.lines.findings = BOTH;
  await tab.desk('/settings/lines/new');
  await tab.page.click('[data-testid=line-test-call]');
  await tab.see('[data-testid=line-server][aria-invalid=true]');
  await tab.gone('[data-testid=confirm]');
  await fillAccount(tab);
  await tab.page.click('[data-testid=line-test-call]');
  await tab.page.click('[data-testid=confirm-yes]');
  await tab.see('[data-testid=line-added]');
  expect(looks().at(-1)).toMatchObject({ username: '102', password: 'secret', test_call: true });
  await tab.see('[data-testid=check-plan][data-mode=shadow]');
  await tab.page.click('[data-fact=caller_asserted] [data-testid=message-link]');
  await tab.see('pre[data-number="8"]:focus');
  expect(await tab.page.innerText('pre:focus')).toContain('P-Asserted-Identity');
  await tab.page.click('[data-testid=plan-choose]');
  await expect.poll(() => server.lines.asked.at(-1)).toMatchObject({ method: 'PATCH', body: { mode: 'shadow' } });
  await tab.gone('[data-testid=plan-choose]');
});

test('a wrong password is marked at its field until it is another', async () => {
  server.lines.findings = wrong('wrong_password', 'password');
  await tab.desk('/settings/lines/new');
  await fillAccount(tab);
  await tab.page.click('[data-testid=line-connect]');
  await tab.see('[data-testid=line-password][aria-invalid=true]');
  await tab.page.fill('[data-testid=line-password]', 'secret2');
  await tab.gone('[aria-invalid=true]');
  server.lines.findings = HEALTHY;
  await tab.page.keyboard.press('Enter');
  await tab.see('[data-testid=line-added]');
});

test('what is typed survives a reload, but for the password', async () => {
  await tab.desk('/settings/lines/new');
  await fillAccount(tab);
  await tab.page.reload();
  await tab.see('[data-testid=line-form]');
  expect([await value('server'), await value('username'), await value('password')]).toEqual(['pbx.example.com', '102', '']);
  expect(await tab.page.evaluate(() => JSON.stringify({ ...localStorage }))).not.toContain('secret');
});

test('only what was changed is sent, and an empty password keeps the old one', async () => {
  await tab.desk('/settings/lines/line-1');
  expect(await value('password')).toBe('');
  await tab.page.click('[data-testid=line-more] summary');
  await tab.page.fill('[data-testid=line-name]', 'Приёмная');
  await tab.page.click('[data-testid=line-save]');
  await expect.poll(() => server.lines.asked.at(-1)).toMatchObject({ method: 'PATCH', body: { name: 'Приёмная' } });
  expect(Object.keys(server.lines.asked.at(-1)?.body ?? {})).toEqual(['name']);
  await tab.say('Сохранено.');
});

test('a line that somebody else has changed is shown as it is now', async () => {
  await tab.desk('/settings/lines/line-1');
  await tab.see('[data-testid=line-form]');
  // As for people: what the page read later would bring the change by itself.
  await tab.page.waitForLoadState('networkidle');
  server.lines.items = server.lines.items.map((line) => (line.id === 'line-1' ? { ...line, name: 'Чужое имя', version: 7 } : line));
  await tab.page.fill('[data-testid=line-username]', '199');
  await tab.page.click('[data-testid=line-save]');
  await tab.say('Эту линию только что изменил кто-то другой');
  expect([await value('name'), await value('username')]).toEqual(['Чужое имя', '100']);
});

test('a line that fails pushes nothing away under the mouse', async () => {
  await tab.desk('/settings/lines');
  const last = '[data-testid=line-row][data-line-id=line-3]';
  await tab.page.locator(last).hover();
  const before = await place(last);
  const [first] = server.lines.items;
  if (first) server.lines.stands(first, trouble('forbidden'));
  await tab.see('[data-line-id=line-1] [data-state=failed]');
  expect(await place(last)).toBe(before);
  await tab.page.mouse.move(5, 300);
  await tab.see('[data-line-id=line-1] [data-testid=line-trouble]');
  if (first) server.lines.stands(first, registration({}, 0));
  await tab.gone('[data-line-id=line-1] [data-testid=line-trouble]');
});

test('a line is removed only after the question', async () => {
  await tab.desk('/settings/lines/line-2');
  await tab.page.click('[data-testid=line-remove]');
  await tab.page.click('[data-testid=confirm-cancel]');
  await tab.gone('[data-testid=confirm]');
  expect(server.lines.items.length).toBe(5);
  await tab.page.click('[data-testid=line-remove]');
  await tab.page.click('[data-testid=confirm-yes]');
  await tab.see('[data-testid=line-row]');
  expect(server.lines.items.map(({ id }) => id)).not.toContain('line-2');
  expect(server.user).toBe(BOSS);
});

test('a desk phone that a line pushed out gets its place back, and the line may try again', async () => {
  lines(tab);
  await tab.desk('/settings/lines/line-1');
  const [first] = server.lines.items;
  if (first) server.lines.stands(first, trouble('pushed_out', { contacts: 'sip:105@192.0.2.77' }));
  await tab.page.click('[data-testid=line-put-back]');
  await tab.see('[data-reason=pushed_out_back]');
  await tab.gone('[data-testid=line-put-back]');
  await tab.page.click('[data-testid=line-again]');
  await expect.poll(() => server.lines.asked.some(({ method, path }) => method === 'PATCH' && path === 'line-1')).toBe(true);
});
