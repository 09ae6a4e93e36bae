// Which rows of the audit are shown; the address is the whole truth of it. Its days are whole days of this place.

import type { AuditFilter } from './api.ts';

export const ACTIONS = [
  'login',
  'login_failed',
  'login_locked',
  'logout',
  'password_changed',
  'session_ended',
  'recording_played',
  'recording_exported',
  'user_changed',
  'line_changed',
  'line_checked',
  'line_test_called',
  'call_dialled',
  'call_barred',
] as const;

/** As it stands in the address; empty texts say nothing. */
export interface AuditPlace {
  user: string;
  action: string;
  from: string;
  until: string;
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const KEYS = ['user', 'action', 'from', 'until'] as const;

export function parsePlace(search: string): AuditPlace {
  const params = new URLSearchParams(search);
  const text = (key: string): string => params.get(key) ?? '';
  const day = (key: string): string => (DAY.test(text(key)) ? text(key) : '');
  const action = ACTIONS.some((one) => one === text('action')) ? text('action') : '';
  return { user: text('user'), action, from: day('from'), until: day('until') };
}

export function auditPath(place: AuditPlace): string {
  const params = new URLSearchParams();
  for (const key of KEYS) if (place[key] !== '') params.set(key, place[key]);
  const text = params.toString();
  return text === '' ? '/settings/audit' : `/settings/audit?${text}`;
}

export const isFiltered = (place: AuditPlace): boolean => KEYS.some((key) => place[key] !== '');

/** The beginning of a day here, so many days later. */
function beginningOf(day: string, later: number): string | null {
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
  const at = new Date(year, month - 1, date + later);
  return day === '' || Number.isNaN(at.getTime()) ? null : at.toISOString();
}

export function filterOf({ user, action, from, until }: AuditPlace): AuditFilter {
  return { user_id: user || null, action: action || null, from: beginningOf(from, 0), until: beginningOf(until, 1) };
}
