// The load report of the fake office, counted from its interactions as the contract words it.

import type { By, Figure, Interaction, Load, LoadPart, MissedItem, Standing } from '../../../src/lib/wire.ts';
import { STAFF } from './people.ts';

const SINCE = new Date(Date.now() - 3_600_000).toISOString();

export const STANDINGS: Standing[] = [
  { id: 'line-1', name: 'Отдел продаж', user_id: 'user-anna', state: 'registered', since: SINCE },
  { id: 'line-2', name: 'Поддержка и гарантийное обслуживание оборудования', user_id: 'user-olga', state: 'registered', since: SINCE },
];

type Waits = (interaction: Interaction) => boolean;

function counts(figure: Figure, it: Interaction, withinMs: number, waits: Waits): boolean {
  const inbound = it.direction === 'inbound';
  const answered = it.answered_at !== null;
  const missed = inbound && it.ended_at !== null && !answered;
  switch (figure) {
    case 'offered':
      return inbound;
    case 'answered':
      return inbound && answered;
    case 'missed':
      return missed;
    case 'not_called_back':
      return missed && waits(it);
    case 'in_time':
      return inbound && answered && (it.ringing_ms ?? 0) <= withinMs;
    case 'abandoned_late':
      return missed && it.outcome === 'abandoned' && (it.ringing_ms ?? 0) > withinMs;
    case 'handled':
      return inbound && answered && it.ended_at !== null;
    case 'dialled':
      return it.direction === 'outbound';
    case 'reached':
      return it.direction === 'outbound' && answered;
  }
}

const FIGURES: Figure[] = ['offered', 'answered', 'missed', 'not_called_back', 'in_time', 'abandoned_late', 'handled', 'dialled', 'reached'];

function load(calls: Interaction[], withinMs: number, waits: Waits): Load {
  const counted = Object.fromEntries(FIGURES.map((figure) => [figure, calls.filter((it) => counts(figure, it, withinMs, waits)).length])) as Record<Figure, number>;
  const sum = (figure: Figure, field: 'talk_ms' | 'hold_ms'): number => calls.filter((it) => counts(figure, it, withinMs, waits)).reduce((ms, it) => ms + (it[field] ?? 0), 0);
  const talk_ms = sum('handled', 'talk_ms');
  const judged = counted.answered + counted.abandoned_late;
  return {
    ...counted,
    service_level: judged === 0 ? null : counted.in_time / judged,
    talk_ms,
    hold_ms: sum('handled', 'hold_ms'),
    aht_ms: counted.handled === 0 ? null : Math.floor(talk_ms / counted.handled),
    reached_talk_ms: sum('reached', 'talk_ms'),
  };
}

const hourOf = (it: Interaction): number => new Date(Date.parse(it.started_at) + 3 * 3_600_000).getUTCHours();
const weekdayOf = (it: Interaction): number => ((new Date(Date.parse(it.started_at) + 3 * 3_600_000).getUTCDay() + 6) % 7) + 1;
const keyOf = (by: By, it: Interaction): number | string | null => ({ hour: hourOf(it), weekday: weekdayOf(it), line: it.line_id, agent: it.user_id })[by];
const PARAMETER: Record<By, string> = { hour: 'hour', weekday: 'weekday', line: 'line_id', agent: 'user_id' };

export function waitsOf(missed: Iterable<MissedItem>): Waits {
  const open = [...missed].filter(({ state }) => state !== 'closed').map(({ number }) => number);
  return (it) => open.includes(it.caller_number);
}

/** Tells whether one is in the part of the calls that a query of the list names. */
export function inSlice(query: URLSearchParams, waits: Waits): (it: Interaction) => boolean {
  const is = (name: string, value: unknown): boolean => query.get(name) === null || query.get(name) === String(value ?? 'none');
  const at = query.get('under_way_at');
  return (it) =>
    (query.get('from') === null || it.started_at >= (query.get('from') ?? '')) &&
    (query.get('until') === null || it.started_at < (query.get('until') ?? '')) &&
    is('hour', hourOf(it)) &&
    is('weekday', weekdayOf(it)) &&
    is('line_id', it.line_id) &&
    is('user_id', it.user_id) &&
    (at === null || (it.started_at <= at && (it.ended_at ?? '9') > at)) &&
    (query.get('figure') === null || counts(query.get('figure') as Figure, it, Number(query.get('service_level_s') ?? 20) * 1000, waits));
}

export function report(all: Interaction[], query: URLSearchParams, waits: Waits): object {
  const [from, until, before] = ['from', 'until', 'compare_from'].map((name) => query.get(name) ?? '') as [string, string, string];
  const by = (query.get('by') ?? 'hour') as By;
  const seconds = Number(query.get('service_level_s') ?? 20);
  const between = (first: string, last: string): Interaction[] => all.filter(({ started_at }) => started_at >= first && started_at < last);
  const calls = between(from, until);
  const beforeUntil = new Date(Date.parse(before) + Date.parse(until) - Date.parse(from)).toISOString();
  const asked = `from=${from}&until=${until}&tz=${query.get('tz') ?? 'UTC'}&service_level_s=${String(seconds)}`;
  const part = (key: number | string | null, name: string | null, own: Interaction[], more: string): LoadPart => {
    const first = own[0];
    const atOnce = first ? own.filter(({ started_at, ended_at }) => started_at <= first.started_at && (ended_at ?? '9') > first.started_at).length : null;
    return { key, name, ...load(own, seconds * 1000, waits), peak: atOnce, peak_at: first?.started_at ?? null, query: asked + more, peak_query: first ? `under_way_at=${first.started_at}` : null };
  };
  const keys = [...new Set(calls.map((it) => keyOf(by, it)))].sort((a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : String(a) < String(b) ? -1 : 1));
  const nameOf = (key: number | string | null): string | null => STANDINGS.find(({ id }) => id === key)?.name ?? STAFF.find(({ id }) => id === key)?.name ?? null;
  const rows = keys.map((key) => part(key, nameOf(key), calls.filter((it) => keyOf(by, it) === key), `&${PARAMETER[by]}=${String(key ?? 'none')}`));
  return {
    by,
    from,
    until,
    tz: query.get('tz') ?? 'UTC',
    service_level_s: seconds,
    total: part(null, null, calls, ''),
    previous: { from: before, until: beforeUntil, ...load(between(before, beforeUntil), seconds * 1000, waits) },
    rows,
  };
}
