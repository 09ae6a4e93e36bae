// The outline of a recording as a shape: the customer's side above the middle, the agent's below. Pure.

import type { Outline, Peak } from './recordings.ts';

/** A whisper is not drawn as loud as a shout: below this nothing is drawn larger than it is. */
const LOUD_AT_LEAST = 4_000;
/** Half of the picture's height. */
const HALF = 50;

/** How far a part reaches from the middle, 0 to 1. */
function heights(peaks: Peak[], loudest: number): number[] {
  return peaks.map(([low, high]) => Math.min(1, Math.max(Math.abs(low), Math.abs(high)) / loudest));
}

/** What is seen of parts that are drawn as one: the loudest, as a waveform has it. */
export function widest(peaks: Peak[]): Peak {
  return [Math.min(...peaks.map(([low]) => low)), Math.max(...peaks.map(([, high]) => high))];
}

/** What is seen of long parts that are drawn as one: how much is said in them, since somebody is loud in nearly each. */
export function average(peaks: Peak[]): Peak {
  const mean = (side: 0 | 1): number => peaks.reduce((sum, peak) => sum + peak[side], 0) / peaks.length;
  return [mean(0), mean(1)];
}

/** The same outline in at most so many parts, of as many old ones each but for the last. */
export function coarser({ customer, agent, ...rest }: Outline, parts: number, join: (peaks: Peak[]) => Peak): Outline {
  const each = Math.max(1, Math.ceil(customer.length / parts));
  const joined = (peaks: Peak[]): Peak[] => peaks.flatMap((_, at) => (at % each === 0 ? [join(peaks.slice(at, at + each))] : []));
  return { ...rest, customer: joined(customer), agent: joined(agent) };
}

/** One closed shape a side, in a box of as many units as parts by 100. */
export function shapesOf({ customer, agent }: Outline): { customer: string; agent: string } {
  const loudest = Math.max(LOUD_AT_LEAST, ...[...customer, ...agent].flat().map(Math.abs));
  const shape = (peaks: Peak[], up: number): string => {
    if (peaks.length === 0) return '';
    // A line where it is silent shows that there is something to hear of.
    const points = heights(peaks, loudest).map((height, at) => `${String(at)} ${(HALF + up * (0.8 + height * (HALF - 2))).toFixed(1)}H${String(at + 1)}`);
    return `M0 ${String(HALF)}V${points.map((point) => point.replace(/^\d+ /, '')).join('V')}V${String(HALF)}Z`;
  };
  return { customer: shape(customer, -1), agent: shape(agent, 1) };
}
