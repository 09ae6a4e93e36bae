// What is selected in a list.

import { SvelteSet } from 'svelte/reactivity';

/** The ids from one to another as the list shows them, both included; the other alone when the one is not shown. */
export function range(shown: readonly string[], from: string | null, to: string): string[] {
  const [a, b] = [from === null ? -1 : shown.indexOf(from), shown.indexOf(to)];
  return a < 0 || b < 0 ? [to] : shown.slice(Math.min(a, b), Math.max(a, b) + 1);
}

export class Selection {
  private readonly chosen = new SvelteSet<string>();
  private last: string | null = null;

  get size(): number {
    return this.chosen.size;
  }

  has(id: string): boolean {
    return this.chosen.has(id);
  }

  /** Selects one, or lets go of it; with `upTo` all from the last one do as it does. */
  toggle(id: string, shown: readonly string[], upTo: boolean): void {
    const on = !this.chosen.has(id);
    for (const one of upTo ? range(shown, this.last, id) : [id]) {
      if (on) this.chosen.add(one);
      else this.chosen.delete(one);
    }
    this.last = id;
  }

  select(ids: readonly string[]): void {
    for (const id of ids) this.chosen.add(id);
  }

  drop(ids: readonly string[]): void {
    for (const id of ids) this.chosen.delete(id);
  }

  /** Lets go of what is not shown any more. */
  keep(shown: readonly string[]): void {
    const known = new Set(shown);
    this.drop([...this.chosen].filter((id) => !known.has(id)));
  }

  clear(): void {
    this.chosen.clear();
    this.last = null;
  }
}
