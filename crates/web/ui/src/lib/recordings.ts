// Recordings: what they are searched for, as the address says it, and what is asked of the server for it.

import { ask, query } from './api.ts';
import { callOrderOf, saidOrder } from './order.ts';
import type { CallOrder } from './order.ts';
import { isNumber } from './search.ts';
import type { Interaction, Listing, Recording } from './wire.ts';

export const LENGTHS = ['s30', 'm3', 'm10', 'more'] as const;
export type Length = (typeof LENGTHS)[number];
const SECOND = 1_000;
const BETWEEN: Record<Length, [number | null, number | null]> = {
  s30: [null, 30 * SECOND],
  m3: [30 * SECOND, 180 * SECOND],
  m10: [180 * SECOND, 600 * SECOND],
  more: [600 * SECOND, null],
};

/** What is searched; `from` and `until` are days, both included. */
export interface RecordingSearch {
  q: string;
  user: string | null;
  contact: string | null;
  outcome: string | null;
  length: Length | null;
  from: string;
  until: string;
  sort: CallOrder;
}

export const EVERYTHING: RecordingSearch = { q: '', user: null, contact: null, outcome: null, length: null, from: '', until: '', sort: 'newest' };

export interface ListedRecording extends Recording {
  interaction: Interaction;
}

export type Peak = [low: number, high: number];

/** How loud both sides are, part by part; samples of 16 bits. */
export interface Outline {
  duration_ms: number;
  customer: Peak[];
  agent: Peak[];
}

export function recordingSearchOf(params: URLSearchParams): RecordingSearch {
  const day = (name: string): string => (/^\d{4}-\d\d-\d\d$/.test(params.get(name) ?? '') ? (params.get(name) ?? '') : '');
  return {
    q: params.get('q') ?? '',
    user: params.get('user'),
    contact: params.get('contact'),
    outcome: params.get('outcome'),
    length: LENGTHS.find((one) => one === params.get('length')) ?? null,
    from: day('from'),
    until: day('until'),
    sort: callOrderOf(params),
  };
}

export function recordingsPath(search: RecordingSearch): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...search, sort: saidOrder(search.sort) }) as [string, string | null][]) if (value) params.set(name, value);
  const text = params.toString();
  return text === '' ? '/recordings' : `/recordings?${text}`;
}

export function isEverything(search: RecordingSearch): boolean {
  const { sort: _, ...sought } = search;
  return Object.values(sought).every((value) => value === null || value === '');
}

/** The search as the server takes it; a day is that of this browser. */
export function askedOf({ q, user, contact, outcome, length, from, until, sort }: RecordingSearch): Record<string, string | number | null> {
  const start = (day: string, more: number): string | null => {
    const at = new Date(`${day}T00:00:00`);
    return day === '' || Number.isNaN(at.getTime()) ? null : new Date(at.getFullYear(), at.getMonth(), at.getDate() + more).toISOString();
  };
  const [min, max] = length === null ? [null, null] : BETWEEN[length];
  const number = q !== '' && isNumber(q);
  return {
    number: number ? q : null,
    name: number || q === '' ? null : q,
    user_id: user,
    contact_id: contact,
    outcome,
    duration_min_ms: min,
    duration_max_ms: max,
    from: start(from, 0),
    until: start(until, 1),
    sort: saidOrder(sort),
  };
}

const id = encodeURIComponent;

export const recordings = {
  list: (search: RecordingSearch, limit: number, cursor: string | null) =>
    ask<Listing<ListedRecording>>('GET', `/recordings${query({ ...askedOf(search), limit, cursor })}`),
  outline: (recordingId: string, parts: number) => ask<Outline>('GET', `/recordings/${id(recordingId)}/peaks${query({ parts })}`),
};

export function recordingsSheetUrl(search: RecordingSearch): string {
  return `/api/v1/recordings${query({ ...askedOf(search), format: 'csv' })}`;
}
