import { expect, test } from 'vitest';
import { shortcutOf } from '../../src/lib/shortcuts.ts';
import { isNumber } from '../../src/lib/search.ts';
import { summarise } from '../../src/lib/today.ts';
import { merged } from '../../src/lib/order.ts';
import { interaction } from '../fixtures.ts';

const press = (code: string, key: string, shiftKey = false): string | null => shortcutOf({ code, key, shiftKey });

test('a key is known by its place, so that Russian letters do the same', () => {
  expect([press('KeyH', 'h'), press('KeyH', 'р'), press('KeyN', 'т'), press('Slash', '.'), press('Slash', ',', true)]).toEqual(['H', 'H', 'N', '/', '?']);
  expect(press('KeyH', 'H', true)).toBeNull();
});

test('a search of digits is a number, of letters a name', () => {
  expect(['212-34', '+7 (831)', '105'].map(isNumber)).toEqual([true, true, true]);
  expect(['Мария', 'ООО 2', '1', 'Hotel 42'].map(isNumber)).toEqual([false, false, false, false]);
});

test('the numbers of a day count missed calls of every kind and talk of answered ones', () => {
  const items = [
    interaction({ id: '1', talk_ms: 60_000 }),
    interaction({ id: '2', talk_ms: 120_000 }),
    interaction({ id: '3', outcome: 'abandoned', talk_ms: 0 }),
    interaction({ id: '4', outcome: 'busy', talk_ms: 0 }),
    interaction({ id: '5', outcome: null, state: 'live', talk_ms: null }),
  ];
  expect(summarise(items)).toEqual({ answered: 2, missed: 2, talkMs: 180_000, averageMs: 90_000 });
  expect(summarise([]).averageMs).toBeNull();
});

test('merged lists hold each call once, newest first, in its latest reading', () => {
  const old = interaction({ id: 'a', started_at: '2026-01-01T00:00:00.000Z' });
  const young = interaction({ id: 'b', started_at: '2026-01-02T00:00:00.000Z' });
  expect(merged('newest', [old, young], [{ ...old, notes: 'x' }]).map(({ id, notes }) => [id, notes])).toEqual([['b', null], ['a', 'x']]);
});
