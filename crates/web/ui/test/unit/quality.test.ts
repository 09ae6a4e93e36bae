import { expect, test } from 'vitest';
import { percent } from '../../src/lib/format.ts';
import { gradeOf, hearing, isUneven, troubleOf } from '../../src/lib/quality.ts';
import type { CallLeg } from '../../src/lib/wire.ts';
import { leg, path, stretch } from '../sound.ts';

test('a listener hears what comes over the other’s leg and leaves by its own, and the worse of both counts', () => {
  const legs = [leg('customer', path('good'), path('poor')), leg('agent', path('fair'), path('good'))];
  const agent = hearing({ legs }, 'agent');
  expect(agent.grade).toBe('good');
  expect(agent.ways.map(({ side, path: { grade } }) => [side, grade])).toEqual([['customer', 'good'], ['agent', 'good']]);
  const customer = hearing({ legs }, 'customer');
  expect(customer.grade).toBe('poor');
  expect(customer.ways.map(({ side, path: { grade } }) => [side, grade])).toEqual([['customer', 'poor'], ['agent', 'fair']]);
  expect(gradeOf({ legs })).toBe('poor');
});

test('what nobody has measured has no word', () => {
  expect(gradeOf({ legs: [] })).toBeNull();
  expect(hearing({ legs: [{ leg_id: 'a', party: 'agent', quality: null }] }, 'agent')).toEqual({ grade: null, ways: [] });
  expect(hearing({ legs: [leg('customer', path('good'), null)] }, 'customer').grade).toBeNull();
});

test('who hears badly in a talk is whoever a bad stretch leads to', () => {
  const call = (more: Partial<CallLeg>, other: Partial<CallLeg> = {}) => ({
    legs: [
      { leg_id: 'c', party: 'customer', state: 'answered', ...more },
      { leg_id: 'a', party: 'agent', state: 'answered', ...other },
    ] as CallLeg[],
  });
  expect(troubleOf(call({ bad_received: null, bad_sent: null }))).toBeNull();
  expect(troubleOf(call({ bad_received: stretch() }))?.who).toBe('agent');
  expect(troubleOf(call({ bad_sent: stretch() }))?.who).toBe('customer');
  expect(troubleOf(call({}, { bad_received: stretch() }))?.who).toBe('customer');
  expect(troubleOf(call({}, { bad_sent: stretch() }))?.who).toBe('agent');
  const both = troubleOf(call({ bad_received: stretch({ mos: 2.9, loss_percent: 9 }) }, { bad_received: stretch({ mos: 1.8, loss_percent: 31 }) }));
  expect([both?.who, both?.window.loss_percent]).toEqual(['both', 31]);
});

test('a stretch is bad for its losses or for its unevenness', () => {
  expect(isUneven(stretch())).toBe(false);
  expect(isUneven(stretch({ loss_percent: 0.4, jitter_ms: 190 }))).toBe(true);
});

test('shares are written with a decimal only while they are small', () => {
  expect([percent(0, 'en'), percent(3.37, 'en'), percent(12.4, 'en')]).toEqual(['0\u00a0%', '3.4\u00a0%', '12\u00a0%']);
  expect(percent(3.37, 'ru')).toBe('3,4\u00a0%');
});
