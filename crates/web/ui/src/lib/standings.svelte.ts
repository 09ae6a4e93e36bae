// The lines by name and how they stand: read with each snapshot, brought up to date by events.

import { SvelteMap } from 'svelte/reactivity';
import { api } from './api.ts';
import type { RegistrationView, Standing } from './wire.ts';

export class Standings {
  private readonly known = new SvelteMap<string, Standing>();

  /** By name. */
  get all(): Standing[] {
    return [...this.known.values()].sort((a, b) => a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1));
  }

  name(id: string): string | null {
    return this.known.get(id)?.name ?? null;
  }

  async read(): Promise<void> {
    try {
      const { items } = await api.standings();
      for (const id of [...this.known.keys()]) if (!items.some((line) => line.id === id)) this.known.delete(id);
      for (const line of items) this.known.set(line.id, line);
    } catch {
      // Names are told without; the next snapshot asks again.
    }
  }

  stands({ line_id, user_id, state, since }: RegistrationView): void {
    const line = this.known.get(line_id);
    if (line) this.known.set(line_id, { ...line, user_id, state, since });
    else void this.read();
  }
}
