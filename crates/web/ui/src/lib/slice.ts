// A part of the calls that a report opens: what the address of the history holds beside its own search and chips.

/** The parameters of the list of calls that a report's numbers use, as they are. */
export const SLICED = ['from', 'until', 'tz', 'hour', 'weekday', 'line_id', 'user_id', 'figure', 'service_level_s', 'under_way_at'] as const;

export type SliceKey = (typeof SLICED)[number];
export type Slice = { readonly [key in SliceKey]?: string };

export const WHOLE: Slice = {};

export function sliceOf(params: URLSearchParams): Slice {
  return Object.fromEntries(SLICED.flatMap((key) => (params.get(key) ? [[key, params.get(key) ?? '']] : [])));
}

export function isWhole(slice: Slice): boolean {
  return Object.keys(slice).length === 0;
}

/** One part of a slice that is shown and taken away by itself, and what goes with it. */
export type SlicePart = 'period' | 'hour' | 'weekday' | 'line_id' | 'user_id' | 'figure' | 'under_way_at';

const GOES: Record<SlicePart, SliceKey[]> = {
  // An hour or a weekday is told within a period.
  period: ['from', 'until', 'tz', 'hour', 'weekday'],
  hour: ['hour'],
  weekday: ['weekday'],
  line_id: ['line_id'],
  user_id: ['user_id'],
  figure: ['figure', 'service_level_s'],
  under_way_at: ['under_way_at'],
};

export function partsOf(slice: Slice): SlicePart[] {
  const shown = (part: SlicePart): boolean => (part === 'period' ? slice.from !== undefined || slice.until !== undefined : slice[part] !== undefined);
  return (Object.keys(GOES) as SlicePart[]).filter(shown);
}

export function without(slice: Slice, part: SlicePart): Slice {
  const kept = Object.entries(slice).filter(([key]) => !GOES[part].includes(key as SliceKey));
  const rest: Slice = Object.fromEntries(kept);
  // What only explains something else means nothing alone.
  return partsOf(rest).length === 0 ? WHOLE : rest;
}
