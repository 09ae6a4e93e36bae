// Contacts that lists name: asked for once each, a few at a time.

import { SvelteMap } from 'svelte/reactivity';
import { api, ApiError } from './api.ts';
import type { Contact, ContactRef } from './wire.ts';

const AT_ONCE = 4;
const KEPT = 2_000;

export class Contacts {
  private readonly known = new SvelteMap<string, Contact | null>();
  /** Contacts as a pop names them, for those that a person chose and no pop has. */
  private readonly refs = new SvelteMap<string, ContactRef>();
  private readonly asked = new Set<string>();
  private readonly queue: string[] = [];
  private running = 0;

  /** The contact; undefined while it is not known, null when there is none. Asks for it only by `want`. */
  get(id: string): Contact | null | undefined {
    return this.known.get(id);
  }

  want(ids: Iterable<string | null>): void {
    for (const id of ids) {
      if (id === null || this.asked.has(id)) continue;
      this.asked.add(id);
      this.queue.push(id);
    }
    this.work();
  }

  /** Reads one anew, as for a card. */
  async read(id: string): Promise<Contact | null> {
    this.asked.add(id);
    try {
      const contact = await api.contact(id);
      this.put(contact);
      return contact;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
      this.known.set(id, null);
      return null;
    }
  }

  ref(id: string): ContactRef | null {
    return this.refs.get(id) ?? null;
  }

  async readRef(id: string): Promise<void> {
    const contact = this.known.get(id) ?? (await this.read(id));
    if (!contact) return;
    const company = contact.company_id === null ? null : await api.company(contact.company_id).catch(() => null);
    this.refs.set(id, { id, name: contact.name, company_name: company?.name ?? null, responsible_id: contact.responsible_id });
  }

  put(contact: Contact): void {
    if (this.known.size >= KEPT) {
      this.known.clear();
      this.asked.clear();
    }
    this.asked.add(contact.id);
    this.known.set(contact.id, contact);
  }

  /** It is deleted. */
  forget(id: string): void {
    this.known.set(id, null);
    this.refs.delete(id);
  }

  private work(): void {
    while (this.running < AT_ONCE) {
      const id = this.queue.shift();
      if (id === undefined) return;
      this.running += 1;
      void this.read(id)
        .catch(() => this.asked.delete(id))
        .finally(() => {
          this.running -= 1;
          this.work();
        });
    }
  }
}
