// The searches of the history and of everything: a number goes to the server as it is, a name by way of the contacts that
// bear it.

import { api, interactionsSheetUrl } from './api.ts';
import type { InteractionFilter } from './api.ts';
import type { Contacts } from './contacts.svelte.ts';
import { merged, saidOrder } from './order.ts';
import type { CallOrder } from './order.ts';
import { isWhole } from './slice.ts';
import type { Slice } from './slice.ts';
import type { Company, Contact, Interaction, Listing } from './wire.ts';

export interface HistoryFilter {
  q: string;
  outcome: string | null;
  recorded: boolean;
  slice: Slice;
  sort: CallOrder;
}

const CONTACTS_MAX = 8;
const PER_CONTACT = 25;

/** Tells whether a search text is a number rather than a name. */
export function isNumber(q: string): boolean {
  return /\d{2,}/.test(q.replaceAll(/[\s()+.-]/g, '')) && !/\p{L}{2,}/u.test(q);
}

export function filterOf({ q, outcome, recorded, slice, sort }: HistoryFilter): InteractionFilter {
  return { ...slice, outcome, recorded: recorded || null, number: q !== '' && isNumber(q) ? q : null, sort: saidOrder(sort) };
}

/** Where exactly these calls are read as a file; null for a name, which the server knows only by its contacts. */
export function callsSheetUrl(asked: HistoryFilter): string | null {
  return asked.q === '' || isNumber(asked.q) ? interactionsSheetUrl(filterOf(asked)) : null;
}

/** Tells whether one that came by event belongs in the list; with a search or a slice only the server knows. */
export function fitsFilter(interaction: Interaction, { q, outcome, recorded, slice }: HistoryFilter): boolean {
  if (q !== '' || !isWhole(slice)) return false;
  return (outcome === null || interaction.outcome === outcome) && (!recorded || interaction.recording_ids.length > 0);
}

export async function searchCalls(asked: HistoryFilter, contacts: Contacts): Promise<Listing<Interaction>> {
  const filter = filterOf(asked);
  if (asked.q === '' || isNumber(asked.q)) return api.interactions({ ...filter, limit: 50 });
  const found = await api.contacts(asked.q, CONTACTS_MAX);
  for (const contact of found.items) contacts.put(contact);
  const pages = await Promise.all(
    found.items.map(({ id }) => api.interactions({ ...filter, contact_id: id, limit: PER_CONTACT })),
  );
  const items = merged(asked.sort, ...pages.map((page) => page.items));
  return { items, total: items.length, next: null };
}

/** What the search for everything found. */
export interface Found {
  contacts: Listing<Contact>;
  companies: Listing<Company>;
  calls: Interaction[];
}

const PEOPLE_SHOWN = 5;
const COMPANIES_SHOWN = 3;
const CALLS_SHOWN = 5;

export async function searchAll(q: string, contacts: Contacts): Promise<Found> {
  const numbered = isNumber(q) ? api.interactions({ number: q, limit: CALLS_SHOWN }) : null;
  const [people, companies, ofNumber] = await Promise.all([api.contacts(q, PEOPLE_SHOWN), api.companies(q, COMPANIES_SHOWN), numbered]);
  for (const contact of people.items) contacts.put(contact);
  const pages = await Promise.all(people.items.map(({ id }) => api.interactions({ contact_id: id, limit: CALLS_SHOWN })));
  const calls = merged('newest', ...pages.map((page) => page.items), ofNumber?.items ?? []).slice(0, CALLS_SHOWN);
  contacts.want(calls.map(({ contact_id }) => contact_id));
  return { contacts: people, companies, calls };
}
