// What is typed into a form about a thing, new or changed: kept over a reload but for secrets, and looked at field by field.

import { ApiError } from './api.ts';
import { store, stored } from './storage.ts';

type Texts<T> = { [Field in keyof T]: string };

export abstract class Entry<T extends Texts<T>> {
  typed = $state({} as T);
  /** What the server objects to. */
  private blamed = $state.raw<{ field: string; text: string; value: string } | null>(null);
  private left = $state.raw<ReadonlySet<keyof T>>(new Set());
  private before: T;

  constructor(
    private readonly key: string,
    before: T,
    /** What is never kept in the browser. */
    private readonly secret: keyof T,
  ) {
    this.before = before;
    this.typed = { ...before, ...this.kept() };
  }

  private kept(): Partial<T> {
    try {
      const kept: unknown = JSON.parse(stored(this.key) ?? '{}');
      return typeof kept === 'object' && kept !== null ? (kept as Partial<T>) : {};
    } catch {
      return {};
    }
  }

  private get fields(): (keyof T & string)[] {
    return Object.keys(this.before) as (keyof T & string)[];
  }

  /** The fields that are not as they were. */
  get changed(): (keyof T & string)[] {
    return this.fields.filter((field) => this.typed[field] !== this.before[field]);
  }

  keep(): void {
    const kept = this.changed.filter((field) => field !== this.secret).map((field) => [field, this.typed[field]]);
    store(this.key, kept.length === 0 ? null : JSON.stringify(Object.fromEntries(kept)));
  }

  /** It is saved, or given up: the form shows what the thing is now. */
  protected become(now: T): void {
    store(this.key, null);
    this.before = now;
    this.typed = { ...now };
    this.left = new Set();
    this.blamed = null;
  }

  /** Somebody left a field; one that is still empty may be filled in later. */
  leave(field: keyof T): void {
    if (this.typed[field] === '') return;
    this.left = new Set([...this.left, field]);
  }

  blame(field: string, text: string): void {
    this.blamed = { field, text, value: this.valueOf(field) };
  }

  /** What the server refused; null when it is not about a field. */
  refused(error: unknown): string | null {
    if (!(error instanceof ApiError) || error.field === null || !(error.field in this.before)) return null;
    this.blame(error.field, this.objection(error));
    return error.field;
  }

  forgive(): void {
    this.blamed = null;
  }

  /** What is wrong with a field, as far as it should be said by now. */
  wrong(field: keyof T & string): string | null {
    if (this.blamed?.field === field && this.blamed.value === this.valueOf(field)) return this.blamed.text;
    return this.left.has(field) ? this.fault(field) : null;
  }

  private valueOf(field: string): string {
    return field in this.before ? this.typed[field as keyof T] : '';
  }

  /** What is wrong with what stands in a field. */
  protected abstract fault(field: keyof T): string | null;

  /** The page's words for a field that the server refuses. */
  protected abstract objection(error: ApiError): string;

  /** Looks at every field and tells whether all can be sent. */
  check(): boolean {
    this.left = new Set(this.fields);
    return this.fields.every((field) => this.fault(field) === null);
  }
}

export function orNull(text: string): string | null {
  return text.trim() === '' ? null : text.trim();
}
