// What the outline of a recording tells of the talk in it: where both sides are quiet, and who talks how much. Pure.

import type { Outline, Peak } from './recordings.ts';

/** Below this a side is quiet in any recording: the noise of a line. */
const NOISE = 200;
/** What is so much lower than a side's own loud parts is its background and not its talk. */
const BACKGROUND = 0.04;
/** The share of a side's parts that are louder than what counts as its loudness, so that a click does not decide. */
const CLICKS = 0.02;
/** The server looks at the first seconds of a part alone; a longer one may have words where it seems quiet. */
const LOOKED_AT_S = 2.5;
/** A pause shorter than this belongs to the talk. */
const PAUSE_S = 1.5;
/** What is left of a pause, so that no word loses its end or its first sound. */
const AFTER_WORDS_S = 0.2;
const BEFORE_WORDS_S = 0.3;
/** A jump over less is not worth its click. */
const JUMP_S = 0.25;

/** From where to where playback jumps, in seconds. */
export interface Silence {
  from: number;
  until: number;
}

/** How much of all that is said each side says, in percent; together a hundred. */
export interface Share {
  customer: number;
  agent: number;
}

/** Which parts of a side are louder than its background. */
export function loudParts(peaks: Peak[]): boolean[] {
  const levels = peaks.map(([low, high]) => Math.max(Math.abs(low), Math.abs(high)));
  const sorted = [...levels].sort((a, b) => b - a);
  const loudness = sorted[Math.floor(sorted.length * CLICKS)] ?? 0;
  const background = Math.max(NOISE, loudness * BACKGROUND);
  return levels.map((level) => level > background);
}

const partOf = ({ duration_ms, customer }: Outline): number => duration_ms / 1000 / Math.max(1, customer.length);

/** Tells whether the parts are so long that quiet ones may hide words. */
export function isTooCoarse(outline: Outline): boolean {
  return partOf(outline) > LOOKED_AT_S;
}

/** Where both sides are quiet for long, in order; nothing where nobody talks at all, since then something is wrong. */
export function silencesOf(outline: Outline): Silence[] {
  const [customer, agent] = [loudParts(outline.customer), loudParts(outline.agent)];
  const loud = customer.map((is, at) => is || (agent[at] ?? false));
  if (isTooCoarse(outline) || !loud.includes(true)) return [];
  const part = partOf(outline);
  const found: Silence[] = [];
  let start = 0;
  for (let at = 0; at <= loud.length; at += 1) {
    if (at < loud.length && !loud[at]) continue;
    if ((at - start) * part > PAUSE_S) {
      found.push({ from: start === 0 ? 0 : start * part + AFTER_WORDS_S, until: at * part - BEFORE_WORDS_S });
    }
    start = at + 1;
  }
  return found;
}

/** Where playback goes on instead of `at`; null where it stays. */
export function beyond(silences: Silence[], at: number): number | null {
  const silence = silences.find(({ from, until }) => at >= from && at < until - JUMP_S);
  return silence?.until ?? null;
}

/** The place so many seconds before `at` as they are heard; a step back into silence would only be undone by the jump over it. */
export function before(silences: Silence[], at: number, seconds: number): number {
  let [place, left] = [at, seconds];
  for (const { from, until } of [...silences].reverse()) {
    if (from >= place) continue;
    const heard = Math.max(0, place - until);
    if (heard >= left) break;
    left -= heard;
    place = from;
  }
  return Math.max(0, place - left);
}

/** How long all of them are, in milliseconds. */
export function lengthOf(silences: Silence[]): number {
  return silences.reduce((sum, { from, until }) => sum + (until - from) * 1000, 0);
}

/** Null when nobody says anything. */
export function shareOf(outline: Outline): Share | null {
  const [customer, agent] = [outline.customer, outline.agent].map((peaks) => loudParts(peaks).filter(Boolean).length) as [number, number];
  if (customer + agent === 0) return null;
  const percent = Math.round((customer / (customer + agent)) * 100);
  return { customer: percent, agent: 100 - percent };
}
