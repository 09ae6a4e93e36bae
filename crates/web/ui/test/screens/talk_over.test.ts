// The agent handles the call from the panel: holds the customer, hands over, dials on; and is handed a customer.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BrowserContext } from 'playwright-core';
import type { Call, Office } from './fake/office.ts';
import { KNOWN, LONG_KNOWN, MARIA } from './fake/people.ts';
import type { FakeServer } from './fake/server.ts';
import { given, handedTo, pickedUp } from './fake/transfer.ts';
import { busy } from './scenes.ts';
import { choose, send, talk } from './scenes_talk_over.ts';
import { Tab, openStage, person } from './stage.ts';

const VOLGA = '+78312123456';
const NOTE = '[data-testid=call-panel] [data-testid=note-input]';
const HOLD = '[data-testid=hold-button]';
const OVER = '[data-testid=transfer-button]';
const FIELD = '[data-testid=transfer-field]';
const panel = (state: string): string => `[data-testid=panel-state][data-state=${state}]`;
/** Once it does what it says and a press is taken. */
const does = (what: string): string => `${HOLD}[data-does="over.${what}"][aria-disabled=false]`;

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

const asked = (call: Call, verb: string): number => server.asked.filter((one) => one === `POST /calls/${call.callId}/${verb}`).length;
const status = async (): Promise<string> => ((await tab.page.textContent('[data-testid=talk-status] [role=status]')) ?? '').trim();
const says = (text: string): Promise<void> => expect.poll(status, { timeout: 8_000 }).toBe(text);
const focused = (): Promise<string | undefined> => tab.page.evaluate(() => (document.activeElement as HTMLElement).dataset['testid']);
const places = (...selectors: string[]): Promise<(number | undefined)[]> =>
  Promise.all(selectors.flatMap(async (selector) => tab.page.locator(selector).first().evaluate((element) => element.getBoundingClientRect().top)));

test('the customer is held and taken back by one button in one place, and the wait is counted', async () => {
  const call = await talk(tab, office);
  await tab.page.click('[data-testid=card-close]');
  await tab.see('[data-testid=open-card]');
  const before = await places(HOLD, NOTE, '[data-testid=hangup-button]');
  await tab.page.click(HOLD);
  await tab.see(panel('held'));
  await says('Клиент на удержании');
  expect(call.view).toMatchObject({ state: 'held', held_by: 'agent' });
  expect(await places(HOLD, NOTE, '[data-testid=hangup-button]')).toEqual(before);
  const waited = tab.page.locator('[data-testid=status-time]');
  await expect.poll(() => waited.innerText(), { timeout: 6_000 }).toBe('0:02');
  await tab.see(does('retrieve'));
  await tab.page.click(HOLD);
  await tab.see(panel('talking'));
  await says('');
  expect([asked(call, 'hold'), asked(call, 'retrieve')]).toEqual([1, 1]);
  expect(await places(HOLD, NOTE, '[data-testid=hangup-button]')).toEqual(before);
});

test('a double click sends one wish, however fast the server does it', async () => {
  const call = await talk(tab, office);
  await tab.page.evaluate(() => {
    // The second click of the two comes in the first frame of what the button has become.
    const button = document.querySelector<HTMLButtonElement>('[data-testid=hold-button]');
    new MutationObserver((_, watch) => {
      watch.disconnect();
      button?.click();
    }).observe(button ?? document.body, { attributeFilter: ['data-does'] });
  });
  await tab.page.dblclick(HOLD);
  await tab.see(panel('held'));
  await tab.page.waitForTimeout(300);
  expect([asked(call, 'hold'), asked(call, 'retrieve')]).toEqual([1, 0]);
  await tab.see(does('retrieve'));
  server.delays.push({ path: /retrieve$/, ms: 400 });
  await tab.page.dblclick(HOLD);
  await tab.see(panel('talking'));
  expect(asked(call, 'retrieve')).toBe(1);
  server.delays.length = 0;
  await tab.see(does('hold'));
  server.delays.push({ path: /hold$/, ms: 1_200 });
  await tab.page.click(HOLD);
  await tab.page.waitForTimeout(700);
  await tab.page.click(HOLD, { force: true });
  await tab.see(panel('held'));
  expect(asked(call, 'hold'), 'the server is slow').toBe(2);
  server.delays.length = 0;
  await choose(tab, 'user-olga');
  await tab.page.dblclick('[data-testid=transfer-now]');
  await tab.see(does('back'));
  expect(asked(call, 'transfer')).toBe(1);
});

test('a customer who holds is told apart from one who is held', async () => {
  const call = await talk(tab, office);
  call.hold('customer');
  await says('Клиент поставил вас на удержание');
  await tab.see(does('hold'));
  await tab.page.click(HOLD);
  await says('Удержание с обеих сторон');
  await tab.see(does('retrieve'));
  call.retrieve('customer');
  await says('Клиент на удержании');
});

test('what is refused is said in the words of the page, and the next action takes it away', async () => {
  await talk(tab, office);
  server.faults.push({ path: /hold$/, status: 0 });
  await tab.page.click(HOLD);
  await tab.say('Не получилось, разговор идёт как шёл');
  server.faults.length = 0;
  await tab.see(does('hold'));
  await tab.page.click(HOLD);
  await tab.see(panel('held'));
  expect(await tab.page.locator('[data-testid=talk-refused]').count()).toBe(0);
});

test('a customer goes to a colleague at once, and the agent is free with a note to finish', async () => {
  const call = await talk(tab, office);
  await tab.page.click(OVER);
  expect(await focused()).toBe('transfer-field');
  await tab.see('[data-testid=transfer-option]');
  const names = await tab.page.locator('[data-testid=transfer-option] > :first-child').allInnerTexts();
  expect(names.at(-1), 'whoever is in a call comes last').toContain('Глеб');
  expect(await tab.page.innerText('[data-testid=transfer-option][data-user-id=user-gleb]')).toContain('разговаривает');
  await tab.page.fill(FIELD, 'возне');
  await expect.poll(() => tab.page.locator('[data-testid=transfer-option]').count()).toBe(1);
  await tab.page.click('[data-testid=transfer-now]');
  await says('Переводим: Ольга Вознесенская');
  expect(call.view.transfer).toMatchObject({ kind: 'blind', user_id: 'user-olga' });
  expect(await tab.page.locator(OVER).count(), 'nothing to connect').toBe(0);
  server.transfers.pickUp(call);
  await tab.say('Передано: Ольга Вознесенская');
  await tab.page.fill(NOTE, 'Передала Ольге');
  await expect.poll(() => office.interactions.get(call.interactionId)?.notes).toBe('Передала Ольге');
  call.say('call.ended', { state: 'ended', outcome: 'answered' });
  office.calls.delete(call.callId);
  await tab.page.waitForTimeout(200);
  await tab.say('Передано: Ольга Вознесенская');
  await tab.page.click('[data-testid=done-button]');
  await tab.see(panel('idle'));
});

test('a colleague is asked first by the keyboard alone, and then both are connected', async () => {
  const call = await talk(tab, office);
  await tab.page.keyboard.press('t');
  await tab.page.keyboard.type('202');
  await tab.see('[data-testid=transfer-option][data-user-id=user-olga][aria-selected=true]');
  const before = await places(HOLD);
  await tab.page.keyboard.press('Enter');
  await says('Вызываем: Ольга Вознесенская');
  expect(call.view.transfer).toMatchObject({ kind: 'attended', stage: 'ringing', user_id: 'user-olga' });
  expect(await places(HOLD)).toEqual(before);
  await tab.see(does('back'));
  await tab.page.keyboard.press('t');
  await tab.page.waitForTimeout(200);
  expect(asked(call, 'transfer'), 'nobody is there to connect with').toBe(1);
  server.transfers.pickUp(call);
  await says('На линии: Ольга Вознесенская');
  expect(await places(HOLD)).toEqual(before);
  await tab.see(`${OVER}[aria-disabled=false]`);
  await tab.page.keyboard.press('t');
  await tab.say('Передано: Ольга Вознесенская');
  expect([asked(call, 'transfer'), call.view.user_id]).toEqual([2, 'user-olga']);
});

test('a transfer that is given up is no failure, in this tab and in the other', async () => {
  const other = await Tab.open(context, server);
  await other.desk();
  const call = await talk(tab, office);
  for (const way of ['ask', 'now'] as const) {
    await send(tab, 'user-olga', way);
    if (way === 'ask') {
      server.transfers.pickUp(call);
      await tab.see(`${OVER}[aria-disabled=false]`);
    }
    await tab.page.click(HOLD);
    for (const one of [tab, other]) {
      await one.see(does('hold'));
      expect(await one.page.textContent('[data-testid=talk-status] [role=status]')).toBe('');
    }
    expect(call.view).toMatchObject({ state: 'answered', held_by: null, transfer: null });
  }
  expect(other.problems).toEqual([]);
});

test('any number can be typed, and one that may not be called says so and keeps what was typed', async () => {
  const call = await talk(tab, office);
  await tab.page.click(OVER);
  await tab.page.fill(FIELD, '8 809 505-00-00');
  await tab.page.click('[data-testid=transfer-now]');
  await tab.say('Звонить на этот номер нельзя');
  expect(await tab.page.inputValue(FIELD)).toBe('8 809 505-00-00');
  await tab.page.fill(FIELD, '8 831 298-76-54');
  expect(await tab.page.locator('[data-testid=talk-refused]').count()).toBe(0);
  await tab.see('[data-testid=transfer-now][aria-disabled=false]');
  await tab.page.click('[data-testid=transfer-now]');
  await says('Переводим: 8 (831) 298-76-54');
  expect(call.view.transfer).toMatchObject({ user_id: null, number: '+78312987654' });
});

test('a colleague who cannot be rung is refused in words', async () => {
  const call = await talk(tab, office);
  server.transfers.phoneless.add('user-ivan');
  await choose(tab, 'user-gleb');
  await tab.page.click('[data-testid=transfer-ask]');
  await tab.say('Коллега разговаривает и второй звонок не принимает');
  await tab.page.click('[data-testid=transfer-option][data-user-id=user-ivan]');
  await tab.see('[data-testid=transfer-ask][aria-disabled=false]');
  await tab.page.click('[data-testid=transfer-ask]');
  await tab.say('У коллеги нет телефона');
  expect(call.view.transfer).toBeNull();
});

test('what failed is said in words and stays until the next action, and nothing moves', async () => {
  const call = await talk(tab, office);
  const before = await places(HOLD, NOTE);
  for (const [leg, words] of [
    ['cancelled', 'Нет ответа: Ольга Вознесенская'],
    ['rejected', 'Занято или отклонили: Ольга Вознесенская'],
    ['offered', 'Не дозвонились: Ольга Вознесенская'],
  ] as const) {
    await send(tab, 'user-olga', 'ask');
    server.transfers.fail(call, leg);
    await says(words);
    expect(await places(HOLD, NOTE)).toEqual(before);
    await tab.see(does('retrieve'));
    await tab.page.click(HOLD);
    await says('');
    await tab.see(does('hold'));
  }
  await send(tab, 'user-olga', 'ask');
  server.transfers.pickUp(call);
  await tab.see(`${OVER}[aria-disabled=false]`);
  server.transfers.fail(call, 'ended');
  await says('Положили трубку: Ольга Вознесенская');
  await tab.see(does('retrieve'));
  await tab.page.click(HOLD);
  await tab.see(does('hold'));
  await send(tab, 'user-olga', 'now');
  server.transfers.fail(call, 'cancelled');
  await says('Нет ответа: Ольга Вознесенская');
  await tab.see(panel('talking'));
});

test('a customer whom nobody took over comes back to the agent who had left, and it is said why', async () => {
  const call = await talk(tab, office);
  call.change('pop.updated', { direction: 'outbound' });
  await send(tab, 'user-olga', 'now');
  server.transfers.recall(call);
  await tab.say('Звонит ваш телефон: клиент вернулся');
  await says('Нет ответа: Ольга Вознесенская');
  expect(await tab.page.textContent('[data-testid=call-panel] [role=status]')).toContain('Звонит');
  expect(await tab.page.textContent('[data-testid=call-timer]')).toMatch(/^0:0/);
  call.say('call.transferred', { state: 'answered', held_by: null, transfer: null });
  call.change('pop.updated', { state: 'mine' });
  await tab.see(does('hold'));
  await says('');
  call.end();
  await tab.say('Разговор окончен');
});

test('the keypad sends what is pressed and typed, in order, shows it while it is open, and keeps nothing', async () => {
  await talk(tab, office);
  await tab.page.click('[data-testid=keys-button]');
  server.delays.push({ path: /dtmf$/, ms: 60 });
  await tab.page.keyboard.type('41');
  await tab.page.click('[data-testid=keypad-box] [data-digit="*"]');
  await tab.page.keyboard.type('0');
  await tab.page.keyboard.press('Shift+#');
  await expect.poll(() => server.transfers.digits.join('')).toBe('41*0#');
  expect(await tab.page.innerText('[data-testid=keypad-sent]')).toBe('41*0#');
  const kept = await tab.page.evaluate(() => JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), location.pathname, location.search]));
  expect(kept).not.toMatch(/41\*0|"4/);
  await tab.page.fill(NOTE, 'Код 77');
  await tab.page.press(NOTE, '7');
  expect(server.transfers.digits.join(''), 'a note is a note').toBe('41*0#');
  await tab.page.keyboard.press('Escape');
  await tab.see('[data-testid=keypad-box]');
  await tab.page.focus('[data-testid=keypad-box]');
  await tab.page.keyboard.press('Escape');
  await tab.gone('[data-testid=keypad-box]');
  expect(await focused()).toBe('keys-button');
  await tab.page.keyboard.type('5');
  await tab.page.keyboard.press('k');
  await tab.see('[data-testid=keypad-box]');
  expect(await tab.page.locator('[data-testid=keypad-sent]').count()).toBe(0);
  expect(server.transfers.digits.join('')).toBe('41*0#');
});

test('a note that is being written stays in its place when the talk ends with the keypad open', async () => {
  const call = await talk(tab, office);
  await tab.page.keyboard.press('k');
  await tab.page.focus(NOTE);
  await tab.page.keyboard.type('Ждёт ');
  const before = await places(NOTE);
  call.end();
  await tab.see(panel('ended'));
  await tab.page.keyboard.type('счёт');
  expect(await places(NOTE)).toEqual(before);
  await tab.page.keyboard.press('Escape');
  await expect.poll(async () => (await places(NOTE))[0]).toBeLessThan((before[0] ?? 0) - 100);
  expect(await tab.page.inputValue(NOTE)).toBe('Ждёт счёт');
});

test('digits that are refused are not shown as sent', async () => {
  await talk(tab, office);
  await tab.page.keyboard.press('k');
  await tab.page.keyboard.type('1');
  await expect.poll(() => server.transfers.digits.join('')).toBe('1');
  server.faults.push({ path: /dtmf$/, status: 503 });
  await tab.page.keyboard.type('2');
  await tab.say('Не получилось');
  expect(await tab.page.innerText('[data-testid=keypad-sent]')).toBe('1');
});

test('Escape leaves the choice of a colleague and gives the focus back; the card stays', async () => {
  await talk(tab, office);
  await tab.see(`[data-testid=card][data-contact-id=${MARIA.id}]`);
  await tab.page.focus(OVER);
  await tab.page.keyboard.press('Enter');
  await tab.page.keyboard.type('оль');
  await tab.page.keyboard.press('Escape');
  await tab.gone('[data-testid=transfer-box]');
  expect(await focused()).toBe('transfer-button');
  await tab.see('[data-testid=card]');
});

test.each([1600, 360])('everything is done within the panel, large enough for a finger where fingers press (%i px)', async (width) => {
  await tab.look(width, 'light');
  const call = await talk(tab, office);
  const heights = (): Promise<number[]> =>
    tab.page.locator('[data-testid=call-panel] :is([data-testid=talk-keys], [data-testid=transfer-box], [data-testid=keypad-box]) :is(button, input, li)').evaluateAll((all) => all.map((one) => one.getBoundingClientRect().height));
  const inSight = async (selector: string): Promise<void> => {
    await tab.settle();
    const seen = await tab.page.locator(selector).evaluate((element) => {
      const { left, top, width: w, height: h } = element.getBoundingClientRect();
      return element.contains(document.elementFromPoint(left + w / 2, top + h / 2));
    });
    expect(seen, selector).toBe(true);
  };
  for (const [button, last] of [['transfer-button', '[data-testid=transfer-now]'], ['keys-button', '[data-digit="0"]']] as const) {
    await tab.page.click(`[data-testid=${button}]`);
    await tab.see(last);
    for (const selector of [last, HOLD, '[data-testid=hangup-button]']) await inSight(selector);
    if (width === 360) expect(Math.min(...(await heights()))).toBeGreaterThanOrEqual(44);
  }
  expect(asked(call, 'hold')).toBe(0);
});

test('no key of the panel fires while somebody types', async () => {
  const call = await talk(tab, office);
  await tab.page.focus(NOTE);
  await tab.page.keyboard.type('ltk LTK дел');
  await tab.page.keyboard.press('Escape');
  await tab.page.click(OVER);
  await tab.page.keyboard.type('ltkh');
  expect(await tab.page.inputValue(FIELD)).toBe('ltkh');
  await tab.page.waitForTimeout(200);
  expect([asked(call, 'hold'), asked(call, 'hangup'), await tab.page.locator('[data-testid=keypad-box]').count()]).toEqual([0, 0, 0]);
  await tab.page.keyboard.press('Escape');
  await tab.page.keyboard.press('l');
  await tab.see(panel('held'));
});

test('a call that only is seen, and one of somebody else, are not handled from here', async () => {
  const call = office.ring(VOLGA).onDeskPhone().found(KNOWN).answer(5_000);
  await tab.see('[data-testid=watched]');
  expect(await tab.page.locator('[data-testid=talk-keys]').count()).toBe(0);
  call.end();
  await tab.page.click('[data-testid=done-button]');
  pickedUp(handedTo(office, VOLGA, { kind: 'attended', notes: null }));
  await tab.see('[data-testid=consulted]');
  await tab.page.keyboard.press('h');
  expect(await tab.page.locator('[data-testid=talk-keys], [data-testid=hangup-button]').count()).toBe(0);
});

test('a second call leaves the choice of a colleague as it is', async () => {
  await talk(tab, office);
  await choose(tab, 'user-olga');
  await tab.page.fill(FIELD, 'оль');
  const second = office.ring('+79035550123').found(LONG_KNOWN);
  await tab.see(`[data-pop-id="${second.popId}"][data-version="2"]`);
  expect([await focused(), await tab.page.inputValue(FIELD)]).toEqual(['transfer-field', 'оль']);
});

test('a customer whom a colleague hands over comes with who and with what was noted, and nothing noted is lost', async () => {
  server.faults.push({ path: /^\/interactions\/int/, status: 503, method: 'GET' });
  const call = handedTo(office, VOLGA, { kind: 'attended', notes: 'Просит счёт.' }).found(KNOWN);
  await tab.say('Переводит Ольга Вознесенская');
  expect(await tab.page.locator('[data-testid=decline-button]').count()).toBe(0);
  pickedUp(call);
  await tab.see('[data-testid=consulted]');
  expect(await tab.page.locator(NOTE).count(), 'nothing is written over what was not read').toBe(0);
  server.faults.length = 0;
  await expect.poll(() => tab.page.inputValue(NOTE), { timeout: 8_000 }).toBe('Просит счёт.');
  await tab.page.click('[data-testid=card-close]');
  await tab.see('[data-testid=open-card]');
  const before = await places(NOTE);
  call.know({ notes: 'Просит счёт. Срочно.' });
  given(call);
  await tab.see(HOLD);
  expect(await places(NOTE), 'no word is torn from under the pen').toEqual(before);
  await tab.say('От кого: Ольга Вознесенская');
  await expect.poll(() => tab.page.inputValue(NOTE), { timeout: 8_000 }).toBe('Просит счёт. Срочно.');
});

test('an outgoing call that is handed over rings like any other', async () => {
  handedTo(office, VOLGA, { kind: 'blind', notes: 'Просит счёт.' }).change('pop.updated', { direction: 'outbound' });
  await tab.say('Переводит Ольга Вознесенская');
  await tab.say('Просит счёт.');
  await expect.poll(() => tab.page.title()).toContain('Звонит');
  expect(await tab.page.textContent('[data-testid=call-panel] [role=status]')).toContain('Звонит');
});
