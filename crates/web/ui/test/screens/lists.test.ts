// What people do with lists: sort, choose columns, take a file along, change many at once, scroll far.

import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BrowserContext } from 'playwright-core';
import { past } from './fake/office.ts';
import type { Office } from './fake/office.ts';
import { ANNA, LONG, MARIA } from './fake/people.ts';
import type { FakeServer } from './fake/server.ts';
import { known } from './scenes_contacts.ts';
import { recorded } from './scenes_leading.ts';
import { at, halfDone, selected, talked } from './scenes_lists.ts';
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

const params = (): Record<string, string> => Object.fromEntries(new URL(tab.page.url()).searchParams);
const file = async (): Promise<Record<string, string>> => Object.fromEntries(new URL((await tab.page.getAttribute(at('export'), 'href')) ?? '', server.url).searchParams);
const rows = (id: string): Promise<string[]> => tab.page.locator(at(id)).evaluateAll((found) => found.map(({ dataset }) => dataset['interactionId'] ?? dataset['recordingId'] ?? dataset['id'] ?? ''));
const first = async (): Promise<string | undefined> => (await rows('history-row'))[0];
const isChecked = async (): Promise<string[]> => tab.page.locator(`${at('card-row')}:has(:checked)`).evaluateAll((found) => found.map(({ dataset }) => dataset['id'] ?? ''));
/** By what a sorted history is sorted. */
const byTalk = (): string[] => [...office.interactions.values()].sort((a, b) => (b.talk_ms ?? 0) - (a.talk_ms ?? 0) || (a.id < b.id ? 1 : -1)).map(({ id }) => id);

/** A call ends now. */
function closed(more: Parameters<typeof past>[0]): string {
  const call = past({ caller_number: '+79219876543', ...more }, 1_000);
  office.add(call);
  office.emit('interaction.closed', call);
  return call.id;
}

test('the order of the history is the address, what is asked, and the file’s', async () => {
  talked(office);
  await tab.desk('/history');
  await tab.see(at('history-row'));
  await tab.page.selectOption(at('order'), 'longest');
  await expect.poll(() => rows('history-row')).toEqual(byTalk().slice(0, 50));
  expect(params()).toEqual({ sort: 'longest' });
  await tab.page.getByRole('link', { name: 'Принят' }).click();
  await expect.poll(params).toEqual({ outcome: 'answered', sort: 'longest' });
  expect(await file()).toEqual({ outcome: 'answered', sort: 'longest', format: 'csv' });
  await tab.page.reload();
  await tab.see(at('history-row'));
  expect(await tab.page.inputValue(at('order'))).toBe('longest');
  await tab.page.selectOption(at('order'), 'newest');
  await expect.poll(params).toEqual({ outcome: 'answered' });
  const download = tab.page.waitForEvent('download');
  await tab.page.click(at('export'));
  expect((await download).suggestedFilename()).toBe('interactions.csv');
});

test('recordings and contacts are sorted by the same control', async () => {
  server.user = { ...ANNA, role: 'supervisor' };
  recorded(office);
  await tab.desk('/recordings');
  await tab.see(at('recording-row'));
  await tab.page.selectOption(at('order'), 'longest');
  await expect.poll(async () => (await rows('recording-row')).slice(0, 2)).toEqual(['rec-b', 'rec-e']);
  await tab.page.selectOption(at('order'), 'shortest');
  await expect.poll(async () => (await rows('recording-row')).slice(2, 3)).toEqual(['rec-a']);
  expect([params(), await file()]).toEqual([{ sort: 'shortest' }, { sort: 'shortest', format: 'csv' }]);
  await tab.page.click(at('nav-contacts'));
  await tab.see(at('card-row'));
  await tab.page.selectOption(at('order'), 'newest');
  await expect.poll(params).toEqual({ sort: 'newest' });
});

test('a call that ends past what was read changes only the count', async () => {
  talked(office);
  await tab.desk('/history?sort=oldest');
  await tab.see(at('history-row'));
  const before = await rows('history-row');
  const id = closed({});
  await expect.poll(() => tab.page.innerText(at('history-count'))).toBe('65\u00a0звонков');
  expect(await rows('history-row')).toEqual(before);
  await tab.page.locator(at('history-row')).last().scrollIntoViewIfNeeded();
  await expect.poll(async () => (await rows('history-row')).at(-1)).toBe(id);
  expect(await tab.page.innerText(at('history-count'))).toBe('65\u00a0звонков');
});

test('the longest call goes to its place, but under no hand', async () => {
  talked(office);
  await tab.desk('/history?sort=longest');
  await tab.see(at('history-row'));
  const row = tab.page.locator(at('history-row')).nth(2);
  await row.hover();
  const before = await rows('history-row');
  const id = closed({ talk_ms: 3_000_000 });
  await expect.poll(() => tab.page.innerText(at('history-count'))).toBe('65\u00a0звонков');
  expect(await rows('history-row')).toEqual(before);
  await tab.page.mouse.move(5, 500);
  await expect.poll(() => rows('history-row')).toEqual(byTalk().slice(0, 51));
  expect((await rows('history-row'))[1]).toBe(id);
});

test('the file of a name has exactly its calls', async () => {
  talked(office);
  await tab.desk('/history?q=мария');
  await expect.poll(async () => (await rows('history-row')).length).toBe(1);
  const download = tab.page.waitForEvent('download');
  await tab.page.click(at('export'));
  const lines = readFileSync(await (await download).path(), 'utf8').split('\r\n');
  expect(lines[0]?.startsWith('\ufeffid,call_id,direction')).toBe(true);
  expect([lines.length, lines[1]?.split(',')[0], lines[1]?.includes("'+78312123456")]).toEqual([3, await first(), true]);
});

test('columns are chosen, remembered for their list, and never the caller or the time', async () => {
  talked(office);
  await tab.desk('/history');
  await tab.see(at('history-row'));
  await tab.page.click(at('columns'));
  const offered = await tab.page.locator(`${at('columns-menu')} input`).evaluateAll((found) => found.map(({ dataset }) => dataset['column']));
  expect(offered).toEqual(['outcome', 'number', 'agent', 'line', 'direction', 'disposition', 'note', 'ringing', 'talk']);
  for (const id of ['note', 'ringing']) await tab.page.click(`${at('columns-menu')} [data-column=${id}]`);
  await tab.page.keyboard.press('Escape');
  await tab.gone(at('columns-menu'));
  expect(await tab.page.locator(at('columns')).evaluate((one) => one === document.activeElement)).toBe(true);
  await tab.page.reload();
  await tab.see(`${at('history-row')} [data-column=note]`);
  expect(await tab.page.locator(`${at('history-row')} .ringing`).count()).toBe(0);
  const heads = await tab.page.locator('[data-head]').evaluateAll((found) => found.map(({ dataset }) => dataset['head']));
  expect(heads).toEqual(['outcome', 'who', 'number', 'note', 'when', 'talk', 'play']);
  await tab.page.click(at('nav-desk'));
  await tab.see(`${at('history-row')} .ringing`);
  expect(await tab.page.locator(`${at('history-row')} [data-column=note]`).count()).toBe(0);
});

test('what has no room is said, and a small screen keeps its rows and has no menu', async () => {
  talked(office);
  await tab.desk('/history');
  await tab.page.click(at('columns'));
  for (const id of ['agent', 'line', 'direction', 'disposition', 'note']) await tab.page.click(`${at('columns-menu')} [data-column=${id}]`);
  expect(await tab.page.innerText(at('columns-left'))).toBe('Не поместились в окно: Номер, Линия, Направление, Ждали');
  expect(await tab.page.locator(`${at('history-row')} [data-column=line]`).count()).toBe(0);
  await tab.look(880, 'light');
  await tab.gone(at('columns'));
  await expect.poll(() => tab.page.locator(`${at('history-row')} [data-column]`).count()).toBe(0);
  await tab.see(`${at('history-row')} .ringing`);
  await tab.look(360, 'light');
  await tab.gone(at('columns'));
  await expect.poll(() => tab.page.locator(at('history-row')).first().locator(':scope > *').count()).toBe(4);
});

test('a range is selected with the mouse or the keys, and Escape lets go of it', async () => {
  known(office);
  await tab.desk('/contacts');
  await selected(tab, 'more-0', 'more-16');
  expect(await isChecked()).toEqual(['more-0', 'more-12', 'more-16']);
  await tab.page.keyboard.press('Escape');
  await tab.gone(at('bulk-bar'));
  expect(await isChecked()).toEqual([]);
  await tab.page.locator(`[data-id=more-0] ${at('select')}`).focus();
  await tab.page.keyboard.press('Space');
  await tab.page.locator(`[data-id=more-16] ${at('select')}`).focus();
  await tab.page.keyboard.press('Shift+Space');
  await expect.poll(isChecked).toEqual(['more-0', 'more-12', 'more-16']);
  await tab.page.click(at('bulk-all'));
  expect(await tab.page.innerText(at('bulk-count'))).toBe('Выбрано 50\u00a0контактов');
  await tab.page.fill(at('card-search'), 'андреев 1');
  await expect.poll(isChecked).toEqual(['more-12', 'more-16']);
  expect(await tab.page.innerText(at('bulk-count'))).toBe('Выбрано 2\u00a0контакта');
  await tab.page.click(at('select-all'));
  await tab.gone(at('bulk-bar'));
});

test('a responsible person is set one by one by version; what failed stays selected and is said', async () => {
  const asked: string[] = [];
  tab.page.on('request', (request) => {
    if (request.method() === 'PATCH') asked.push(`${new URL(request.url()).pathname} ${request.headers()['if-match'] ?? ''} ${request.postData() ?? ''}`);
  });
  await halfDone(tab, office);
  expect(asked).toEqual(['more-0', 'more-12', 'more-16'].map((id) => `/api/v1/contacts/${id} "1" {"responsible_id":"user-olga"}`));
  expect(await isChecked()).toEqual(['more-12', 'more-16']);
  expect(await tab.page.innerText(at('bulk-said'))).toBe('Изменён 1\u00a0контакт. 1\u00a0контакт только что изменил коллега: посмотрите ещё раз и повторите. 1\u00a0контакт вам менять нельзя.');
  await tab.say('Казань');
  server.faults = [];
  await tab.page.click(at('bulk-assign'));
  await expect.poll(isChecked).toEqual([]);
  expect(['more-0', 'more-12', 'more-16'].map((id) => office.contacts.find((one) => one.id === id)?.responsible_id)).toEqual(['user-olga', 'user-olga', 'user-olga']);
  expect(office.contacts.find(({ id }) => id === 'more-12')?.region).toBe('Казань');
});

test('many are deleted once that is confirmed, and without an answer nothing is lost', async () => {
  known(office);
  await tab.desk('/contacts');
  await selected(tab, 'more-0', 'more-16');
  await tab.page.click(at('bulk-delete'));
  expect(await tab.page.innerText(at('confirm'))).toContain('Удалить 3\u00a0контакта?');
  await tab.page.keyboard.press('Enter');
  await tab.gone(at('confirm'));
  expect(office.contacts.length).toBe(76);
  server.faults.push({ path: /^\/contacts\/more-12$/, status: 503, method: 'DELETE' });
  await tab.page.click(at('bulk-delete'));
  await tab.page.click(at('confirm-yes'));
  await tab.see(at('bulk-said'));
  expect(await tab.page.innerText(at('bulk-said'))).toBe('Удалён 1\u00a0контакт. Сервер не ответил: 2\u00a0контакта остались как были. Попробуйте ещё раз.');
  expect([await isChecked(), office.contacts.length]).toEqual([['more-12', 'more-16'], 75]);
  const download = tab.page.waitForEvent('download');
  await tab.page.click(at('bulk-export'));
  const lines = readFileSync(await (await download).path(), 'utf8').trim().split('\r\n');
  expect(lines.map((line) => line.split(',')[0]?.replace('\ufeff', ''))).toEqual(['id', 'more-12', 'more-16']);
  server.faults = [];
  await tab.page.click(at('bulk-delete'));
  await tab.page.click(at('confirm-yes'));
  await expect.poll(() => office.contacts.length).toBe(73);
  await tab.say('73\u00a0контакта');
  await tab.page.keyboard.press('Escape');
  await tab.gone(at('bulk-bar'));
});

test('those given to a colleague leave the own ones', async () => {
  known(office);
  await tab.desk('/contacts?mine=true');
  await tab.page.click(`[data-id=${MARIA.id}] ${at('select')}`);
  await tab.page.selectOption(at('bulk-person'), 'user-olga');
  await tab.page.click(at('bulk-assign'));
  await tab.see(at('no-cards'));
  await tab.say('Изменён 1\u00a0контакт.');
});

test('of a long list only what is seen is drawn, and no row changes its height', async () => {
  for (let i = 0; i < 600; i += 1) office.add(past({ caller_number: `+7916${String(1_000_000 + i)}`, contact_id: i === 0 ? LONG.id : null }, i * 60_000));
  await tab.desk('/history');
  await tab.see(at('history-row'));
  await tab.page.evaluate(async () => {
    for (;;) {
      const more = document.querySelector<HTMLElement>('.more button');
      if (!more && document.querySelectorAll('[data-testid=history-row]').length >= 600) return;
      more?.click();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  const drawn = (): Promise<{ drawn: number; height: number }> =>
    tab.page.evaluate(() => {
      const found = [...document.querySelectorAll<HTMLElement>('[data-testid=history-row]')];
      const isDrawn = (row: HTMLElement): boolean => row.querySelector('.who')?.checkVisibility({ contentVisibilityAuto: true }) ?? false;
      return { drawn: found.filter(isDrawn).length, height: (found.at(-1)?.getBoundingClientRect().bottom ?? 0) - (found[0]?.getBoundingClientRect().top ?? 0) };
    });
  await expect.poll(async () => (await drawn()).drawn).toBeLessThan(120);
  expect((await drawn()).height).toBe(600 * 36);
  await tab.page.locator(at('history-row')).last().scrollIntoViewIfNeeded();
  expect((await drawn()).height).toBe(600 * 36);
});
