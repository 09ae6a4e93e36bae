// Which period a report is about, as the address says it, and what it is compared with. Pure: the moment is given.

import type { LoadQuery } from './api.ts';
import { startOfDay } from './format.ts';
import type { By } from './wire.ts';

export const PERIODS = ['today', 'yesterday', '7d', '30d'] as const;
export const BYS: By[] = ['hour', 'weekday', 'line', 'agent'];
export const TARGET_S = 20;
export const TARGET_MAX_S = 3_600;
/** The longest period, in days. */
export const DAYS_MAX = 400;

export type Period = (typeof PERIODS)[number] | 'days';

/** What is asked, as it stands in the address; `from` and `until` are days, both included, when the period is `days`. */
export interface Asked {
  period: Period;
  from: string;
  until: string;
  by: By;
  targetS: number;
}

export const FIRST: Asked = { period: 'today', from: '', until: '', by: 'hour', targetS: TARGET_S };

export function askedOf(params: URLSearchParams): Asked {
  const from = dayOf(params.get('from'));
  const until = dayOf(params.get('until'));
  const days = from !== null && until !== null && from <= until;
  const period = PERIODS.find((one) => one === params.get('period')) ?? (days ? 'days' : 'today');
  const seconds = Number(params.get('target') ?? TARGET_S);
  return {
    period,
    from: period === 'days' ? (from ?? '') : '',
    until: period === 'days' ? (until ?? '') : '',
    by: BYS.find((one) => one === params.get('by')) ?? 'hour',
    targetS: Number.isInteger(seconds) && seconds >= 1 && seconds <= TARGET_MAX_S ? seconds : TARGET_S,
  };
}

export function reportPath(asked: Asked): string {
  const params = new URLSearchParams();
  if (asked.period === 'days') {
    params.set('from', asked.from);
    params.set('until', asked.until);
  } else if (asked.period !== 'today') params.set('period', asked.period);
  if (asked.by !== 'hour') params.set('by', asked.by);
  if (asked.targetS !== TARGET_S) params.set('target', String(asked.targetS));
  const text = params.toString();
  return text === '' ? '/reports' : `/reports?${text}`;
}

/** The period in the local time of this browser. One that has not ended goes up to this minute, and is compared with
 * one that stopped at the same time of the day. */
export function queryOf(asked: Asked, now: number, tz: string): LoadQuery {
  const today = startOfDay(now);
  const minute = Math.floor(now / 60_000) * 60_000 + 60_000;
  const spans: Record<Period, [number, number, number]> = {
    today: [today, minute, daysFrom(today, -1)],
    yesterday: [daysFrom(today, -1), today, daysFrom(today, -2)],
    '7d': [daysFrom(today, -6), minute, daysFrom(today, -13)],
    '30d': [daysFrom(today, -29), minute, daysFrom(today, -59)],
    days: [0, 0, 0],
  };
  if (asked.period === 'days') {
    const from = Date.parse(`${asked.from}T00:00:00`);
    const until = daysFrom(Date.parse(`${asked.until}T00:00:00`), 1);
    spans.days = [from, until, daysFrom(from, -Math.round((until - from) / 86_400_000))];
  }
  const [from = '', until = '', compare_from = ''] = spans[asked.period].map((ms) => new Date(ms).toISOString());
  return { from, until, compare_from, by: asked.by, service_level_s: asked.targetS, tz };
}

/** The first and the last day of a period, as they stand in the address. */
export function daysOf({ from, until }: LoadQuery): { from: string; until: string } {
  return { from: dayAt(Date.parse(from)), until: dayAt(Date.parse(until) - 1) };
}

/** Tells whether the server would report so long a period. */
export function isTooLong({ from, until }: LoadQuery): boolean {
  return Date.parse(until) - Date.parse(from) > DAYS_MAX * 86_400_000;
}

function dayAt(at: number): string {
  const date = new Date(at);
  const two = (part: number): string => String(part).padStart(2, '0');
  return `${String(date.getFullYear()).padStart(4, '0')}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** Days are counted by the calendar: one of them may have 23 or 25 hours. */
function daysFrom(day: number, days: number): number {
  const date = new Date(day);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + days).getTime();
}

/** `2026-11-29`, if it is a day. */
function dayOf(text: string | null): string | null {
  return text !== null && /^\d{4}-\d\d-\d\d$/.test(text) && Number.isFinite(Date.parse(`${text}T00:00:00`)) ? text : null;
}

/** How much more or less, in percent; null where nothing was before. */
export function change(now: number, before: number): number | null {
  return before === 0 ? null : Math.round(((now - before) / before) * 100);
}
