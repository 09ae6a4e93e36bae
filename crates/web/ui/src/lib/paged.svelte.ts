// A list on the screen that is read page by page: what is shown stays until the next answer is there.

import type { ListState } from './calls.svelte.ts';
import type { Listing } from './wire.ts';

export class Paged<T extends { id: string }> {
  items = $state.raw<T[]>([]);
  total = $state(0);
  state = $state<ListState>('loading');
  next = $state.raw<string | null>(null);
  private turn = 0;

  constructor(private readonly ask: (cursor: string | null) => Promise<Listing<T>>) {}

  async read(): Promise<void> {
    const turn = ++this.turn;
    if (this.state === 'failed') this.state = 'loading';
    try {
      const { items, total, next } = await this.ask(null);
      if (turn !== this.turn) return;
      this.items = items;
      this.total = total;
      this.next = next;
      this.state = 'ready';
    } catch {
      if (turn === this.turn) this.state = 'failed';
    }
  }

  /** Puts a newer reading of one in its place. */
  put(item: T): void {
    this.items = this.items.map((one) => (one.id === item.id ? item : one));
  }

  /** They are not in the list any more. */
  drop(ids: readonly string[]): void {
    const left = this.items.filter(({ id }) => !ids.includes(id));
    this.total -= this.items.length - left.length;
    this.items = left;
  }

  async more(): Promise<void> {
    const cursor = this.next;
    if (cursor === null) return;
    this.next = null;
    const turn = this.turn;
    try {
      const page = await this.ask(cursor);
      if (turn !== this.turn) return;
      const known = new Set(this.items.map(({ id }) => id));
      this.items = [...this.items, ...page.items.filter(({ id }) => !known.has(id))];
      this.next = page.next;
    } catch {
      if (turn === this.turn) this.next = cursor;
    }
  }
}
