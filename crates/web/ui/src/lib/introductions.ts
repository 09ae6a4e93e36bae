// An unknown caller becomes a contact: the company found or made, the contact made. A retry goes on where the last try
// stopped, so that nobody is made twice.

import { ApiError, api } from './api.ts';
import { crm } from './crm.ts';
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

  async contactOf(interactionId: string, number: string | null, { name, company }: Newcomer): Promise<Contact> {
    const made = this.made.get(interactionId);
    if (made) return made;
    const company_id = company.trim() === '' ? null : (await companyNamed(company.trim())).id;
    const contact = await api.addContact({ name: name.trim(), company_id, numbers: number === null ? [] : [{ number, label: null }] });
    this.made.set(interactionId, contact);
    return contact;
  }
}

/** Gives a contact one more number. */
export async function withNumber(contactId: string, number: string): Promise<Contact> {
  const added = async (): Promise<Contact> => {
    const contact = await api.contact(contactId);
    const numbers = contact.numbers.map(({ number, label }) => ({ number, label }));
    if (contact.numbers.some((own) => own.e164 === number || own.extension === number)) return contact;
    return crm.changeContact(contactId, contact.version, { numbers: [...numbers, { number, label: null }] });
  };
  try {
    return await added();
  } catch (error) {
    // A colleague changed the contact at the same moment.
    if (error instanceof ApiError && error.status === 412) return added();
    throw error;
  }
}

const key = (interactionId: string): string => `newcomer.${interactionId}`;

async function companyNamed(name: string): Promise<Company> {
  const { items } = await api.companies(name, 20);
  const same = items.find((company) => company.name.toLowerCase() === name.toLowerCase());
  return same ?? api.addCompany({ name });
}
