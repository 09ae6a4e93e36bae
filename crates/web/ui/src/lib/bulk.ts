// One change for many, one after the other as single ones are made: what became of each.

import { ApiError } from './api.ts';

/** Why one was not changed: by a colleague meanwhile, not allowed, no longer there, not accepted, no answer. */
export const REFUSALS = ['stale', 'forbidden', 'gone', 'refused', 'failed'] as const;
export type Refusal = (typeof REFUSALS)[number];

export type Outcomes = Record<'done' | Refusal, string[]>;

function refusalOf(error: unknown): Refusal {
  const status = error instanceof ApiError ? error.status : 0;
  if (status === 412) return 'stale';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'gone';
  return status >= 400 && status < 500 && status !== 401 ? 'refused' : 'failed';
}

/** Once there is no answer, the rest is not asked for. */
export async function oneByOne<T extends { id: string }>(cards: readonly T[], act: (card: T) => Promise<void>, told: (done: number) => void): Promise<Outcomes> {
  const outcomes: Outcomes = { done: [], stale: [], forbidden: [], gone: [], refused: [], failed: [] };
  for (const [nth, card] of cards.entries()) {
    told(nth);
    try {
      await act(card);
      outcomes.done.push(card.id);
    } catch (error) {
      const why = refusalOf(error);
      outcomes[why].push(card.id);
      if (why !== 'failed') continue;
      outcomes.failed.push(...cards.slice(nth + 1).map(({ id }) => id));
      break;
    }
  }
  return outcomes;
}
