// A list of interactions on the screen: read, continued, and brought up to date by events.

import { api } from './api.ts';
import type { InteractionFilter } from './api.ts';
import type { Interaction } from './wire.ts';

export type ListState = 'loading' | 'ready' | 'failed';

/** Newest first, each once; a newer reading of the same one wins. */
export function merged(...lists: Interaction[][]): Interaction[] {
  const byId = new Map(lists.flat().map((item) => [item.id, item]));
  return [...byId.values()].sort((a, b) => (a.started_at < b.started_at ? 1 : a.started_at > b.started_at ? -1 : 0));
}

export class CallList {
  items = $state.raw<Interaction[]>([]);
  total = $state(0);
  state = $state<ListState>('loading');
  next = $state.raw<string | null>(null);
  private reading = 0;

  /** Reads anew; what is shown stays until the answer is there. */
  async read(ask: () => Promise<{ items: Interaction[]; total: number; next: string | null }>): Promise<void> {
    const turn = ++this.reading;
    if (this.state === 'failed') this.state = 'loading';
    try {
      const { items, total, next } = await ask();
      if (turn !== this.reading) return;
      this.items = merged(items);
      this.total = total;
      this.next = next;
      this.state = 'ready';
    } catch {
      if (turn === this.reading && this.items.length === 0) this.state = 'failed';
    }
  }

  async more(filter: InteractionFilter): Promise<void> {
    const cursor = this.next;
    if (cursor === null) return;
    this.next = null;
    const turn = this.reading;
    try {
      const page = await api.interactions({ ...filter, cursor });
      if (turn !== this.reading) return;
      this.items = merged(this.items, page.items);
      this.next = page.next;
    } catch {
      if (turn === this.reading) this.next = cursor;
    }
  }

  /** Takes in one that came by event. */
  put(interaction: Interaction): void {
    if (this.state !== 'ready') return;
    const known = this.items.some(({ id }) => id === interaction.id);
    this.items = merged(this.items, [interaction]);
    if (!known) this.total += 1;
  }
}
