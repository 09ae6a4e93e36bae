// The colleagues by name: read with each snapshot, and again when somebody is named who is not among them.

import { SvelteMap } from 'svelte/reactivity';
import { api } from './api.ts';
import type { Person } from './wire.ts';

const PAGE = 500;
const AGAIN_MS = 60_000;

export class People {
  private readonly known = new SvelteMap<string, string>();
  private readAt = -Infinity;
  ready = $state(false);

  /** Everybody, by name. */
  get all(): Person[] {
    const people = [...this.known].map(([id, name]) => ({ id, name }));
    return people.sort((a, b) => a.name.localeCompare(b.name));
  }

  /** The name; null while it is not known, or when there is no such user any more. */
  name(id: string | null): string | null {
    return id === null ? null : (this.known.get(id) ?? null);
  }

  /** Reads anew when one of those named is unknown, at most once a minute. */
  want(ids: Iterable<string | null>): void {
    const strangers = [...ids].some((id) => id !== null && !this.known.has(id));
    if (strangers && performance.now() - this.readAt > AGAIN_MS) void this.read();
  }

  async read(): Promise<void> {
    this.readAt = performance.now();
    try {
      let cursor: string | null = null;
      do {
        const page: { items: Person[]; next: string | null } = await api.people(PAGE, cursor);
        for (const { id, name } of page.items) this.known.set(id, name);
        cursor = page.next;
      } while (cursor !== null);
      this.ready = true;
    } catch {
      // Names are told without; the next snapshot or stranger asks again.
    }
  }
}
