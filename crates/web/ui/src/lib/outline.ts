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
