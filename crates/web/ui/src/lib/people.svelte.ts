// The names of the users, for whose contact it is and who talked.

import { crm } from './crm.ts';
import type { Person } from './crm.ts';

let known = $state.raw<readonly Person[]>([]);
let asked: Promise<void> | null = null;

/** Everybody, by name; empty until the answer is there. Asks once. */
export function people(): readonly Person[] {
  asked ??= crm.people().then(
    ({ items }) => {
      known = [...items].sort((a, b) => a.name.localeCompare(b.name));
    },
    () => {
      asked = null;
    },
  );
  return known;
}

/** A user's name; null while it is not known. */
export function personName(id: string | null): string | null {
  return id === null ? null : (people().find((one) => one.id === id)?.name ?? null);
}
