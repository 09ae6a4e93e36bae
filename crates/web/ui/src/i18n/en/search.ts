import type { Message } from '../message.ts';

/** The search for everything. */
export const search = {
  'search.field': 'Search everything: name, company, number',
  'search.open': 'Search',
  'search.close': 'Close the search',
  'search.found': 'Found',
  'search.contacts': 'Contacts',
  'search.companies': 'Companies',
  'search.calls': 'Calls',
  'search.all.contacts': { one: 'Show {count} contact', other: 'Show all {count} contacts' },
  'search.all.companies': { one: 'Show {count} company', other: 'Show all {count} companies' },
  'search.all.calls': 'More calls in the history',
  'search.nothing': 'Nothing found. Try a part of the name, or the number in any spelling.',
  'search.failed': 'The search did not work. Type on, or try again in a moment.',
} satisfies Record<string, Message>;
