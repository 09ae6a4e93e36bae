import { expect, test } from 'vitest';
import { callerOf, displayNameOf, reasonOf, whyOf } from '../../src/lib/who.ts';
import { candidate, pop } from '../fixtures.ts';

const done = (candidates: Parameters<typeof pop>[0]): ReturnType<typeof pop> => pop({ lookup: 'done', ...candidates });

test('a sole own number settles who it is', () => {
  const it = done({ candidates: [candidate('a', 'Мария', 'exact'), candidate('b', 'Пётр', 'suffix')] });
  const caller = callerOf(it, null);
  expect(caller).toMatchObject({ kind: 'known', candidate: { contact: { id: 'a' } }, chosen: false });
  expect(whyOf(it, caller)).toEqual({ key: 'why.exact' });
});

test('of several with the number none is taken as the first one', () => {
  const it = done({ candidates: [candidate('a', 'A', 'exact'), candidate('b', 'B', 'exact')] });
  expect(callerOf(it, null).kind).toBe('several');
  expect(whyOf(it, callerOf(it, null))).toEqual({ key: 'why.shared', params: { count: 2 } });
});

test('a switchboard says how many sit behind it, and the company is known', () => {
  const of = { company: 'ООО «Волга-Сервис»' };
  const it = done({ candidates: ['a', 'b', 'c', 'd'].map((id) => candidate(id, id, 'company', of)) });
  expect(callerOf(it, null)).toMatchObject({ kind: 'several', company: 'ООО «Волга-Сервис»' });
  expect(whyOf(it, callerOf(it, null))).toEqual({ key: 'why.switchboard', params: { count: 4 } });
});

test('a single weak match does not become the caller', () => {
  for (const level of ['company', 'suffix'] as const) {
    expect(callerOf(done({ candidates: [candidate('a', 'A', level)] }), null).kind).toBe('several');
  }
});

test('a choice of the user counts', () => {
  const it = done({ candidates: [candidate('a', 'A', 'company'), candidate('b', 'B', 'company')] });
  expect(callerOf(it, { id: 'b', contact: null })).toMatchObject({ kind: 'known', candidate: { contact: { id: 'b' } }, chosen: true });
});

test('a new contact that no pop names is the caller once a person said so', () => {
  const contact = { id: 'n', name: 'Нина', company_name: null, responsible_id: null };
  expect(callerOf(done({}), { id: 'n', contact })).toMatchObject({ kind: 'known', candidate: { contact }, chosen: true });
  expect(callerOf(done({}), { id: 'n', contact: null })).toEqual({ kind: 'unknown' });
});

test('nobody is invented for an unknown, a withheld or a not yet searched number', () => {
  expect(callerOf(done({}), null)).toEqual({ kind: 'unknown' });
  for (const dialled of [null, 'anonymous', 'Restricted', ' ']) {
    expect(callerOf(done({ number: null, number_dialled: dialled }), null)).toEqual({ kind: 'withheld' });
  }
  const named = callerOf(done({ number: null, number_dialled: 'alice' }), null);
  expect(named).toEqual({ kind: 'not_a_number', text: 'alice' });
  expect(whyOf(done({}), named)).toEqual({ key: 'why.not_a_number' });
  expect(callerOf(pop(), null)).toEqual({ kind: 'searching' });
  expect(whyOf(done({ lookup: 'unavailable' }), { kind: 'unknown' })).toEqual({ key: 'why.unavailable' });
});

test('the reasons of the server are known by their sentences, others are left alone', () => {
  expect(reasonOf("The called user is responsible for this contact.")?.key).toBe('reason.responsible');
  expect(reasonOf('Days since the last talk: 3.')).toEqual({ key: 'reason.recent_talk', params: { value: '3', count: 3 } });
  expect(reasonOf('Days since the last talk: 0.')?.key).toBe('reason.recent_today');
  expect(reasonOf('A new reason.')).toBeNull();
});

test('a display name that only repeats the number is not shown', () => {
  expect(displayNameOf(pop({ display_name: '+7 831 212-34-56' }))).toBeNull();
  expect(displayNameOf(pop({ display_name: 'Anonymous' }))).toBeNull();
  expect(displayNameOf(pop({ display_name: '<img src=x>' }))).toBe('<img src=x>');
});
