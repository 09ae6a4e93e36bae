// What is typed into a form and not saved yet. It survives a reload, and a change by a colleague meanwhile: what only one
// of the two changed is taken, what both changed stays as it is typed here and is shown.

import { store, stored } from './storage.ts';

/** A field that somebody else changed meanwhile. */
export interface Change {
  field: string;
  was: unknown;
  now: unknown;
  /** It was changed here too, and stays so unless the other's is taken. */
  both: boolean;
}

export const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Puts what was changed here since `base` onto what somebody else made of it. */
export function merged<T extends object>(base: T, mine: T, theirs: T): { value: T; changes: Change[] } {
  const value = { ...theirs };
  const changes: Change[] = [];
  for (const field of Object.keys(theirs) as (keyof T & string)[]) {
    const here = !same(base[field], mine[field]);
    if (here) value[field] = mine[field];
    if (same(base[field], theirs[field]) || same(mine[field], theirs[field])) continue;
    changes.push({ field, was: base[field], now: theirs[field], both: here });
  }
  return { value, changes };
}

interface Kept<T> {
  version: number;
  base: T;
  value: T;
}

export class Draft<T extends object> {
  value: T;
  base: T;
  version: number;
  /** What somebody else changed since this was opened. */
  changes = $state.raw<Change[]>([]);
  /** It was typed before this page was loaded. */
  restored = $state(false);

  /** `version` 0 is of something that is not made yet. */
  constructor(
    private readonly key: string,
    base: T,
    version: number,
  ) {
    const kept = read<T>(key);
    const begun = kept === null ? { value: base, changes: [] } : merged(kept.base, { ...base, ...kept.value }, base);
    this.value = $state(structuredClone(begun.value));
    this.base = $state.raw(base);
    this.version = $state(version);
    this.changes = begun.changes;
    this.restored = this.dirty;
    if (kept !== null && !this.dirty) this.forget();
  }

  get dirty(): boolean {
    return !same(this.value, this.base);
  }

  /** Writes down what is typed, as on every input. */
  keep(): void {
    if (!this.dirty) return this.forget();
    const kept: Kept<T> = { version: this.version, base: this.base, value: $state.snapshot(this.value) as T };
    store(this.key, JSON.stringify(kept));
  }

  /** Takes in what somebody else saved meanwhile. */
  rebase(theirs: T, version: number): void {
    const { value, changes } = merged(this.base, $state.snapshot(this.value) as T, theirs);
    const known = this.changes.filter(({ field }) => !changes.some((change) => change.field === field));
    this.value = value;
    this.base = theirs;
    this.version = version;
    this.changes = [...known, ...changes];
    this.keep();
  }

  /** Gives up the own change of a field for the other's. */
  take(field: keyof T & string): void {
    this.value[field] = structuredClone(this.base[field]);
    this.changes = this.changes.map((change) => (change.field === field ? { ...change, both: false } : change));
    this.keep();
  }

  /** The fields that are changed here. */
  get changed(): (keyof T & string)[] {
    return (Object.keys(this.base) as (keyof T & string)[]).filter((field) => !same(this.value[field], this.base[field]));
  }

  discard(): void {
    this.value = structuredClone(this.base);
    this.changes = [];
    this.restored = false;
    this.forget();
  }

  forget(): void {
    store(this.key, null);
  }
}

function read<T>(key: string): Kept<T> | null {
  try {
    const kept = JSON.parse(stored(key) ?? 'null') as Kept<T> | null;
    return kept !== null && typeof kept === 'object' && typeof kept.base === 'object' ? kept : null;
  } catch {
    return null;
  }
}
