// What a list can show of its rows: the columns in their order, how wide each is, and which a person may switch off.

import type { Key } from '../i18n/index.svelte.ts';

export type ListName = 'history' | 'contacts' | 'companies' | 'recordings';

export interface Column {
  id: string;
  /** Its track in the grid, and the least that it needs. */
  track: string;
  min: number;
  /** Above it; null where that goes without saying. */
  word: Key | null;
  right?: boolean;
  /** Whether it is there unless somebody chooses otherwise; of a column that may be switched off. */
  usual?: boolean;
  /** Of the columns that may be switched off those with the least give way first when the room is small. */
  rank?: number;
}

/** As wide as it is. */
const px = (id: string, min: number, word: Key | null, more: Partial<Column> = {}): Column => ({ id, track: `${String(min)}px`, min, word, ...more });
/** As wide as there is room, by its share. */
const fr = (id: string, min: number, share: number, word: Key | null, more: Partial<Column> = {}): Column => ({ id, track: `minmax(${String(min)}px, ${String(share)}fr)`, min, word, ...more });

const PERSON: Key = 'recordings.person';

export const COLUMNS: Record<ListName, readonly Column[]> = {
  history: [
    px('outcome', 136, 'list.outcome', { usual: true, rank: 9 }),
    fr('who', 160, 1, 'list.who'),
    px('number', 156, 'list.number', { usual: true, rank: 4 }),
    fr('agent', 120, 0.8, PERSON, { usual: false, rank: 5 }),
    fr('line', 120, 0.8, 'column.line', { usual: false, rank: 2 }),
    px('direction', 100, 'column.direction', { usual: false, rank: 1 }),
    fr('disposition', 136, 0.6, 'disposition.label', { usual: false, rank: 6 }),
    fr('note', 140, 1.2, 'column.note', { usual: false, rank: 7 }),
    px('when', 108, 'list.when', { right: true }),
    px('ringing', 52, 'list.ringing', { right: true, usual: true, rank: 3 }),
    px('talk', 60, 'list.talk', { right: true, usual: true, rank: 8 }),
    px('play', 32, null),
  ],
  recordings: [
    px('play', 32, null),
    px('outcome', 20, 'recordings.outcome', { usual: true, rank: 5 }),
    fr('who', 140, 1.3, 'list.who'),
    fr('agent', 100, 1, PERSON, { usual: true, rank: 4 }),
    px('share', 96, 'column.share', { usual: true, rank: 3 }),
    fr('line', 100, 1, 'column.line', { usual: false, rank: 1 }),
    fr('marks', 200, 1.1, 'column.marks', { usual: true, rank: 2 }),
    px('when', 104, 'list.when', { right: true }),
    px('duration', 88, 'recordings.length', { right: true, usual: true, rank: 6 }),
  ],
  contacts: [
    px('check', 24, null),
    fr('who', 160, 1.4, 'column.name'),
    px('numbers', 184, 'column.numbers', { usual: true, rank: 5 }),
    fr('company', 120, 1.2, 'card.company', { usual: true, rank: 4 }),
    fr('responsible', 110, 0.8, 'form.responsible', { usual: true, rank: 3 }),
    fr('region', 100, 0.8, 'card.region', { usual: true, rank: 1 }),
    px('created', 104, 'column.created', { right: true, usual: false, rank: 2 }),
  ],
  companies: [
    fr('who', 160, 1.4, 'column.name'),
    px('numbers', 184, 'column.numbers', { usual: true, rank: 5 }),
    fr('people', 100, 1.2, 'crm.people', { usual: true, rank: 4 }),
    fr('industry', 110, 0.8, 'card.industry', { usual: true, rank: 3 }),
    fr('region', 100, 0.8, 'card.region', { usual: true, rank: 1 }),
    px('created', 104, 'column.created', { right: true, usual: false, rank: 2 }),
  ],
};

/** What a list shows where its rows have no room for columns. */
const NARROW: Record<ListName, readonly string[]> = { history: ['outcome'], recordings: ['outcome', 'duration'], contacts: ['numbers'], companies: ['numbers'] };
const NARROW_PX = 520;
const GAP_PX = 12;
const PADDING_PX = 24;

/** Those that may be switched off. */
export function optional(list: ListName): Column[] {
  return COLUMNS[list].filter(({ usual }) => usual !== undefined);
}

export function usualColumns(list: ListName): string[] {
  return optional(list).flatMap(({ id, usual }) => (usual ? [id] : []));
}

/** What was chosen, read from what was kept of it: each difference from what is usual, such as `note,-ringing`. */
export function columnsOf(list: ListName, kept: string | null): string[] {
  const changes = new Set((kept ?? '').split(','));
  return optional(list).flatMap(({ id, usual }) => ((usual ? !changes.has(`-${id}`) : changes.has(id)) ? [id] : []));
}

/** What is kept of a choice; null for the usual one. */
export function keptColumns(list: ListName, chosen: readonly string[]): string | null {
  const changes = optional(list).flatMap(({ id, usual }) => (chosen.includes(id) === usual ? [] : [usual ? `-${id}` : id]));
  return changes.length === 0 ? null : changes.join(',');
}

/** All columns of a list that shows these of the optional ones. */
export function shownOf(list: ListName, chosen: readonly string[]): Column[] {
  return COLUMNS[list].filter(({ id, usual }) => usual === undefined || chosen.includes(id));
}

/** How wide a list has to be for these. */
export function roomFor(list: ListName, chosen: readonly string[]): number {
  return shownOf(list, chosen).reduce((sum, { min }) => sum + min + GAP_PX, PADDING_PX - GAP_PX);
}

/** Those of the chosen that have room. */
export function fitting(list: ListName, chosen: readonly string[], width: number): string[] {
  if (width <= NARROW_PX) return [...NARROW[list]];
  const byRank = optional(list).sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
  let fits = [...chosen];
  for (const { id } of byRank) if (roomFor(list, fits) > width) fits = fits.filter((one) => one !== id);
  return fits;
}

export function tracks(list: ListName, shown: readonly string[]): string {
  return shownOf(list, shown).map(({ track }) => track).join(' ');
}
