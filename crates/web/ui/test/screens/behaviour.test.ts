// What the desk does while people work at it: nobody's typing or pointing is disturbed, several tabs agree, a cut or a
// reload loses nothing.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BrowserContext } from 'playwright-core';
import type { Call, Office } from './fake/office.ts';
import { ANNA, KNOWN, LONG_KNOWN, MARIA, SWITCHBOARD } from './fake/people.ts';
import type { FakeServer } from './fake/server.ts';
import { busy, neglected } from './scenes.ts';
import { Tab, openStage, person } from './stage.ts';

const VOLGA = '+78312123456';
const NOTE = '[data-testid=call-panel] [data-testid=note-input]';
const panel = (state: string): string => `[data-testid=panel-state][data-state=${state}]`;

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
});

afterEach(async () => {
  // Closed whatever is found, or the tab would take part in the next test.
  await context.close();
  expect(tab.problems).toEqual([]);
});

async function talking(): Promise<Call> {
  await tab.desk();
  const call = office.ring(VOLGA).found(KNOWN).answer(151_000);
  await tab.see(panel('talking'));
  return call;
}

const box = (selector: string): Promise<{ x: number; y: number } | null> =>
  tab.page.locator(selector).first().evaluate((element) => {
    const { x, y } = element.getBoundingClientRect();
    return { x, y };
  });
const seconds = async (): Promise<number> => {
  const [minutes = '0', rest = '0'] = ((await tab.page.textContent('[data-testid=call-timer]')) ?? '').split(':');
  return Number(minutes) * 60 + Number(rest);
};
const until = (what: () => boolean): Promise<void> => expect.poll(what, { timeout: 8_000, interval: 20 }).toBe(true);
/** Whatever rises by each frame has come to this page. */
const caughtUp = (at: Tab, popId: string, version: number): Promise<void> => at.see(`[data-pop-id="${popId}"][data-version="${String(version)}"]`);

test('a ringing phone leaves the words and the focus to somebody who types', async () => {
  await tab.desk('/history');
  const search = tab.page.locator('[data-testid=history-search]');
  await search.focus();
  await search.pressSequentially('Мар');
  const before = await box('[data-testid=history-search]');
  const call = office.ring(VOLGA);
  await tab.see(panel('ringing'));
  await search.pressSequentially('ия');
  call.found(KNOWN);
  await tab.see('[data-testid=card-offer]');
  await search.pressSequentially(' И');
  expect(await search.inputValue()).toBe('Мария И');
  expect(await search.evaluate((element) => element === document.activeElement)).toBe(true);
  expect(await tab.page.locator('[data-testid=card]').count()).toBe(0);
  expect(await box('[data-testid=history-search]')).toEqual(before);
});

test('a second call leaves the note that is being typed in its place', async () => {
  const first = await talking();
  await tab.page.focus(NOTE);
  await tab.page.keyboard.type('Просит ');
  const before = await box(NOTE);
  const second = office.ring('+79035550123');
  await caughtUp(tab, second.popId, 1);
  second.found(LONG_KNOWN);
  await caughtUp(tab, second.popId, 2);
  await tab.page.keyboard.type('счёт');
  expect(await tab.page.inputValue(NOTE)).toBe('Просит счёт');
  expect(await box(NOTE)).toEqual(before);
  first.end();
  await tab.see(panel('ended'));
  await tab.page.keyboard.type(' до среды');
  expect(await tab.page.inputValue(NOTE)).toBe('Просит счёт до среды');
  expect(await box(NOTE)).toEqual(before);
  await tab.page.keyboard.press('Escape');
  await tab.see(`[data-pop-id="${second.popId}"] [data-testid=decline-button]`);
  await until(() => office.interactions.get(first.interactionId)?.notes === 'Просит счёт до среды');
});

test('a call that only is seen offers nothing that cannot be done from here', async () => {
  await tab.desk();
  const call = office.ring(VOLGA).onDeskPhone().found(KNOWN);
  await tab.see('[data-lookup=done]');
  expect(await tab.page.locator('[data-testid=decline-button]').count()).toBe(0);
  call.answer(5_000);
  await tab.see('[data-testid=watched]');
  await tab.page.keyboard.press('h');
  expect(await tab.page.locator('[data-testid=hangup-button], [data-testid=rec-mark]').count()).toBe(0);
  await tab.page.locator(NOTE).fill('Просит счёт');
  await until(() => office.interactions.get(call.interactionId)?.notes === 'Просит счёт');
  call.end();
  await tab.see('[data-testid=done-button]');
});

test('nothing moves under a mouse that is about to press', async () => {
  await tab.desk();
  await tab.say(MARIA.name);
  const row = tab.page.locator('[data-testid=history-row]').nth(3);
  const rowId = await row.getAttribute('data-interaction-id');
  const selector = `[data-testid=history-row][data-interaction-id="${rowId ?? ''}"]`;
  await row.hover();
  const before = await box(selector);
  const call = office.ring(VOLGA).found(KNOWN);
  await tab.see('[data-testid=card-offer]');
  expect(await box(selector)).toEqual(before);
  await tab.page.mouse.move(300, (before?.y ?? 0) + 12);
  call.miss();
  await tab.see('[data-testid=panel-state][data-how=missed]');
  await tab.page.mouse.move(310, (before?.y ?? 0) + 12);
  expect(await box(selector)).toEqual(before);
  await tab.page.mouse.move(5, 300);
  await tab.see(`[data-testid=history-row][data-interaction-id="${call.interactionId}"]`);
});

test.each([1600, 360])('what the contacts answer late moves no button (%i px)', async (width) => {
  await tab.look(width, 'light');
  await tab.desk();
  const call = office.ring(VOLGA, { did: '+74951234501' });
  await tab.see('[data-testid=decline-button]');
  await tab.settle();
  const before = await box('[data-testid=decline-button]');
  call.found(SWITCHBOARD);
  await tab.see('[data-testid=candidate]');
  await tab.settle();
  expect(await box('[data-testid=decline-button]')).toEqual(before);
});

test('a press meant for the ended call does not decline the next one', async () => {
  const first = await talking();
  const second = office.ring('+79035550123').found(LONG_KNOWN);
  await caughtUp(tab, second.popId, 2);
  await tab.page.evaluate(() => {
    // As fast as a finger on its way down: the press comes in the first frame of the other call.
    new MutationObserver((_, watch) => {
      const button = document.querySelector<HTMLButtonElement>('[data-testid=decline-button]');
      if (!button) return;
      watch.disconnect();
      button.click();
    }).observe(document.body, { childList: true, subtree: true });
  });
  first.end();
  await tab.see('[data-testid=decline-button]');
  await tab.page.waitForTimeout(500);
  expect(server.asked.filter((asked) => asked.endsWith('/hangup'))).toEqual([]);
  await tab.page.click('[data-testid=decline-button]');
  await until(() => server.asked.includes(`POST /calls/${second.callId}/hangup`));
});

test('three tabs of one person show the same, and one of them rings', async () => {
  const tabs = [tab, await Tab.open(context, server), await Tab.open(context, server)];
  await context.addInitScript(() => {
    localStorage.setItem('linecard.sound', 'on');
    localStorage.setItem('linecard.notify', 'on');
    Object.defineProperty(document, 'hidden', { get: () => true });
    const counted = window as unknown as { tones: number; shown: string[] };
    counted.tones = 0;
    counted.shown = [];
    const { createOscillator } = AudioContext.prototype;
    AudioContext.prototype.createOscillator = function counting() {
      counted.tones += 1;
      return createOscillator.call(this);
    };
    class Shown {
      static permission = 'granted';
      constructor(title: string) {
        counted.shown.push(title);
      }
      close(): void {}
    }
    Object.defineProperty(window, 'Notification', { value: Shown });
  });
  for (const one of tabs) await one.desk();
  const call = office.ring(VOLGA).found(KNOWN);
  for (const one of tabs) await caughtUp(one, call.popId, 2);
  const heard = (): Promise<{ tones: number; shown: string[] }[]> =>
    Promise.all(
      tabs.map(({ page }) =>
        page.evaluate(() => {
          const { tones, shown } = window as unknown as { tones: number; shown: string[] };
          return { tones, shown };
        }),
      ),
    );
  await expect.poll(async () => (await heard()).filter(({ tones }) => tones > 0).length, { timeout: 8_000 }).toBe(1);
  await expect.poll(async () => (await heard()).flatMap(({ shown }) => shown), { timeout: 8_000 }).toEqual([`Звонит: ${MARIA.name}`]);
  call.answer(31_000);
  for (const one of tabs) await one.see(panel('talking'));
  const [first, second] = tabs;
  await first?.page.fill(NOTE, 'Ждёт счёт');
  await expect.poll(() => second?.page.inputValue(NOTE), { timeout: 8_000 }).toBe('Ждёт счёт');
  await second?.see('[data-status=saved]');
  call.hold();
  for (const one of tabs) await one.see(panel('held'));
  call.retrieve().end();
  for (const one of tabs) await one.see(panel('ended'));
  expect(tabs.flatMap(({ problems }) => problems)).toEqual([]);
});

test('a caller picked in one tab is the caller in the other', async () => {
  const other = await Tab.open(context, server);
  await tab.desk();
  await other.desk();
  office.ring(VOLGA).found(SWITCHBOARD).answer();
  await tab.page.click(`[data-testid=candidate][data-contact-id=${MARIA.id}]`);
  for (const one of [tab, other]) await expect.poll(() => one.page.textContent('[data-testid=pop-name]'), { timeout: 8_000 }).toBe(MARIA.name);
});

test('an unknown caller is written down while it rings, survives a reload, and is made once', async () => {
  const other = await Tab.open(context, server);
  await tab.desk();
  await other.desk();
  const call = office.ring('+78312987654').found([]);
  await tab.page.fill('[data-testid=new-name]', 'Нина Котова');
  await tab.page.fill('[data-testid=new-company]', 'ооо «волга-сервис»');
  await tab.page.reload();
  await tab.see(panel('ringing'));
  expect(await tab.page.inputValue('[data-testid=new-name]')).toBe('Нина Котова');
  call.answer();
  await tab.see(panel('talking'));
  server.faults.push({ path: /^\/interactions\//, status: 503, method: 'PATCH' });
  await tab.page.click('[data-testid=new-save]');
  await tab.see('[data-testid=new-contact] [role=alert]');
  server.faults = [];
  await tab.page.click('[data-testid=new-save]');
  for (const one of [tab, other]) {
    await expect.poll(() => one.page.textContent('[data-testid=pop-name]'), { timeout: 8_000 }).toBe('Нина Котова');
    await expect.poll(() => one.page.textContent('[data-testid=pop-company]'), { timeout: 8_000 }).toBe('ООО «Волга-Сервис»');
  }
  const made = office.contacts.filter(({ name }) => name === 'Нина Котова');
  expect(made.map(({ company_id, numbers }) => [company_id, numbers.map(({ number }) => number)])).toEqual([['volga', ['+78312987654']]]);
  expect(office.interactions.get(call.interactionId)?.contact_id).toBe(made[0]?.id);
  await tab.page.reload();
  await expect.poll(() => tab.page.textContent('[data-testid=pop-name]'), { timeout: 8_000 }).toBe('Нина Котова');
});

test('a number that could not be searched is not offered as a new contact', async () => {
  await tab.desk();
  const call = office.ring('+78312987654').found([], 'unavailable').answer();
  await tab.see(panel('talking'));
  expect(await tab.page.locator('[data-testid=new-contact]').count()).toBe(0);
  call.found([]);
  await tab.see('[data-testid=new-contact]');
});

test('after a cut the desk resumes and shows what happened meanwhile, each thing once', async () => {
  const call = await talking();
  server.deaf = true;
  server.cut();
  await tab.see('[data-testid=connection][data-state=offline]');
  await tab.see(panel('talking'));
  call.hold();
  const second = office.ring('+79035550123').found(LONG_KNOWN);
  server.deaf = false;
  await tab.see('[data-testid=connection][data-state=online]');
  await tab.see(panel('held'));
  expect(await tab.page.locator(`[data-pop-id="${second.popId}"]`).count()).toBe(1);
  expect(server.connected.at(-1)).toMatch(/^\?cursor=epoch1%3A\d+$/);
});

test('after a cut and another epoch the snapshot is all there is', async () => {
  await talking();
  server.deaf = true;
  server.cut();
  await tab.see('[data-testid=connection][data-state=offline]');
  office.calls.clear();
  office.pops.clear();
  office.newEpoch();
  server.deaf = false;
  await tab.see(panel('ended'));
  expect(await tab.page.locator('[data-testid=pop]').count()).toBe(1);
});

test('a blink of the network is not shown', async () => {
  await tab.desk();
  await tab.page.evaluate(() => {
    const counted = window as unknown as { states: string[] };
    counted.states = [];
    const mark = document.querySelector('[data-testid=connection]');
    if (mark) new MutationObserver(() => counted.states.push(mark.getAttribute('data-state') ?? '')).observe(mark, { attributes: true });
  });
  server.cut();
  await until(() => server.connected.length === 2);
  office.ring(VOLGA);
  await tab.see(panel('ringing'));
  expect(await tab.page.evaluate(() => (window as unknown as { states: string[] }).states)).toEqual([]);
});

test('a reload in mid-call keeps the clock, the recording mark and the note, also one that could not be saved', async () => {
  const call = await talking();
  server.faults.push({ path: /^\/interactions\//, status: 503, method: 'PATCH' });
  await tab.page.fill(NOTE, 'Не дописано');
  await tab.page.reload();
  await tab.see(panel('talking'));
  const shown = await seconds();
  const real = (Date.now() - Date.parse(office.calls.get(call.callId)?.answered_at ?? '')) / 1000;
  expect(Math.abs(real - shown)).toBeLessThan(2);
  await tab.see('[data-testid=rec-mark]');
  expect(await tab.page.inputValue(NOTE)).toBe('Не дописано');
  server.faults = [];
  await until(() => office.interactions.get(call.interactionId)?.notes === 'Не дописано');
  await tab.page.reload();
  await tab.see(panel('talking'));
  await expect.poll(() => tab.page.inputValue(NOTE), { timeout: 8_000 }).toBe('Не дописано');
});

test('a call seen from its start is not asked about, one met in the middle is', async () => {
  const call = await talking();
  await tab.see('[data-testid=rec-mark]');
  const asked = `GET /interactions/${call.interactionId}`;
  expect(server.asked).not.toContain(asked);
  await tab.page.reload();
  await tab.see('[data-testid=rec-mark]');
  expect(server.asked).toContain(asked);
});

test('answered by a colleague folds away after three seconds', async () => {
  await tab.desk();
  const call = office.ring(VOLGA).found(KNOWN);
  await tab.see(panel('ringing'));
  call.elsewhere('user-olga');
  await tab.say('У коллеги: Ольга Вознесенская');
  await tab.see('[data-testid=panel-state][data-how=elsewhere]');
  const since = Date.now();
  await tab.see(panel('idle'));
  expect(Date.now() - since).toBeGreaterThan(2_300);
  expect(Date.now() - since).toBeLessThan(5_000);
});

test('the keys do what the list of keys says, in any layout, and nothing in a text field', async () => {
  const call = await talking();
  await tab.page.keyboard.press('n');
  expect(await tab.page.locator(NOTE).evaluate((element) => element === document.activeElement)).toBe(true);
  await tab.page.keyboard.type('hn/?');
  expect(await tab.page.inputValue(NOTE)).toBe('hn/?');
  expect(server.asked.some((asked) => asked.endsWith('/hangup'))).toBe(false);
  await tab.page.keyboard.press('Escape');
  await tab.page.keyboard.press('?');
  await tab.see('[data-testid=shortcuts]');
  await tab.page.keyboard.press('h');
  expect(server.asked.some((asked) => asked.endsWith('/hangup'))).toBe(false);
  await tab.page.keyboard.press('Escape');
  await tab.gone('[data-testid=shortcuts]');
  await tab.page.keyboard.press('/');
  await expect.poll(() => tab.page.locator('[data-testid=search-all]').evaluate((element) => element === document.activeElement)).toBe(true);
  await tab.page.keyboard.press('Escape');
  await tab.page.keyboard.press('h');
  await until(() => server.asked.includes(`POST /calls/${call.callId}/hangup`));
});

test('the pop that was drawn is acknowledged once per version', async () => {
  await tab.desk();
  const call = office.ring(VOLGA).found(KNOWN);
  await caughtUp(tab, call.popId, 2);
  call.answer();
  await tab.see(panel('talking'));
  const acks = (): string[] => office.heard.filter(({ type }) => type === 'pop.ack').map(({ pop_id, version }) => `${String(pop_id)} ${String(version)}`);
  await until(() => acks().includes(`${call.popId} 3`));
  // Waiting below, then in the panel: drawn twice, told once.
  const second = office.ring('+79035550123').found(LONG_KNOWN);
  await until(() => acks().includes(`${second.popId} 2`));
  call.end();
  await tab.see(`[data-pop-id="${second.popId}"] [data-testid=decline-button]`);
  second.answer();
  await until(() => acks().includes(`${second.popId} 3`));
  expect(acks().filter((ack, nth) => acks().indexOf(ack) !== nth)).toEqual([]);
});

test('a day of sixty calls leaves nothing behind in the page', { timeout: 120_000 }, async () => {
  await tab.desk();
  const session = await context.newCDPSession(tab.page);
  const counted = async (): Promise<{ nodes: number; jsEventListeners: number }> => {
    await session.send('HeapProfiler.collectGarbage');
    return session.send('Memory.getDOMCounters');
  };
  const work = async (calls: number): Promise<void> => {
    for (let i = 0; i < calls; i += 1) {
      const call = office.ring(i % 3 === 0 ? `+7916555${String(1_000 + i)}` : VOLGA).found(i % 3 === 0 ? [] : KNOWN);
      await caughtUp(tab, call.popId, 2);
      if (i % 5 === 0) call.miss();
      else call.answer().end();
      await tab.see(`${panel('ended')} [data-pop-id="${call.popId}"]`);
    }
    await tab.page.keyboard.press('Escape');
    await tab.page.keyboard.press('Escape');
    await tab.see(panel('idle'));
    await tab.see('[data-testid=history-row]');
  };
  await work(20);
  const before = await counted();
  await work(40);
  const after = await counted();
  expect(after.nodes - before.nodes).toBeLessThan(300);
  expect(after.jsEventListeners - before.jsEventListeners).toBeLessThan(60);
  expect(office.heard.filter(({ type }) => type === 'pop.ack').length).toBeGreaterThan(60);
});

const MISSED = '[data-testid=missed]';
const missedRow = (id: string, more = ''): string => `[data-testid=missed-row][data-missed-id="${id}"]${more}`;
const counted = (count: number): Promise<void> => tab.see(`${MISSED}[data-count="${String(count)}"]`);

test('a missed caller comes, is taken, and goes by events, and the count is right after a reload', async () => {
  await tab.desk();
  await counted(0);
  await tab.say('Перезванивать некому');
  office.missedBy(VOLGA, 'int-x');
  await counted(1);
  office.missedBy(VOLGA, 'int-y');
  const [item] = [...office.missed.values()];
  if (!item) throw new Error('no item');
  await tab.see(missedRow(item.id, '[data-attempts="2"]'));
  await tab.page.locator('[data-testid=missed-number] + button').click();
  expect(await tab.page.evaluate(() => navigator.clipboard.readText())).toBe(VOLGA);
  await tab.page.click('[data-testid=claim-button]');
  await tab.see(missedRow(item.id, '[data-state=claimed]'));
  expect(office.missed.get(item.id)?.owner_id).toBe(ANNA.id);
  await tab.page.reload();
  await counted(1);
  await tab.say('За вами');
  office.tellMissed({ ...item, state: 'closed', closed_by: 'user-olga' });
  await counted(0);
  await tab.gone(missedRow(item.id));
});

test('no missed caller comes or goes under a mouse that is about to press', async () => {
  neglected(office);
  await tab.desk();
  await counted(6);
  const rows = tab.page.locator('[data-testid=missed-row]');
  const first = (await rows.nth(0).getAttribute('data-missed-id')) ?? '';
  const third = (await rows.nth(2).getAttribute('data-missed-id')) ?? '';
  await rows.nth(2).hover();
  const before = await box(missedRow(third));
  office.missedBy('+79990001122', 'int-x');
  const gone = office.missed.get(first);
  if (!gone) throw new Error('no item');
  office.tellMissed({ ...gone, state: 'closed' });
  await tab.see(missedRow(first, '[data-state=closed]'));
  await counted(6);
  expect(await box(missedRow(third))).toEqual(before);
  expect(await rows.count()).toBe(7);
  await tab.page.mouse.move(1, 1);
  await tab.gone(missedRow(first));
  expect(await rows.nth(0).getAttribute('data-attempts')).toBe('1');
});

test('a colleague who was first is said so, and nothing is lost when the server does not answer', async () => {
  neglected(office);
  await tab.desk();
  await counted(6);
  const item = [...office.missed.values()][0];
  if (!item) throw new Error('no item');
  office.missed.set(item.id, { ...item, state: 'claimed', owner_id: 'user-olga' });
  await tab.page.locator(`${missedRow(item.id)} [data-testid=claim-button]`).click();
  await tab.say('Коллега успел раньше');
  await tab.see(missedRow(item.id, '[data-state=claimed]'));
  server.faults.push({ path: /close$/, status: 0 });
  await tab.page.locator('[data-testid=close-button]').first().click();
  await tab.say('Не получилось');
  await counted(5);
});
