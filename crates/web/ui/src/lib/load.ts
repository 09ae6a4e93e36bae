// The load report's parts as the page shows them.

import type { Figure, LoadPart } from './wire.ts';

/** The figures that stand under their own name. */
export type Counted = Exclude<Figure, 'in_time' | 'abandoned_late' | 'handled'>;

/** The history that lists exactly the calls behind a number. */
export function callsPath(part: LoadPart, figure: Figure): string {
  return `/history?${part.query}&figure=${figure}`;
}

/** The history of those under way at the peak. */
export function peakPath(part: LoadPart): string | null {
  return part.peak_query === null ? null : `/history?${part.peak_query}`;
}

export function percent(share: number | null): string {
  return share === null ? '–' : `${String(Math.round(share * 100))}\u00a0%`;
}

/** A round number at or above the highest bar, so that the scale has whole steps. */
export function ceiling(highest: number): number {
  if (highest <= 4) return 4;
  const step = 10 ** Math.floor(Math.log10(highest));
  const round = [1, 2, 3, 4, 5, 6, 8, 10].find((times) => times * step >= highest) ?? 10;
  return round * step;
}

/** The hours between the first and the last with a call, a working day at least. */
function hoursOf(rows: LoadPart[]): number[] {
  const busy = rows.map(({ key }) => Number(key));
  const first = Math.min(9, ...busy);
  return Array.from({ length: Math.max(17, ...busy) - first + 1 }, (_, hour) => first + hour);
}

/** Every hour or day of the week, also those without a call; lines and agents as they come. */
export function rowsOf(by: string, rows: LoadPart[], total: LoadPart): LoadPart[] {
  const keys = by === 'hour' ? hoursOf(rows) : by === 'weekday' ? [1, 2, 3, 4, 5, 6, 7] : null;
  if (keys === null) return rows;
  const nothing = { offered: 0, answered: 0, missed: 0, not_called_back: 0, in_time: 0, abandoned_late: 0, handled: 0, dialled: 0, reached: 0 };
  const none = { ...nothing, service_level: null, talk_ms: 0, hold_ms: 0, aht_ms: null, reached_talk_ms: 0, name: null, peak: null, peak_at: null, peak_query: null };
  return keys.map((key) => rows.find((row) => row.key === key) ?? { ...none, key, query: `${total.query}&${by}=${String(key)}` });
}
