// A list of interactions on the screen: read, continued, and brought up to date by events.

import { api } from './api.ts';
import type { InteractionFilter } from './api.ts';
import { merged, placed } from './order.ts';
import type { CallOrder } from './order.ts';
import type { Interaction } from './wire.ts';

export type ListState = 'loading' | 'ready' | 'failed';

export interface Reading {
  order?: CallOrder;
  /** Asks how many there are now. */
  count?: (() => Promise<number>) | null;
}

export class CallList {
  items = $state.raw<Interaction[]>([]);
  total = $state(0);
  state = $state<ListState>('loading');
  next = $state.raw<string | null>(null);
  private order: CallOrder = 'newest';
  private count: Reading['count'] = null;
  /** The last row of the last page; null when all were read. */
  private end: Interaction | null = null;
  private reading = 0;
  /** What came by event since the reading under way began, newer than what that brings; null when none is. */
  private told: Map<string, Interaction> | null = null;
  private counting: 'no' | 'once' | 'again' = 'no';

  /** Reads anew; what is shown stays until the answer is there. */
  async read(ask: () => Promise<{ items: Interaction[]; total: number; next: string | null }>, { order = 'newest', count = null }: Reading = {}): Promise<void> {
    const turn = ++this.reading;
    const told = new Map<string, Interaction>();
    this.told = told;
    if (this.state === 'failed') this.state = 'loading';
    try {
      const { items, total, next } = await ask();
      if (turn !== this.reading) return;
      this.order = order;
      this.count = count;
      this.items = merged(order, items);
      this.total = total;
      this.continues(next);
      this.place([...told.values()]);
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
    const told = (this.told ??= new Map<string, Interaction>());
    try {
      const page = await api.interactions({ ...filter, cursor });
      if (turn !== this.reading) return;
      this.items = merged(this.order, this.items, page.items);
      this.continues(page.next);
      // Each was counted when it came.
      this.items = placed(this.order, this.items, [...told.values()], this.end).items;
    } catch {
      if (turn === this.reading) this.next = cursor;
    } finally {
      if (turn === this.reading) this.told = null;
    }
  }

  /** Takes in one that came by event. */
  put(interaction: Interaction): void {
    this.told?.set(interaction.id, interaction);
    if (this.state === 'ready') this.place([interaction]);
  }

  private continues(next: string | null): void {
    this.next = next;
    this.end = next === null ? null : (this.items.at(-1) ?? null);
  }

  private place(fresh: Interaction[]): void {
    const { items, added, unsure } = placed(this.order, this.items, fresh, this.end);
    this.items = items;
    this.total += added;
    if (unsure) void this.recount();
  }

  /** Asks how many there are, once for all that comes meanwhile. */
  private async recount(): Promise<void> {
    if (!this.count) return;
    if (this.counting !== 'no') {
      this.counting = 'again';
      return;
    }
    do {
      this.counting = 'once';
      const turn = this.reading;
      const total = await this.count().catch(() => this.total);
      if (turn === this.reading) this.total = total;
    } while (this.isAskedAgain());
    this.counting = 'no';
  }

  private isAskedAgain(): boolean {
    return this.counting === 'again';
  }
}
