// The recordings: found by all that is known of the call, seen and moved through in the player, listened to only by playing.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BrowserContext } from 'playwright-core';
import type { Office } from './fake/office.ts';
import { ANNA } from './fake/people.ts';
import type { FakeServer } from './fake/server.ts';
import { recorded } from './scenes_leading.ts';
import { Tab, openStage, person } from './stage.ts';

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

const field = (name: string): string => `[data-testid=recordings-${name}]`;
const rows = async (): Promise<string[]> => tab.page.locator('[data-testid=recording-row]').evaluateAll((found) => found.map((row) => (row as HTMLElement).dataset['recordingId'] ?? ''));
const asked = (): URLSearchParams => new URLSearchParams(server.asked.filter((path) => path.startsWith('GET /recordings?')).at(-1)?.split('?')[1]);
const listens = (): string[] => server.asked.filter((path) => path.includes('/media'));
const place = (): Promise<number> => tab.page.locator('[data-testid=waveform] input').evaluate((input: HTMLInputElement) => input.valueAsNumber);

test('a recording is found by number in any spelling, name, person, outcome, length and day, and the address keeps it', async () => {
  await tab.desk('/recordings');
  await expect.poll(async () => (await rows()).length).toBe(17);
  for (const spelling of ['8 (903) 555-01-23', '+7 903 5550123']) {
    await tab.page.fill(field('search'), spelling);
    await expect.poll(rows).toEqual(['rec-b']);
    await expect.poll(() => asked().get('number')).toBe(spelling);
  }
  await tab.page.fill(field('search'), 'мария');
  await expect.poll(rows).toEqual(['rec-a']);
  await expect.poll(() => asked().get('name')).toBe('мария');
  await tab.page.fill(field('search'), '');
  await tab.page.selectOption(field('person'), 'user-ivan');
  await expect.poll(rows).toEqual(['rec-e']);
  await tab.page.selectOption(field('person'), '');
  await tab.page.selectOption(field('outcome'), 'interrupted');
  await expect.poll(rows).toEqual(['rec-c']);
  await tab.page.selectOption(field('outcome'), '');
  await tab.page.selectOption(field('length'), 'more');
  await expect.poll(rows).toEqual(['rec-b']);
  await tab.page.reload();
  await tab.see('[data-testid=recording-row]');
  expect(await rows()).toEqual(['rec-b']);
  await tab.page.selectOption(field('length'), '');
  await tab.page.fill(field('from'), '2026-11-02');
  await tab.page.locator(field('from')).blur();
  await expect.poll(() => asked().get('from')).toBe('2026-11-01T21:00:00.000Z');
});

test('only playing is a listen: neither the list nor the picture asks for sound', async () => {
  await tab.desk('/recordings');
  await tab.see('[data-testid=recording-row]');
  expect(listens()).toEqual([]);
  // A browser that plays nothing by itself: the player is there, and silent.
  await tab.page.evaluate(() => (HTMLMediaElement.prototype.play = () => Promise.reject(new DOMException('not now', 'NotAllowedError'))));
  await tab.page.locator('[data-recording-id=rec-a] [data-testid=play-button]').click();
  await tab.see('[data-testid=waveform][data-parts="2000"]');
  expect(await tab.page.locator('[data-testid=player] .bar .time').last().innerText(), 'the length is known without the sound').toBe('0:12');
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(listens()).toEqual([]);
  await tab.page.reload();
  await tab.page.locator('[data-recording-id=rec-a] [data-testid=play-button]').click();
  await tab.see('[data-testid=player][data-paused=false]');
  await expect.poll(() => listens().length).toBeGreaterThan(0);
});

test('marks stand on the timeline and lead there; keys move and the speed stays', async () => {
  await tab.desk('/recordings');
  await tab.page.locator('[data-recording-id=rec-a] [data-testid=play-button]').click();
  await tab.see('[data-testid=player][data-paused=false]');
  await tab.page.keyboard.press('Escape');
  await tab.gone('[data-testid=player]');
  await tab.page.locator('[data-recording-id=rec-a] [data-testid=play-button]').click();
  await tab.see('[data-testid=player][data-paused=false]');
  await tab.page.locator('[data-testid=player] .round').click();
  expect(await tab.page.locator('[data-testid=span-mark]').evaluateAll((marks) => marks.map((mark) => mark.getAttribute('title')))).toEqual([
    'Удержание: с 0:02 до 0:04',
    'Удержание: с 0:06 до 0:07',
    'Скрыто: с 0:09 до 0:10',
  ]);
  await tab.page.getByRole('button', { name: 'Скрыто 0:09–0:10' }).click();
  await expect.poll(place).toBe(9);
  await tab.page.locator('[data-testid=waveform] input').focus();
  await tab.page.keyboard.press('ArrowLeft');
  await expect.poll(place).toBe(4);
  await tab.page.keyboard.press('End');
  await expect.poll(place).toBe(12);
  await tab.page.keyboard.press('Home');
  await expect.poll(place).toBe(0);
  const speed = tab.page.getByRole('button', { name: 'Скорость 1' });
  await speed.click();
  await tab.see('button:has-text("1.25×")');
});

test('what cannot be played says so and has no button, and an agent is offered nobody else', async () => {
  server.user = ANNA;
  await tab.desk('/recordings');
  await tab.see('[data-recording-id=rec-c]');
  for (const [id, word] of [['rec-c', 'Пишется'], ['rec-d', 'Файла нет']] as const) {
    const row = tab.page.locator(`[data-recording-id=${id}]`);
    expect(await row.innerText()).toContain(word);
    expect(await row.locator('[data-testid=play-button]').count()).toBe(0);
  }
  expect(await tab.page.locator(field('person')).count()).toBe(0);
});
