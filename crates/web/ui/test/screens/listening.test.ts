// The talk of both sides in the rows of the recordings, and silence that playback jumps over.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BrowserContext, Route } from 'playwright-core';
import { past } from './fake/office.ts';
import type { Office } from './fake/office.ts';
import { ANNA } from './fake/people.ts';
import type { FakeServer } from './fake/server.ts';
import { wav } from './fake/wav.ts';
import { recorded } from './scenes_leading.ts';
import { Tab, openStage, person } from './stage.ts';

const DAY = 24 * 3_600_000;
const stage = openStage();
let server: FakeServer;
let office: Office;
let context: BrowserContext;
let tab: Tab;

beforeEach(async () => {
  server = stage.server;
  office = server.reset();
  server.user = { ...ANNA, role: 'supervisor' };
  recorded(office);
  context = await person(stage.browser, 'ru');
  tab = await Tab.open(context, server);
});

afterEach(async () => {
  // Closed whatever is found, or the tab would take part in the next test.
  await context.close();
  expect(tab.problems).toEqual([]);
});

const row = (id: string): string => `[data-recording-id=${id}]`;
const drawn = (): Promise<number> => tab.page.locator('[data-testid=sparkline]').count();
const outlines = (): string[] => server.asked.flatMap((path) => /\/recordings\/([^/]+)\/peaks\?parts=240$/.exec(path)?.[1] ?? []);
const place = (): Promise<number> => tab.page.locator('[data-testid=waveform] input').evaluate((input: HTMLInputElement) => input.valueAsNumber);
const silence = (): ReturnType<Tab['page']['locator']> => tab.page.locator('[data-testid=skip-silence]');
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Plays a recording from its beginning. */
async function listen(id: string): Promise<void> {
  await tab.page.locator(`${row(id)} [data-testid=play-button]`).click();
  await tab.see('[data-testid=player][data-paused=false]');
  await tab.see('[data-testid=waveform][data-parts="2000"]');
}

test('a row shows who talks how much, in words too, and nothing is asked for what is still written or lost', async () => {
  office.turns.set('rec-a', [{ side: 'customer', from: 0, until: 7.44 }, { side: 'agent', from: 7.44, until: 12 }]);
  office.turns.set('rec-b', []);
  await tab.desk('/recordings');
  await expect.poll(drawn).toBe(15);
  const talk = tab.page.locator(`${row('rec-a')} [data-testid=sparkline]`);
  expect(await talk.getAttribute('title')).toBe('Говорили: клиент 62\u00a0%, сотрудник 38\u00a0%');
  expect(await talk.innerText()).toBe('Говорили: клиент 62\u00a0%, сотрудник 38\u00a0%');
  expect(await tab.page.locator(`${row('rec-b')} [data-testid=sparkline]`).getAttribute('title')).toBe('Разговора не слышно');
  expect(outlines().sort()).toEqual(['rec-a', 'rec-b', 'rec-e', ...Array.from({ length: 12 }, (_, nth) => `rec-n${String(nth)}`)].sort());
  // The picture lies over the row's link and leads where the row leads.
  await talk.click();
  await tab.see('[data-testid=detail]');
  await tab.page.goBack();
  await expect.poll(drawn).toBe(15);
  expect(outlines().length, 'kept for the life of the page').toBe(15);
});

test('rows are asked for as they are seen, two at a time, and what is scrolled past is not asked for', async () => {
  for (let i = 0; i < 30; i += 1) office.add(past({ recording_ids: [`rec-m${String(i)}`] }, (30 + i) * DAY));
  const held: Route[] = [];
  let free = false;
  await tab.page.route(/\/peaks/, (route) => (free ? route.continue() : void held.push(route)));
  const ids = (): (string | undefined)[] => held.map((route) => /recordings\/([^/]+)/.exec(route.request().url())?.[1]);
  await tab.desk('/recordings');
  await expect.poll(() => held.length).toBe(2);
  const boxes = (): Promise<string> => tab.page.locator('[data-testid=recording-row]').evaluateAll((rows) => JSON.stringify(rows.slice(0, 5).flatMap((one) => [...one.children].map((cell) => cell.getBoundingClientRect().x))));
  const before = await boxes();
  await held[0]?.continue();
  await expect.poll(() => held.length, { message: 'one is answered, one is asked for' }).toBe(3);
  await wait(300);
  expect(ids(), 'from the top').toEqual(['rec-a', 'rec-b', 'rec-e']);
  await tab.page.locator('[data-testid=recording-row]').last().scrollIntoViewIfNeeded();
  await tab.settle();
  await wait(300);
  free = true;
  await Promise.all(held.slice(1).map((route) => route.continue()));
  await tab.see(`${row('rec-m29')} [data-testid=sparkline]`);
  expect(outlines().filter((id) => /^rec-(n\d+|m[0-4])$/.test(id)), 'those above that were left').toEqual([]);
  await tab.page.locator(row('rec-a')).scrollIntoViewIfNeeded();
  await tab.see(`${row('rec-a')} [data-testid=sparkline]`);
  expect(await boxes(), 'nothing moved').toBe(before);
});

test('without room for the picture nothing is asked; without an answer the row stays as it is', async () => {
  await tab.look(360, 'light');
  await tab.desk('/recordings');
  await tab.see(row('rec-a'));
  await wait(300);
  expect(outlines()).toEqual([]);
  server.faults = [{ path: /\/peaks$/, status: 500 }];
  await tab.look(1600, 'light');
  await expect.poll(() => outlines().length).toBe(15);
  await wait(300);
  expect([await drawn(), outlines().length]).toEqual([0, 15]);
});

test('playback jumps over silence while that is on, and this browser remembers it and the speed', async () => {
  office.turns.set('rec-a', [{ side: 'customer', from: 0, until: 1.5 }, { side: 'agent', from: 10, until: 12 }]);
  await tab.desk('/recordings');
  await listen('rec-a');
  expect(await silence().getAttribute('aria-pressed')).toBe('false');
  expect(await silence().getAttribute('title')).toBe('Пропускать тишину: здесь её 0:07');
  await expect.poll(place, { timeout: 10_000 }).toBeGreaterThan(2.2);
  expect(await place(), 'off: silence is heard').toBeLessThan(5);
  expect(await tab.page.locator('[data-testid=skipped-span]').count()).toBe(0);
  // By keyboard: it is one step before the speed.
  await tab.page.getByRole('button', { name: 'Скорость 1' }).focus();
  await tab.page.keyboard.press('Enter');
  await tab.page.keyboard.press('Shift+Tab');
  await tab.page.keyboard.press('Enter');
  expect(await silence().getAttribute('aria-pressed')).toBe('true');
  await expect.poll(place, { timeout: 2_000 }).toBeGreaterThan(9.6);
  const span = await tab.page.locator('[data-testid=skipped-span]').evaluate((one) => [one.style.left, one.style.width].map(parseFloat));
  expect([span[0]?.toFixed(0), span[1]?.toFixed(0)], 'percent of 12 s').toEqual(['14', '67']);
  await tab.page.reload();
  await listen('rec-a');
  expect(await silence().getAttribute('aria-pressed')).toBe('true');
  await tab.see('button:has-text("1.25×")');
  await expect.poll(place, { timeout: 6_000 }).toBeGreaterThan(9.6);
});

test('a step back is over the silence, and a hand on the slider is left alone', async () => {
  office.turns.set('rec-a', [{ side: 'customer', from: 0, until: 3 }, { side: 'agent', from: 10, until: 12 }]);
  await tab.desk('/recordings');
  await silence().waitFor({ state: 'detached' });
  await listen('rec-a');
  await silence().click();
  await tab.page.locator('[data-testid=player] .round').click();
  const slider = tab.page.locator('[data-testid=waveform] input');
  await slider.evaluate((input: HTMLInputElement) => {
    input.value = '10';
    input.dispatchEvent(new Event('input', { bubbles: true }));
  });
  await slider.focus();
  await tab.page.keyboard.press('ArrowLeft');
  await expect.poll(place, { message: 'five seconds of what is heard' }).toBeLessThan(0.1);
  await tab.page.locator('[data-testid=player] .round').click();
  const box = await slider.boundingBox();
  if (!box) throw new Error('no slider');
  await tab.page.mouse.move(box.x + box.width / 2, box.y + 20);
  await tab.page.mouse.down();
  await wait(700);
  expect(await place()).toBeGreaterThan(5.5);
  expect(await place(), 'not at the end of the silence').toBeLessThan(9.5);
  await tab.page.mouse.up();
  await expect.poll(place, { timeout: 2_000 }).toBeGreaterThan(9.6);
});

test('jumps are no listens: the first byte is asked for once, however far playback jumps', async () => {
  server.media = wav(600);
  const talk = past({ recording_ids: ['rec-long'], talk_ms: 600_000 }, 60_000);
  office.add(talk);
  office.turns.set('rec-long', [[0, 1], [150, 151], [400, 401], [590, 600]].map(([from = 0, until = 0]) => ({ side: 'agent', from, until })));
  await tab.desk('/recordings');
  await listen('rec-long');
  await silence().click();
  await expect.poll(place, { timeout: 20_000 }).toBeGreaterThan(589);
  await tab.see('[data-testid=player][data-paused=false]');
  expect(server.firstBytes.filter((byte) => byte === 0)).toEqual([0]);
  expect(server.firstBytes.length, 'the jumps went past what the browser held').toBeGreaterThan(1);
});
