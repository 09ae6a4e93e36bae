// The columns of a list on the screen: what was chosen in this browser, and what of it has room.

import { MediaQuery } from 'svelte/reactivity';
import { columnsOf, fitting, keptColumns, optional, roomFor, shownOf, tracks, usualColumns } from './columns.ts';
import type { ListName } from './columns.ts';
import { store, stored } from './storage.ts';

/** Of the page around a list. */
const AROUND_PX = 50;
const PAGE_PX = 1_120;
const wide = new MediaQuery('min-width: 900px');

export class Columns {
  /** How wide the list is. */
  width = $state<number>();
  private chosen = $state.raw<readonly string[]>([]);

  /** Without a choice: only what is usual. */
  constructor(
    readonly list: ListName,
    private readonly chooses = true,
  ) {
    this.chosen = chooses ? columnsOf(list, stored(`columns.${list}`)) : usualColumns(list);
  }

  private readonly wanted = $derived.by(() => wide.current ? this.chosen : usualColumns(this.list));
  private readonly shown = $derived.by(() => fitting(this.list, this.wanted, this.width ?? PAGE_PX));
  readonly all = $derived.by(() => shownOf(this.list, this.shown));
  readonly tracks = $derived.by(() => tracks(this.list, this.shown));
  /** How wide a page has to be at most. */
  readonly page = $derived.by(() => Math.max(PAGE_PX, roomFor(this.list, this.wanted) + AROUND_PX));

  /** Whether rows have it. */
  has(id: string): boolean {
    return this.shown.includes(id);
  }

  isChosen(id: string): boolean {
    return this.chosen.includes(id);
  }

  /** Those that were chosen and have no room. */
  readonly left = $derived.by(() => optional(this.list).filter(({ id }) => this.chosen.includes(id) && !this.shown.includes(id)));

  toggle(id: string): void {
    if (!this.chooses) return;
    this.chosen = this.chosen.includes(id) ? this.chosen.filter((one) => one !== id) : [...this.chosen, id];
    store(`columns.${this.list}`, keptColumns(this.list, this.chosen));
  }
}
