// The live board: it follows the events, ticks, and nothing on it changes its place.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BrowserContext } from 'playwright-core';
import { call } from './fake/live.ts';
import { waiting } from './fake/office.ts';
import type { Office } from './fake/office.ts';
import { ANNA } from './fake/people.ts';
import type { FakeServer } from './fake/server.ts';
import { working } from './scenes_leading.ts';
import { Tab, openStage, person } from './stage.ts';

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

const agent = (id: string): string => `[data-testid=live-agent][data-user-id=${id}]`;
const places = (): Promise<Record<string, number>> =>
  tab.page.locator('[data-testid=live-agent]').evaluateAll((rows) => Object.fromEntries(rows.map((row) => [(row as HTMLElement).dataset['userId'], row.getBoundingClientRect().top])));
const figure = (doing: string): Promise<string> => tab.page.locator(`[data-testid=live-figures] [data-doing=${doing}] dd`).innerText();

test('calls come, are answered and go, and everybody keeps the place', async () => {
  working(tab, office);
  await tab.desk('/live');
  await tab.see(`${agent('user-olga')}[data-doing=talking]`);
  const before = await places();
  expect(Object.keys(before).length).toBeGreaterThan(3);
  expect([await figure('talking'), await figure('ringing'), await figure('missed')]).toEqual(['1', '1', '1']);

  const ivans = call({ call_id: 'call-n', user_id: 'user-ivan', number: '+78312123456' }, 2_000);
  office.put(ivans);
  await tab.see(`${agent('user-ivan')}[data-doing=ringing]`);
  expect(await tab.page.innerText(agent('user-ivan'))).toContain('8 (831) 212-34-56');
  office.put({ ...ivans, state: 'answered', answered_at: new Date().toISOString() });
  await tab.see(`${agent('user-ivan')}[data-doing=talking]`);
  await expect.poll(() => figure('talking')).toBe('2');
  office.put({ ...ivans, state: 'ended' });
  await tab.see(`${agent('user-ivan')}[data-doing=idle]`);
  expect(await places()).toEqual(before);

  const item = waiting({ number: '+79161112233' }, 1_000);
  office.missed.set(item.id, item);
  office.emit('missed.opened', item);
  await expect.poll(() => figure('missed')).toBe('2');
});

test('a hold is told, and who is handed over to whom', async () => {
  working(tab, office);
  await tab.desk('/live');
  const before = await places();
  const ivans = call({ call_id: 'call-n', user_id: 'user-ivan', state: 'held' }, 64_000);
  office.put(ivans);
  await tab.see(`${agent('user-ivan')}[data-doing=held]`);
  expect(await tab.page.innerText(agent('user-ivan'))).toContain('На удержании');
  office.put({ ...ivans, transfer: { kind: 'attended', stage: 'ringing', user_id: 'user-long', name: 'Вениамин', number: null, by: 'user-ivan' } });
  await tab.see(`${agent('user-ivan')}[data-doing=handing]`);
  expect(await tab.page.innerText(agent('user-ivan'))).toContain('Перевод: Вениамин');
  await tab.see(`${agent('user-long')}[data-doing=ringing]`);
  expect(await tab.page.innerText(`${agent('user-long')} time`), 'rung since now, not since the customer came').toMatch(/^0:0\d$/);
  expect([await figure('talking'), await places()]).toEqual(['2', before]);
});

test('the time of a talk goes on by itself', async () => {
  working(tab, office);
  await tab.desk('/live');
  const time = tab.page.locator(`${agent('user-olga')} time`);
  const first = await time.innerText();
  expect(first).toMatch(/^3:\d\d$/);
  await expect.poll(() => time.innerText(), { timeout: 4_000 }).not.toBe(first);
});

test('a line that is down is told in words, and taken back when it is well', async () => {
  working(tab, office);
  await tab.desk('/live');
  await tab.say('Филиал: не зарегистрирована с');
  office.emit('registration.changed', { line_id: 'line-3', user_id: 'user-gleb', state: 'registered', since: new Date().toISOString(), reason: null, reason_key: null, reason_params: {}, advice: null, expires_at: null, contacts: 1 });
  await tab.gone('[data-line-id=line-3]');
  await tab.see('[data-line-id=line-4]');
});

test('somebody whom no call has shown is there, and an agent has no board', async () => {
  server.user = { ...ANNA, role: 'supervisor' };
  await tab.desk('/live');
  await tab.see(`${agent('user-gleb')}[data-doing=lineless]`);
  await tab.see(`${agent('user-olga')}[data-doing=idle]`);
  server.user = ANNA;
  await tab.page.reload();
  await tab.say('Страница для руководителей');
  expect(await tab.page.locator('[data-testid=nav-live]').count()).toBe(0);
});
