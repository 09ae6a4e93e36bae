// What frames tell of holds and transfers, whom a customer may be handed to, and the digits of the keypad.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { en } from '../../src/i18n/en.ts';
import type { Key } from '../../src/i18n/en.ts';
import { render } from '../../src/i18n/message.ts';
import type { Lang, Message } from '../../src/i18n/message.ts';
import { ru } from '../../src/i18n/ru.ts';
import { ApiError } from '../../src/lib/api.ts';
import { followed } from '../../src/lib/course.ts';
import type { Course } from '../../src/lib/course.ts';
import { sentenceText } from '../../src/lib/explain.ts';
import { refusalOf } from '../../src/lib/handling.svelte.ts';
import { Keypad, digitOf } from '../../src/lib/keypad.svelte.ts';
import { boardOf } from '../../src/lib/live.ts';
import { EMPTY, isAsked, reduce } from '../../src/lib/state.ts';
import { likeliest, numberOf, targetsOf, wishFor } from '../../src/lib/target.ts';
import type { CallView, Colleague, StateFrame, Transfer } from '../../src/lib/wire.ts';
import { ME, call, numbered, pop, snapshot } from '../fixtures.ts';

const to = (more: Partial<Transfer> = {}): Transfer => ({ kind: 'attended', stage: 'ringing', user_id: 'olga', name: 'Olga', number: '202', by: ME, ...more });
const leg = (state: string): CallView['legs'][number] => ({ leg_id: 'other', party: 'agent', state });
const talk = (more: Partial<CallView> = {}): CallView => call({ state: 'answered', answered_at: '2026-01-01T00:00:00.000Z', ...more });

/** The course of a call that is told by each of these views in turn, a second apart. */
function course(...views: (CallView | 'handed')[]): Course {
  let at = 0;
  let before: CallView | undefined;
  let now: Course | undefined;
  for (const view of views) {
    const after: CallView = view === 'handed' ? { ...(before ?? talk()), state: 'answered', transfer: null, user_id: 'olga' } : view;
    now = followed(now, before, after, (at += 1_000), view === 'handed');
    before = after;
  }
  return now ?? followed(undefined, undefined, talk(), 0, false);
}

test('the wait counts from the first hold on, whoever joins in holding, and ends with the last', () => {
  const held = (held_by: CallView['held_by']): CallView => talk({ state: 'held', held_by });
  expect(course(talk(), held('agent'), held('both'), held('customer')).heldSince).toBe(2_000);
  expect(course(talk(), held('agent'), talk(), held('agent')).heldSince).toBe(4_000);
  expect(course(talk(), held('agent'), talk()).heldSince).toBeNull();
});

test('a transfer counts anew at each stage, and not at each frame', () => {
  const ringing = talk({ state: 'held', held_by: 'agent', transfer: to() });
  expect(course(talk(), ringing, { ...ringing, legs: [leg('ringing')] }).transferSince).toBe(2_000);
  expect(course(talk(), ringing, { ...ringing, transfer: to({ stage: 'talking' }) }).transferSince).toBe(3_000);
  expect(course(talk(), ringing, talk()).transferSince).toBeNull();
});

test('why nobody took over is as much as the legs tell', () => {
  const ringing = talk({ state: 'held', held_by: 'agent', transfer: to(), legs: [leg('ringing')] });
  const after = (state: string): string | undefined => course(ringing, { ...ringing, transfer: null, legs: [leg(state)] }).failed?.why;
  expect(['cancelled', 'rejected', 'ended', 'offered'].map(after)).toEqual(['silent', 'refused', 'unreached', 'unreached']);
  const second = { ...leg('cancelled'), leg_id: 'second' };
  expect(course(ringing, { ...ringing, transfer: null, legs: [leg('rejected'), second] }).failed?.why, 'of two phones one rang to the end').toBe('silent');
  const refused = { ...ringing, legs: [leg('rejected')] };
  expect(course(refused, { ...refused, transfer: null }).failed?.why, 'an old refusal tells nothing').toBe('unreached');
  expect(course(ringing, { ...ringing, transfer: null, legs: [] }).failed).toEqual({ to: to(), why: 'unreached' });
  const talking = { ...ringing, transfer: to({ stage: 'talking' }), legs: [leg('answered')] };
  expect(course(talking, { ...talking, transfer: null, legs: [leg('ended')] }).failed?.why).toBe('left');
});

test('a failure stays until the next transfer, and a customer who is handed over is none', () => {
  const ringing = talk({ state: 'held', held_by: 'agent', transfer: to() });
  const back = talk({ state: 'held', held_by: 'agent' });
  expect(course(ringing, back, talk(), back).failed?.why).toBe('unreached');
  expect(course(ringing, back, ringing).failed).toBeNull();
  expect(course(ringing, 'handed')).toMatchObject({ failed: null, handedTo: { user_id: 'olga' } });
  expect(course(ringing, { ...back, state: 'ended' }).failed).toBeNull();
  expect(course(talk(), back, talk()).failed).toBeNull();
});

test('an agent who has left and is rung again hears of the transfer that failed, not of a new one', () => {
  const blind = talk({ state: 'held', held_by: 'agent', transfer: to({ kind: 'blind' }) });
  const recall = { ...blind, transfer: to({ kind: 'recall', user_id: ME, name: 'Me' }) };
  expect(course(blind, recall).failed?.to.user_id).toBe('olga');
  expect(course(blind, recall, talk()).failed?.to.user_id).toBe('olga');
  expect(followed(course(blind, recall), recall, talk(), 9, true), 'the own customer, not one handed over').toMatchObject({ failed: null, handedTo: null });
});

test('a call that somebody else has now is known, and to whom it went after its end too', () => {
  const ringing = talk({ state: 'held', held_by: 'agent', transfer: to() });
  const given = talk({ user_id: 'olga', user_ids: [ME, 'olga'] });
  const frames: StateFrame[] = [
    snapshot(1, { calls: [talk()] }),
    numbered(2, { type: 'call.held', data: ringing }),
    numbered(3, { type: 'call.transferred', data: given }),
  ];
  const during = frames.reduce(reduce, EMPTY);
  expect(during.calls['call-1']?.user_id).toBe('olga');
  const after = reduce(during, numbered(4, { type: 'call.ended', data: { ...given, state: 'ended' } }));
  expect([Object.keys(after.calls), after.courses['call-1']?.handedTo?.name]).toEqual([[], 'Olga']);
});

test('a day of calls does not grow what is known of their courses', () => {
  let state = reduce(EMPTY, snapshot(0));
  for (let i = 1; i <= 200; i += 1) {
    const of = { call_id: `call-${String(i)}` };
    state = reduce(state, numbered(i * 3, { type: 'call.held', data: talk({ ...of, state: 'held', held_by: 'agent', transfer: to() }) }));
    if (i % 2 === 0) state = reduce(state, numbered(i * 3 + 1, { type: 'call.transferred', data: talk({ ...of, user_id: 'olga' }) }));
    state = reduce(state, numbered(i * 3 + 2, { type: 'call.ended', data: talk({ ...of, state: 'ended' }) }));
  }
  expect(Object.keys(state.courses).length).toBeLessThanOrEqual(21);
});

test('a call that is handed over comes like any other, whoever had dialled it', () => {
  expect([isAsked(pop({ direction: 'outbound' })), isAsked(pop()), isAsked(pop({ direction: 'outbound', transferred_by: { user_id: 'olga', name: null } }))]).toEqual([true, false, false]);
});

const colleague = (id: string, state: Colleague['state'], extension: string | null = null): Colleague => ({ id, name: id, extension, state });
const ALL = [colleague('anna', 'busy', '201'), colleague('boris', 'available', '202'), colleague('gleb', 'ringing')];

test('whoever is free can be chosen first, and the others too', () => {
  const ids = targetsOf(ALL, '').map((one) => (one.kind === 'number' ? one.number : one.colleague.id));
  expect(ids).toEqual(['boris', 'gleb', 'anna']);
});

test('what is typed is a name, a number, or a colleague’s extension', () => {
  expect(['+7 831 212-34-56', '8 (831) 212', '105', '1', 'Анна', '12 стульев', ''].map(numberOf)).toEqual(['+7 831 212-34-56', '8 (831) 212', '105', null, null, null, null]);
  const chosen = (typed: string, found: Colleague[] = ALL): unknown => {
    const targets = targetsOf(found, typed);
    const target = targets[likeliest(targets, typed)];
    return target && wishFor(target, 'blind');
  };
  expect(chosen('')).toBeUndefined();
  expect(chosen('бор', [ALL[1] as Colleague])).toEqual({ to: null, user_id: 'boris', kind: 'blind' });
  expect(chosen('никто', [])).toBeUndefined();
  expect(chosen('202')).toEqual({ to: null, user_id: 'boris', kind: 'blind' });
  expect(chosen('20')).toEqual({ to: '20', user_id: null, kind: 'blind' });
});

test('each word of the server for a refusal has words here, and one that is not known keeps the server’s own', () => {
  const keys = ['not_talking', 'on_desk_phone', 'transfer_under_way', 'no_transfer', 'same_user', 'user_in_call', 'no_device', 'phone_absent', 'barred', 'no_dtmf'];
  const said = keys.map((key) => refusalOf(new ApiError(409, 'in English', null, [], key)));
  expect(new Set(said.map((one) => (typeof one === 'string' ? one : one.key))).size).toBe(keys.length);
  expect(said.filter((one) => typeof one === 'string')).toEqual([]);
  const rust = readFileSync(fileURLToPath(new URL('../../../src/error.rs', import.meta.url)), 'utf8');
  const told = [...rust.matchAll(/(?:TalkRefusal::\w+ => |keyed\()"(\w+)"/g)].map(([, key]) => key ?? '');
  expect(told.length).toBeGreaterThan(6);
  expect(told.filter((key) => !keys.includes(key))).toEqual([]);
  expect(refusalOf(new ApiError(409, 'in English', null, [], 'invented_later'))).toBe('in English');
  expect([404, 503, 0].map((status) => refusalOf(new ApiError(status, '')))).toEqual([{ key: 'over.refused.gone' }, { key: 'over.refused.failed' }, { key: 'over.refused.failed' }]);
  expect(refusalOf(new ApiError(422, '', 'to'))).toEqual({ key: 'dial.refused.number' });
});

test('digits leave in order and one request at a time, many of them in as few as may be', async () => {
  const sent: string[] = [];
  const doors: (() => void)[] = [];
  const pad = new Keypad((digits) => new Promise((resolve) => {
    sent.push(digits);
    doors.push(() => resolve(undefined));
  }));
  for (const digit of `1${'23'.repeat(50)}`) pad.press(digit);
  expect(sent).toEqual(['1']);
  for (let nth = 0; nth < 3; nth += 1) {
    doors[nth]?.();
    await new Promise((resolve) => setTimeout(resolve));
  }
  expect(sent.map(({ length }) => length)).toEqual([1, 64, 36]);
  expect(sent.join('')).toBe(pad.sent);
});

test('a digit that is refused takes with it what waited behind it, and the next one is tried again', async () => {
  let refuses = true;
  const sent: string[] = [];
  const pad = new Keypad((digits) => (refuses ? Promise.reject(new ApiError(409, '', null, [], 'no_dtmf')) : Promise.resolve(sent.push(digits))));
  for (const digit of '12') pad.press(digit);
  await new Promise((resolve) => setTimeout(resolve));
  expect([pad.sent, pad.refused]).toEqual(['', { key: 'over.refused.no_dtmf' }]);
  refuses = false;
  pad.press('3');
  await new Promise((resolve) => setTimeout(resolve));
  expect([pad.sent, pad.refused, sent]).toEqual(['3', null, ['3']]);
});

test('keys type digits in any layout, and nothing else', () => {
  expect(['0', '9', '*', '#', '№', 'a', 'F1', 'Enter', '10', ' '].map(digitOf)).toEqual(['0', '9', '*', '#', '#', null, null, null, null, null]);
});

test('the board shows a hold, who is handed over to whom, and what the colleague does in it', () => {
  const people = ['anna', 'boris', 'gleb'].map((id) => ({ id, name: id }));
  const rows = (...calls: CallView[]): string[] => boardOf(people, [], {}, Object.fromEntries(calls.map((one) => [one.call_id, one]))).agents.map(({ doing }) => doing);
  const held = talk({ call_id: 'h', user_id: 'gleb', state: 'held', held_by: 'customer' });
  const over = talk({ call_id: 't', user_id: 'anna', state: 'held', held_by: 'agent', transfer: to({ user_id: 'boris' }) });
  expect(rows(held, over)).toEqual(['handing', 'ringing', 'held']);
  expect(rows({ ...over, transfer: to({ user_id: 'boris', stage: 'talking' }) })).toEqual(['handing', 'talking', 'lineless']);
  expect(rows({ ...over, transfer: to({ user_id: 'anna', kind: 'recall' }) })).toEqual(['ringing', 'lineless', 'lineless']);
  const given = boardOf(people, [], { anna: { user_id: 'anna', state: 'available', call_id: null } }, { t: talk({ call_id: 't', user_id: 'anna' }) });
  expect([given.agents[0]?.doing, given.others.length], 'handed over to a number').toEqual(['idle', 1]);
});

const words: Record<Lang, Record<string, Message>> = { en, ru };
const explained = (lang: Lang, key: string, params: Record<string, string> = {}): string =>
  sentenceText({ at: '', source: 'api', leg_id: null, key, params, text: 'In English.' }, (said) => render(lang, words[lang][said.key] ?? '', said.params), (one): one is Key => one in en, (number) => `<${number}>`);

test('what was done with a call is explained in both languages, and what this page cannot tell is told in the server’s words', () => {
  expect(explained('en', 'transfer_blind', { to: '+78312123456' })).toBe('An agent hands the customer over to <+78312123456> without asking first.');
  expect(explained('ru', 'transfer_attended', { to: 'Ольга' })).toBe('Сотрудник сначала спрашивает, можно ли перевести клиента; кого: <Ольга>.');
  const rust = readFileSync(fileURLToPath(new URL('../../../../calls/src/fold/explain.rs', import.meta.url)), 'utf8');
  const causes = [...rust.matchAll(/TransferFault::\w+ => "(.+?)"/g)].map(([, why]) => why ?? '');
  expect(causes.length).toBe(6);
  for (const why of causes) {
    expect(explained('ru', 'transfer_failed', { why }), why).toMatch(/^Клиента не перевели: [а-яё ]+\.$/);
  }
  expect([explained('ru', 'dtmf_sent', { count: '4' }), explained('en', 'dtmf_sent', { count: '1' })]).toEqual(['На сторону клиента отправили 4\u00a0цифры.', '1\u00a0digit was sent to the customer’s side.']);
  for (const key of ['hold_requested', 'retrieve_requested', 'transferred']) expect(explained('ru', key)).toMatch(/^[А-Я][а-яё ]+\.$/);
  expect([explained('ru', 'transfer_blind'), explained('ru', 'transfer_failed', { why: 'invented' })]).toEqual(['In English.', 'In English.']);
});
