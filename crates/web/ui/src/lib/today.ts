// The small numbers of a day, from its interactions.

import type { Interaction } from './wire.ts';

export interface DayNumbers {
  answered: number;
  missed: number;
  talkMs: number;
  /** Null without an answered call. */
  averageMs: number | null;
}

const MISSED = new Set(['abandoned', 'no_answer', 'busy', 'rejected', 'failed']);

export function summarise(items: Interaction[]): DayNumbers {
  const answered = items.filter(({ outcome }) => outcome === 'answered');
  const talkMs = answered.reduce((sum, { talk_ms }) => sum + (talk_ms ?? 0), 0);
  return {
    answered: answered.length,
    missed: items.filter(({ direction, outcome }) => direction === 'inbound' && outcome !== null && MISSED.has(outcome)).length,
    talkMs,
    averageMs: answered.length === 0 ? null : talkMs / answered.length,
  };
}
