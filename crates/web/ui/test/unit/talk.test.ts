import { expect, test } from 'vitest';
import { average, coarser, widest } from '../../src/lib/outline.ts';
import type { Outline, Peak } from '../../src/lib/recordings.ts';
import { before, beyond, isTooCoarse, lengthOf, shareOf, silencesOf } from '../../src/lib/talk.ts';

/** Chance that is the same in every run. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const peak = (level: number): Peak => [-level, level];

/** A recording of parts of `part` seconds, each side's level by part. */
function recorded(part: number, customer: number[], agent: number[] = customer.map(() => 0)): Outline {
  return { duration_ms: customer.length * part * 1000, customer: customer.map(peak), agent: agent.map(peak) };
}

const of = (count: number, level: number): number[] => Array.from({ length: count }, () => level);

test('a pause of both sides is left but for a bit after the words and a bit before them', () => {
  const outline = recorded(0.1, [...of(20, 9_000), ...of(50, 40), ...of(20, 0)], [...of(70, 90), ...of(20, 6_000)]);
  const [only, ...more] = silencesOf(outline);
  expect(more).toEqual([]);
  expect(only?.from).toBeCloseTo(2.2);
  expect(only?.until).toBeCloseTo(6.7);
  expect(lengthOf(silencesOf(outline))).toBeCloseTo(4_500);
});

test('a short pause belongs to the talk, and while one side talks the other may be quiet', () => {
  expect(silencesOf(recorded(0.1, [...of(20, 9_000), ...of(15, 0), ...of(20, 9_000)]))).toEqual([]);
  expect(silencesOf(recorded(0.1, [...of(20, 9_000), ...of(16, 0), ...of(20, 9_000)]))).toHaveLength(1);
  expect(silencesOf(recorded(0.1, [...of(20, 9_000), ...of(50, 0), ...of(20, 9_000)], of(90, 5_000)))).toEqual([]);
});

test('silence before the first word and after the last one is left from the very beginning and nearly to the end', () => {
  const spans = silencesOf(recorded(0.1, [...of(30, 0), ...of(20, 9_000), ...of(30, 0)]));
  expect(spans.map(({ from, until }) => [from.toFixed(1), until.toFixed(1)])).toEqual([['0.0', '2.7'], ['5.2', '7.7']]);
});

test('what is quiet is a matter of the recording and of the side, but never less than the noise of a line', () => {
  const pause = (level: number): number[] => [...of(30, 20_000), ...of(30, level), ...of(30, 20_000)];
  expect(silencesOf(recorded(0.1, pause(700))), 'the background of a loud one').toHaveLength(1);
  expect(silencesOf(recorded(0.1, pause(900)))).toEqual([]);
  const soft = [...of(30, 600), ...of(30, 150), ...of(30, 600)];
  expect(silencesOf(recorded(0.1, soft)), 'the noise under a soft one').toHaveLength(1);
  expect(silencesOf(recorded(0.1, [...of(30, 0), ...of(30, 700), ...of(30, 0)], pause(0))), 'a soft customer beside a loud agent').toEqual([]);
  const clicked = [...of(50, 4_000), ...of(50, 300), ...of(1, 32_000), ...of(50, 4_000)];
  expect(silencesOf(recorded(0.1, clicked)), 'a click does not make words background').toEqual([]);
});

test('nothing is left out of a recording that is quiet throughout, has no parts, or is told too coarsely to be sure', () => {
  for (const quiet of [recorded(0.1, of(900, 30)), recorded(0.1, of(900, 0)), recorded(0.1, [])]) {
    expect(silencesOf(quiet)).toEqual([]);
    expect(shareOf(quiet)).toBeNull();
  }
  const talk = [...of(10, 9_000), ...of(10, 0), ...of(10, 9_000)];
  expect(silencesOf(recorded(2.5, talk))).toHaveLength(1);
  expect(silencesOf(recorded(2.6, talk))).toEqual([]);
  expect([isTooCoarse(recorded(2.5, talk)), isTooCoarse(recorded(2.6, talk))]).toEqual([false, true]);
});

test('whatever the talk: silences are in order, apart, inside, and without a word', () => {
  let found = 0;
  for (let seed = 1; seed <= 300; seed += 1) {
    const next = chance(seed);
    const part = 0.005 + next() * 2.4;
    const talks: [boolean[], boolean[]] = [[], []];
    while (talks[0].length < 300) {
      const [customer, agent] = [next() < 0.4, next() < 0.4];
      for (let left = Math.ceil(next() * 40); left > 0; left -= 1) {
        talks[0].push(customer);
        talks[1].push(agent);
      }
    }
    const [customer, agent] = talks.map((side) => side.map((is) => (is ? 2_000 + next() * 20_000 : next() * 199)));
    const outline = recorded(part, customer ?? [], agent ?? []);
    const spans = silencesOf(outline);
    found += spans.length;
    let last = 0;
    for (const { from, until } of spans) {
      expect(from, `seed ${String(seed)}`).toBeGreaterThanOrEqual(last);
      expect(until).toBeGreaterThan(from);
      last = until;
      for (let at = Math.floor(from / part + 1e-9); at * part < until - 1e-9; at += 1) expect(talks[0][at] || talks[1][at], `seed ${String(seed)} part ${String(at)}`).toBe(false);
    }
    expect(last).toBeLessThan(outline.duration_ms / 1000);
  }
  expect(found, 'the talks have pauses').toBeGreaterThan(1_000);
});

test('playback jumps from anywhere in a silence to its end and from nowhere else, so it never jumps twice', () => {
  const silences = [{ from: 2, until: 5 }, { from: 8, until: 20 }];
  expect([0, 1.99, 2, 4.7, 4.8, 5, 7, 8, 19, 20, 30].map((at) => beyond(silences, at))).toEqual([null, null, 5, 5, null, null, null, 20, 20, null, null]);
  for (const { until } of silences) expect(beyond(silences, until)).toBeNull();
});

test('a step back is of what is heard, so that no silence holds somebody who goes back', () => {
  const silences = [{ from: 2, until: 5 }, { from: 8, until: 20 }];
  expect([30, 21, 20, 15, 6, 1].map((at) => before(silences, at, 5))).toEqual([25, 1, 0, 0, 0, 0]);
  expect([before(silences, 21, 3), before(silences, 7, 1), before([], 7, 5)]).toEqual([6, 6, 2]);
});

test('shares are of all that is said and make a hundred', () => {
  expect(shareOf(recorded(1, [...of(62, 5_000), ...of(38, 20)], [...of(62, 20), ...of(38, 9_000)]))).toEqual({ customer: 62, agent: 38 });
  expect(shareOf(recorded(1, of(10, 5_000), of(10, 5_000)))).toEqual({ customer: 50, agent: 50 });
  expect(shareOf(recorded(1, of(10, 20), of(10, 5_000)))).toEqual({ customer: 0, agent: 100 });
  expect(shareOf(recorded(1, [5_000, 0, 0], [0, ...of(2, 5_000)]))).toEqual({ customer: 33, agent: 67 });
});

test('fewer parts show the loudest of those they join, or how loud they are together', () => {
  const outline: Outline = { duration_ms: 500, customer: [[-1, 5], [-7, 2], [-4, 2], [0, 9], [-2, 3]], agent: of(5, 4).map(peak) };
  expect(coarser(outline, 2, widest)).toEqual({ duration_ms: 500, customer: [[-7, 5], [-2, 9]], agent: of(2, 4).map(peak) });
  expect(coarser(outline, 2, average)).toEqual({ duration_ms: 500, customer: [[-4, 3], [-1, 6]], agent: of(2, 4).map(peak) });
  for (const join of [widest, average]) for (const parts of [5, 48]) expect(coarser(outline, parts, join)).toEqual(outline);
});
