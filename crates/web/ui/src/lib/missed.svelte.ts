// The callers whom nobody answered: read with each snapshot, brought up to date by events.

import { api } from './api.ts';
import type { ListState } from './calls.svelte.ts';
import type { MissedItem } from './wire.ts';

const READ = 500;

export class MissedCallers {
  state = $state<ListState>('loading');
  /** By id; closed ones stay until the next reading, for rows that may not move yet. */
  private known = $state.raw<Readonly<Record<string, MissedItem>>>({});
  private reading = 0;
  /** What came by event since the reading began: newer than what it brings. */
  private readonly told = new Set<string>();

  /** Those that are not closed, the caller heard of last first. */
  get waiting(): MissedItem[] {
    const waiting = Object.values(this.known).filter(({ state }) => state !== 'closed');
    return waiting.sort((a, b) => (a.last_at < b.last_at ? 1 : a.last_at > b.last_at ? -1 : 0));
  }

  item(id: string): MissedItem | null {
    return this.known[id] ?? null;
  }

  async read(): Promise<void> {
    const turn = ++this.reading;
    this.told.clear();
    if (this.state === 'failed') this.state = 'loading';
    try {
      const lists = await Promise.all([api.missed('open', READ), api.missed('claimed', READ)]);
      if (turn !== this.reading) return;
      const read = lists.flatMap(({ items }) => items).filter(({ id }) => !this.told.has(id));
      const told = Object.values(this.known).filter(({ id }) => this.told.has(id));
      this.known = Object.fromEntries([...read, ...told].map((item) => [item.id, item]));
      this.state = 'ready';
    } catch {
      if (turn === this.reading && this.state !== 'ready') this.state = 'failed';
    }
  }

  /** Takes in one that came by event, or as the answer to what was done with it. */
  put(item: MissedItem): void {
    this.told.add(item.id);
    this.known = { ...this.known, [item.id]: item };
  }

  async claim(item: MissedItem): Promise<void> {
    this.put(await api.claimMissed(item.id));
  }

  async close(item: MissedItem): Promise<void> {
    this.put(await api.closeMissed(item.id));
  }
}
