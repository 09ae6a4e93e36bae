import { expect, test } from 'vitest';
import { Glimpses, glimpseOf } from '../../src/lib/glimpses.ts';
import type { Glimpse } from '../../src/lib/glimpses.ts';

const SOME: Glimpse = { customer: 'M', agent: 'M', parts: 48, share: null };

/** A list, its requests in their order, and a hand that answers them. */
function listed(kept?: number) {
  const asked: string[] = [];
  const open = new Map<string, { told: (glimpse: Glimpse | null) => void; refused: (why: Error) => void }>();
  const list = new Glimpses((id) => {
    asked.push(id);
    return new Promise((told, refused) => open.set(id, { told, refused }));
  }, kept);
  const answer = async (id: string, glimpse: Glimpse | null | 'refused' = SOME): Promise<void> => {
    const request = open.get(id);
    open.delete(id);
    if (glimpse === 'refused') request?.refused(new Error('no'));
    else request?.told(glimpse);
    await new Promise((resolve) => setTimeout(resolve));
  };
  const told: string[] = [];
  const want = (id: string): (() => void) => list.want(id, (glimpse) => told.push(`${id} ${glimpse ? 'drawn' : 'none'}`));
  return { asked, open, answer, told, want };
}

test('two are asked for at a time, in the order of the rows', async () => {
  const { asked, open, answer, told, want } = listed();
  for (const id of ['a', 'b', 'c', 'd']) want(id);
  expect(asked).toEqual(['a', 'b']);
  await answer('b');
  expect(asked).toEqual(['a', 'b', 'c']);
  expect(open.size).toBe(2);
  await answer('a');
  await answer('c');
  await answer('d', null);
  expect(told).toEqual(['b drawn', 'a drawn', 'c drawn', 'd none']);
});

test('a row that goes away before its turn is not asked for; one that goes away later is kept and told nothing', async () => {
  const { asked, answer, told, want } = listed();
  const [first, , third] = ['a', 'b', 'c'].map(want);
  third?.();
  first?.();
  await answer('a');
  await answer('b');
  expect(asked).toEqual(['a', 'b']);
  expect(told).toEqual(['b drawn']);
  want('a');
  expect(told).toEqual(['b drawn', 'a drawn']);
  want('c');
  expect(asked, 'it may come back').toEqual(['a', 'b', 'c']);
});

test('what is known is not asked for again, also when there is nothing; what failed is', async () => {
  const { asked, answer, told, want } = listed();
  want('a');
  want('none');
  await answer('a', 'refused');
  await answer('none', null);
  expect(told).toEqual(['none none']);
  want('none');
  want('a');
  expect(asked).toEqual(['a', 'none', 'a']);
  await answer('a');
  expect(told).toEqual(['none none', 'none none', 'a drawn']);
});

test('two rows of one recording share the answer', async () => {
  const { asked, answer, told, want } = listed();
  want('a');
  want('a')();
  want('a');
  await answer('a');
  expect([asked, told]).toEqual([['a'], ['a drawn', 'a drawn']]);
});

test('memory is bounded: what was not used for longest is forgotten', async () => {
  const { asked, answer, want } = listed(2);
  for (const id of ['a', 'b']) {
    want(id);
    await answer(id);
  }
  want('a');
  want('c');
  await answer('c');
  want('a');
  expect(asked).toEqual(['a', 'b', 'c']);
  want('b');
  expect(asked).toEqual(['a', 'b', 'c', 'b']);
});

test('a row draws 48 parts, and its shares come of all that were told', () => {
  const level = (talks: boolean): [number, number] => (talks ? [-9_000, 9_000] : [-10, 10]);
  const at = Array.from({ length: 240 }, (_, part) => part % 5);
  // In each of the drawn parts both talk; only the finer ones tell who talks more.
  const { parts, share } = glimpseOf({ duration_ms: 240_000, customer: at.map((part) => level(part < 4)), agent: at.map((part) => level(part === 4)) });
  expect(parts).toBe(48);
  expect(share).toEqual({ customer: 80, agent: 20 });
});
