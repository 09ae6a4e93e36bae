// What the outline of a recording tells of the talk in it: who talks, and how much. Pure.

import type { Outline, Peak } from './recordings.ts';

/** Below this a side is quiet in any recording: the noise of a line. */
const NOISE = 200;
/** What is so much lower than a side's own loud parts is its background and not its talk. */
const BACKGROUND = 0.04;
/** The share of a side's parts that are louder than what counts as its loudness, so that a click does not decide. */
const CLICKS = 0.02;
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

/** Null when nobody says anything. */
export function shareOf(outline: Outline): Share | null {
  const [customer, agent] = [outline.customer, outline.agent].map((peaks) => loudParts(peaks).filter(Boolean).length) as [number, number];
  if (customer + agent === 0) return null;
  const percent = Math.round((customer / (customer + agent)) * 100);
  return { customer: percent, agent: 100 - percent };
}
