// What a row of the list shows of a recording: asked for row by row as they are seen, a few at a time, and kept.

import { ApiError } from './api.ts';
import { average, coarser, shapesOf } from './outline.ts';
import { recordings } from './recordings.ts';
import type { Outline } from './recordings.ts';
import { shareOf } from './talk.ts';
import type { Share } from './talk.ts';

/** Parts that a row draws. */
export const DRAWN = 48;
/** Several to each that is drawn: in parts of many seconds everybody says something, and all would talk alike. */
const ASKED = 5 * DRAWN;
const AT_ONCE = 2;
const KEPT = 500;

/** The talk of both sides as two shapes, and who talks how much. */
export interface Glimpse {
  customer: string;
  agent: string;
  parts: number;
  share: Share | null;
}

/** Hears what there is to see: null for a recording without a picture. */
type Told = (glimpse: Glimpse | null) => void;

export function glimpseOf(outline: Outline): Glimpse {
  const drawn = coarser(outline, DRAWN, average);
  return { ...shapesOf(drawn), parts: drawn.customer.length, share: shareOf(outline) };
}

export class Glimpses {
  /** In the order of their last use. */
  private readonly known = new Map<string, Glimpse | null>();
  /** In the order of asking; those who are told of each. */
  private readonly wanted = new Map<string, Set<Told>>();
  private readonly asked = new Set<string>();

  constructor(
    private readonly read: (id: string) => Promise<Glimpse | null>,
    private readonly kept = KEPT,
  ) {}

  /** Tells of it once, now or later, unless it is taken back before; what nobody waits for any more is not asked for. */
  want(id: string, told: Told): () => void {
    const found = this.known.get(id);
    if (found !== undefined) {
      this.keep(id, found);
      told(found);
      return () => undefined;
    }
    const waiting = this.wanted.get(id) ?? new Set();
    this.wanted.set(id, waiting.add(told));
    this.askNext();
    return () => {
      waiting.delete(told);
      if (waiting.size === 0 && !this.asked.has(id) && this.wanted.get(id) === waiting) this.wanted.delete(id);
    };
  }

  private askNext(): void {
    for (const id of this.wanted.keys()) {
      if (this.asked.size >= AT_ONCE) return;
      if (!this.asked.has(id)) void this.ask(id);
    }
  }

  private async ask(id: string): Promise<void> {
    this.asked.add(id);
    try {
      const glimpse = await this.read(id);
      this.keep(id, glimpse);
      for (const told of this.wanted.get(id) ?? []) told(glimpse);
    } catch {
      // The row stays without; it asks again when it comes into view again.
    }
    this.asked.delete(id);
    this.wanted.delete(id);
    this.askNext();
  }

  private keep(id: string, glimpse: Glimpse | null): void {
    this.known.delete(id);
    this.known.set(id, glimpse);
    const [oldest] = this.known.keys();
    if (this.known.size > this.kept && oldest !== undefined) this.known.delete(oldest);
  }
}

async function read(id: string): Promise<Glimpse | null> {
  try {
    return glimpseOf(await recordings.outline(id, ASKED));
  } catch (error) {
    // A file that is not there does not come back.
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

export const glimpses = new Glimpses(read);
