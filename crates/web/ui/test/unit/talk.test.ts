import { expect, test } from 'vitest';
import { average, coarser, widest } from '../../src/lib/outline.ts';
import type { Outline, Peak } from '../../src/lib/recordings.ts';
import { shareOf } from '../../src/lib/talk.ts';

const peak = (level: number): Peak => [-level, level];

/** A recording of parts of `part` seconds, each side's level by part. */
function recorded(part: number, customer: number[], agent: number[] = customer.map(() => 0)): Outline {
  return { duration_ms: customer.length * part * 1000, customer: customer.map(peak), agent: agent.map(peak) };
}

const of = (count: number, level: number): number[] => Array.from({ length: count }, () => level);

test('shares are of all that is said and make a hundred', () => {
  expect(shareOf(recorded(1, [...of(62, 5_000), ...of(38, 20)], [...of(62, 20), ...of(38, 9_000)]))).toEqual({ customer: 62, agent: 38 });
  expect(shareOf(recorded(1, of(10, 5_000), of(10, 5_000)))).toEqual({ customer: 50, agent: 50 });
  expect(shareOf(recorded(1, of(10, 20), of(10, 5_000)))).toEqual({ customer: 0, agent: 100 });
  expect(shareOf(recorded(1, [...of(2, 5_000), 0], [0, 0, 5_000]))).toEqual({ customer: 67, agent: 33 });
});

test('fewer parts show the loudest of those they join, or how loud they are together', () => {
  const outline: Outline = { duration_ms: 500, customer: [[-1, 5], [-7, 2], [-4, 2], [0, 9], [-2, 3]], agent: of(5, 4).map(peak) };
  expect(coarser(outline, 2, widest)).toEqual({ duration_ms: 500, customer: [[-7, 5], [-2, 9]], agent: of(2, 4).map(peak) });
  expect(coarser(outline, 2, average)).toEqual({ duration_ms: 500, customer: [[-4, 3], [-1, 6]], agent: of(2, 4).map(peak) });
  for (const join of [widest, average]) for (const parts of [5, 48]) expect(coarser(outline, parts, join)).toEqual(outline);
});
