// An unknown caller becomes a contact: the company found or made, the contact made. A retry goes on where the last try
// stopped, so that nobody is made twice.

import { api } from './api.ts';
import type { Company, Contact } from './wire.ts';
import { store, stored } from './storage.ts';

export interface Newcomer {
  name: string;
  company: string;
}

export class Introductions {
  private readonly made = new Map<string, Contact>();

  /** What was typed about the caller of an interaction and not saved yet. */
  draft(interactionId: string): Newcomer {
    try {
      const kept = JSON.parse(stored(key(interactionId)) ?? '{}') as Partial<Newcomer>;
      return { name: String(kept.name ?? ''), company: String(kept.company ?? '') };
    } catch {
      return { name: '', company: '' };
    }
  }

  keep(interactionId: string, draft: Newcomer): void {
    const empty = draft.name === '' && draft.company === '';
    store(key(interactionId), empty ? null : JSON.stringify(draft));
  }

  async contactOf(interactionId: string, number: string, { name, company }: Newcomer): Promise<Contact> {
    const made = this.made.get(interactionId);
    if (made) return made;
    const company_id = company.trim() === '' ? null : (await companyNamed(company.trim())).id;
    const contact = await api.addContact({ name: name.trim(), company_id, numbers: [{ number, label: null }] });
    this.made.set(interactionId, contact);
    return contact;
  }
}

const key = (interactionId: string): string => `newcomer.${interactionId}`;

async function companyNamed(name: string): Promise<Company> {
  const { items } = await api.companies(name, 20);
  const same = items.find((company) => company.name.toLowerCase() === name.toLowerCase());
  return same ?? api.addCompany({ name });
}
