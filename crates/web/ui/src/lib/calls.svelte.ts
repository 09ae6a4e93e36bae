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
  /** What came by event since the reading under way began, newer than what that brings; null when none is. */
  private told: Map<string, Interaction> | null = null;

  /** Reads anew; what is shown stays until the answer is there. */
  async read(ask: () => Promise<{ items: Interaction[]; total: number; next: string | null }>): Promise<void> {
    const turn = ++this.reading;
    const told = new Map<string, Interaction>();
    this.told = told;
    if (this.state === 'failed') this.state = 'loading';
    try {
      const { items, total, next } = await ask();
      if (turn !== this.reading) return;
      const read = new Set(items.map(({ id }) => id));
      this.items = merged(items, [...told.values()]);
      this.total = total + [...told.keys()].filter((id) => !read.has(id)).length;
      this.next = next;
      this.state = 'ready';
    } catch {
      if (turn === this.reading && this.items.length === 0) this.state = 'failed';
    } finally {
      if (turn === this.reading) this.told = null;
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
    this.told?.set(interaction.id, interaction);
    if (this.state !== 'ready') return;
    const known = this.items.some(({ id }) => id === interaction.id);
    this.items = merged(this.items, [interaction]);
    if (!known) this.total += 1;
  }
}
