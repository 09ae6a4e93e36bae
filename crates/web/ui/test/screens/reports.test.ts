// The load report: its numbers open the calls that they count, it is fresh, and it is for those who lead.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BrowserContext } from 'playwright-core';
import { past } from './fake/office.ts';
import type { Office } from './fake/office.ts';
import type { FakeServer } from './fake/server.ts';
import { led } from './scenes_leading.ts';
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

const asked = (): URLSearchParams => new URLSearchParams(server.asked.filter((path) => path.startsWith('GET /reports/load')).at(-1)?.split('?')[1]);
const figure = (nth: number): Promise<string> => tab.page.locator('[data-testid=load-figures] .value').nth(nth).innerText();
const count = async (): Promise<string> => (await tab.page.locator('.page [role=status]').innerText()).replaceAll(/\D/g, '');

test('every number of the total opens as many calls as it says', async () => {
  led(tab, office);
  await tab.desk('/reports?period=7d');
  await tab.see('[data-testid=load-total]');
  const figures = await tab.page.locator('[data-testid=load-total] a').count();
  expect(figures).toBeGreaterThan(8);
  let opened = 0;
  for (let nth = 0; nth < figures; nth += 1) {
    const link = tab.page.locator('[data-testid=load-total] a').nth(nth);
    const said = await link.innerText();
    if (!/^\d+$/.test(said)) continue;
    await link.click();
    await tab.see('[data-testid=history-row]');
    await expect.poll(count, { message: tab.page.url() }).toBe(said);
    await tab.page.goBack();
    await tab.see('[data-testid=load-total]');
    opened += 1;
  }
  expect(opened).toBeGreaterThanOrEqual(7);
});

test('a bar is a link that the keyboard reaches, and its part of the report is taken away piece by piece', async () => {
  led(tab, office);
  await tab.desk('/reports?period=7d&by=line');
  await tab.see('[data-testid=load-chart]');
  const bar = tab.page.locator('[data-testid=load-chart] a').first();
  await bar.focus();
  const said = (await bar.getAttribute('title')) ?? '';
  await tab.page.keyboard.press('Enter');
  await tab.see('[data-testid=history-row]');
  expect(said).toContain(`входящих ${await count()},`);
  const chips = tab.page.locator('ul.slice li');
  expect(await chips.allInnerTexts()).toContain('Отдел продаж');
  const before = await chips.count();
  await chips.filter({ hasText: 'Отдел продаж' }).getByRole('link').click();
  await expect.poll(() => chips.count()).toBe(before - 1);
  expect(tab.page.url()).not.toContain('line_id');
});

test('a call that ends is in the report without a reload', async () => {
  led(tab, office);
  await tab.desk('/reports?period=7d');
  await tab.see('[data-testid=load-total]');
  const before = Number(await figure(0));
  const one = past({ talk_ms: 5_000 }, 10_000);
  office.add(one);
  office.emit('interaction.closed', one);
  await expect.poll(() => figure(0), { timeout: 5_000 }).toBe(String(before + 1));
});

test('days that are chosen are asked for whole, and a target that is no target is put back', async () => {
  led(tab, office);
  await tab.desk('/reports');
  await tab.see('[data-testid=load-figures]');
  const days = tab.page.locator('input[type=date]');
  expect(await days.nth(0).inputValue()).toBe(await days.nth(1).inputValue());
  await days.nth(0).fill('2026-11-02');
  await days.nth(1).fill('2026-11-03');
  await expect.poll(() => tab.page.url()).toContain('from=2026-11-02&until=2026-11-03');
  // The first day alone is asked for before the second is chosen.
  await expect.poll(() => asked().get('until')).toBe('2026-11-03T21:00:00.000Z');
  expect(asked().get('from')).toBe('2026-11-01T21:00:00.000Z');
  expect(asked().get('compare_from')).toBe('2026-10-30T21:00:00.000Z');
  const target = tab.page.locator('input[type=number]');
  await target.fill('0');
  await target.blur();
  await expect.poll(() => target.inputValue()).toBe('20');
  await target.fill('15');
  await target.blur();
  await expect.poll(() => asked().get('service_level_s')).toBe('15');
});

test('figures of another period are not shown for a period that could not be read', async () => {
  led(tab, office);
  await tab.desk('/reports?period=7d');
  await tab.see('[data-testid=load-total]');
  server.faults.push({ path: /^\/reports/, status: 503 });
  await tab.page.getByRole('link', { name: 'Вчера' }).click();
  await tab.say('Отчёт не загрузился.');
  expect(await tab.page.locator('[data-testid=load-figures]').count()).toBe(0);
  server.faults = [];
  await tab.page.getByRole('button', { name: 'Повторить' }).click();
  await tab.see('[data-testid=load-figures]');
});

test('who does not lead has no reports', async () => {
  await tab.desk('/reports');
  expect(await tab.page.locator('[data-testid=nav-reports]').count()).toBe(0);
  await tab.say('Страница для руководителей');
  expect(server.asked.filter((path) => path.includes('/reports'))).toEqual([]);
});
