// What lists offer, without a page: orders and places in them, columns, ranges, many changes, files.

import { expect, test } from 'vitest';
import { ApiError } from '../../src/lib/api.ts';
import { oneByOne } from '../../src/lib/bulk.ts';
import { CallList } from '../../src/lib/calls.svelte.ts';
import { COLUMNS, columnsOf, fitting, keptColumns, optional, roomFor, tracks, usualColumns } from '../../src/lib/columns.ts';
import type { ListName } from '../../src/lib/columns.ts';
import { heldRows } from '../../src/lib/held.ts';
import { CALL_ORDERS, callOrderOf, merged, placed } from '../../src/lib/order.ts';
import type { CallOrder } from '../../src/lib/order.ts';
import { EVERYTHING, isEverything, recordingSearchOf, recordingsPath, recordingsSheetUrl } from '../../src/lib/recordings.ts';
import { callsSheetUrl } from '../../src/lib/search.ts';
import { range, Selection } from '../../src/lib/selection.svelte.ts';
import { harmless, sheetOf } from '../../src/lib/sheet.ts';
import { WHOLE } from '../../src/lib/slice.ts';
import type { Interaction } from '../../src/lib/wire.ts';
import { interaction } from '../fixtures.ts';

const ids = (rows: { id: string }[]): string => rows.map(({ id }) => id).join('');
/** A call at a minute that talked for some seconds. */
const call = (id: string, minute: number, seconds: number | null): Interaction =>
  interaction({ id, started_at: `2026-03-10T09:${String(minute).padStart(2, '0')}:00.000Z`, talk_ms: seconds === null ? null : seconds * 1000 });

const [A, B, C, D] = [call('a', 1, 30), call('b', 2, 10), call('c', 3, 20), call('d', 4, null)] as const;
const SORTED: Record<CallOrder, string> = { newest: 'dcba', oldest: 'abcd', longest: 'acbd', shortest: 'dbca' };

test('an order is the address, and the usual one goes without saying', () => {
  const filter = { q: '', user: null, contact: null, outcome: null, length: null, from: '', until: '' } as const;
  for (const sort of CALL_ORDERS) {
    const path = recordingsPath({ ...filter, sort });
    expect(path).toBe(sort === 'newest' ? '/recordings' : `/recordings?sort=${sort}`);
    expect(recordingSearchOf(new URL(path, 'http://x').searchParams).sort).toBe(sort);
    expect(isEverything({ ...EVERYTHING, sort })).toBe(true);
  }
  expect(callOrderOf(new URLSearchParams('sort=loudest'))).toBe('newest');
  expect(callOrderOf(new URLSearchParams('sort=oldest'))).toBe('oldest');
});

test('a file has the filters and the order of what is shown; a name has none that the server knows', () => {
  const asked = { q: '8 903 555', outcome: 'answered', recorded: true, slice: WHOLE, sort: 'longest' } as const;
  expect(Object.fromEntries(new URL(callsSheetUrl(asked) ?? '', 'http://x').searchParams)).toEqual({ outcome: 'answered', recorded: 'true', number: '8 903 555', sort: 'longest', format: 'csv' });
  expect(callsSheetUrl({ ...asked, q: '', sort: 'newest' })).toBe('/api/v1/interactions?outcome=answered&recorded=true&format=csv');
  expect(callsSheetUrl({ ...asked, q: 'Мария' })).toBeNull();
  expect(recordingsSheetUrl({ ...EVERYTHING, sort: 'shortest' })).toBe('/api/v1/recordings?sort=shortest&format=csv');
});

test('each order sorts as the server does, the id between those that are alike', () => {
  for (const order of CALL_ORDERS) expect(ids(merged(order, [A, B, C, D])), order).toBe(SORTED[order]);
  const alike = [call('x', 1, 5), call('y', 1, 5)];
  expect(CALL_ORDERS.map((order) => ids(merged(order, alike)))).toEqual(['yx', 'xy', 'yx', 'xy']);
});

test('a call that ends goes to its place in each order', () => {
  for (const order of CALL_ORDERS) {
    const read = merged(order, [A, B, D]);
    expect(ids(placed(order, read, [C], null).items), order).toBe(SORTED[order]);
    expect(placed(order, read, [C], null), order).toMatchObject({ added: 1, unsure: false });
  }
});

test('past what was read only the count changes, and what moves there goes', () => {
  const end = (rows: Interaction[]): Interaction => rows.at(-1) as Interaction;
  const oldest = merged('oldest', [A, B]);
  expect(placed('oldest', oldest, [C], end(oldest))).toEqual({ items: oldest, added: 0, unsure: true });
  const longest = merged('longest', [A, C]);
  expect(placed('longest', longest, [B], end(longest))).toMatchObject({ items: longest, unsure: true });
  // While it was live it may have been counted further down.
  expect(placed('longest', longest, [call('e', 9, 25)], end(longest))).toMatchObject({ added: 0, unsure: true });
  const newest = merged('newest', [C, B]);
  expect(placed('newest', newest, [D], end(newest))).toMatchObject({ added: 1, unsure: false });
  const shortest = merged('shortest', [D, B]);
  const ended = call('d', 4, 90);
  expect(placed('shortest', shortest, [ended], end(shortest))).toEqual({ items: [B], added: 0, unsure: false });
});

test('a list asks how many there are when it cannot know, once for all that comes meanwhile', async () => {
  const list = new CallList();
  let asked = 0;
  const count = (): Promise<number> => Promise.resolve(100 + (asked += 1));
  await list.read(() => Promise.resolve({ items: [A, B], total: 9, next: 'more' }), { order: 'oldest', count });
  for (const late of [C, D, call('e', 5, 1)]) list.put(late);
  await expect.poll(() => list.total).toBe(102);
  expect({ items: ids(list.items), asked }).toEqual({ items: 'ab', asked: 2 });
  list.put({ ...A, notes: 'x' });
  expect([list.items[0]?.notes, list.total]).toEqual(['x', 102]);
});

test('rows under a hand stay, each as it is now, and what is read further down comes below', () => {
  const changed = { ...A, notes: 'x' };
  const rows = heldRows([B, A], [D, C, changed, B, call('e', 0, 1)]);
  expect(ids(rows)).toBe('bae');
  expect(rows[1]?.notes).toBe('x');
  expect(ids(heldRows([A, B], [B]))).toBe('ab');
});

test('a choice of columns is kept as its differences from the usual ones', () => {
  for (const list of Object.keys(COLUMNS) as ListName[]) {
    const all = optional(list).map(({ id }) => id);
    expect(keptColumns(list, usualColumns(list)), list).toBeNull();
    for (const chosen of [all, [], all.filter((_, nth) => nth % 2 === 0)]) expect(columnsOf(list, keptColumns(list, chosen)), list).toEqual(chosen);
    expect(columnsOf(list, 'gone,-who,-when'), list).toEqual(usualColumns(list));
    // Who and when are always there.
    const fixed = COLUMNS[list].filter(({ usual }) => usual === undefined).map(({ id }) => id);
    expect(fixed, list).toContain('who');
    if (list === 'history' || list === 'recordings') expect(fixed, list).toContain('when');
  }
  expect(keptColumns('history', ['outcome', 'number', 'note', 'talk'])).toBe('note,-ringing');
});

test('columns without room give way one after the other', () => {
  const all = optional('history').map(({ id }) => id);
  const wide = roomFor('history', all);
  expect(fitting('history', all, wide)).toEqual(all);
  expect(fitting('history', all, wide - 1)).toEqual(all.filter((id) => id !== 'direction'));
  for (let width = 521; width <= wide; width += 7) expect(roomFor('history', fitting('history', all, width)), String(width)).toBeLessThanOrEqual(width);
  expect(fitting('history', [], 500)).toEqual(['outcome']);
  expect(tracks('history', [])).toBe('minmax(160px, 1fr) 108px 32px');
});

test('a range goes from the last one to this one as they are shown', () => {
  const shown = [...'abcdef'];
  expect([range(shown, 'b', 'd'), range(shown, 'd', 'b'), range(shown, null, 'c'), range(shown, 'x', 'c')].map((one) => one.join(''))).toEqual(['bcd', 'bcd', 'c', 'c']);
  const selection = new Selection();
  const has = (): string => shown.filter((id) => selection.has(id)).join('');
  selection.toggle('b', shown, false);
  selection.toggle('e', shown, true);
  expect(has()).toBe('bcde');
  selection.toggle('c', shown, false);
  selection.toggle('d', shown, true);
  expect(has()).toBe('be');
  selection.keep(['e', 'f']);
  expect([has(), selection.size]).toEqual(['e', 1]);
});

test('many are changed one by one, and each refusal is told apart', async () => {
  const answers: Record<string, number> = { b: 412, c: 403, d: 404, e: 422 };
  const cards = [...'abcdef'].map((id) => ({ id }));
  const done: number[] = [];
  const act = ({ id }: { id: string }): Promise<void> => (answers[id] === undefined ? Promise.resolve() : Promise.reject(new ApiError(answers[id], '')));
  expect(await oneByOne(cards, act, (nth) => done.push(nth))).toEqual({ done: ['a', 'f'], stale: ['b'], forbidden: ['c'], gone: ['d'], refused: ['e'], failed: [] });
  expect(done).toEqual([0, 1, 2, 3, 4, 5]);
  answers['b'] = 0;
  expect(await oneByOne(cards, act, () => undefined)).toMatchObject({ done: ['a'], failed: ['b', 'c', 'd', 'e', 'f'] });
});

test('a file from the page is as the server writes it, and nothing in it is a formula', () => {
  const row = { name: '=1+1', notes: 'a "b", c', numbers: [{ number: '+7 903', label: 'work' }, { number: '105', label: null }], custom: {}, version: 2, region: null };
  expect(sheetOf(['name', 'notes', 'numbers', 'custom', 'version', 'region'], [row])).toBe('\ufeffname,notes,numbers,custom,version,region\r\n\'=1+1,"a ""b"", c",\'+7 903 (work); 105,,2,\r\n');
  expect(['-1', ' @x', '\tx', 'a;=b', 'a\n +c', 'a=b', '＝x'].map(harmless)).toEqual(["'-1", "' @x", "'\tx", "a;'=b", "a\n '+c", 'a=b', "'＝x"]);
});
