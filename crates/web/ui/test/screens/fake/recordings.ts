// The recordings of the fake office: found as the contract says, drawn as a talk of two looks.

import type { ListedRecording, Outline, Peak } from '../../../src/lib/recordings.ts';
import type { Span } from '../../../src/lib/wire.ts';
import { problem } from './crm.ts';
import type { Answer } from './crm.ts';
import type { Office } from './office.ts';
import { sorting } from './sorting.ts';

const PARTS = 800;

/** Now one side talks, now the other, with pauses between. */
export function outline(durationMs: number): Outline {
  const loud = (side: number): Peak[] =>
    Array.from({ length: PARTS }, (_, at) => {
      const talks = Math.sin(at / 37) * (side === 0 ? 1 : -1) > 0.2;
      const level = Math.round((talks ? 4_000 + 9_000 * Math.abs(Math.sin(at * 12.9898) * Math.cos(at * 0.31)) : 60) * (side === 0 ? 0.8 : 1));
      return [-level, level];
    });
  return { duration_ms: durationMs, customer: loud(0), agent: loud(1) };
}

export function mark(kind: Span['kind'], from_ms: number, until_ms: number): Span {
  return { kind, from_ms, until_ms };
}

function fits(office: Office, { interaction, duration_ms }: ListedRecording, query: URLSearchParams): boolean {
  const is = (name: string, value: unknown): boolean => query.get(name) === null || query.get(name) === String(value ?? 'none');
  const within = (name: string, holds: (limit: string) => boolean): boolean => query.get(name) === null || holds(query.get(name) ?? '');
  const name = office.contacts.find(({ id }) => id === interaction.contact_id)?.name.toLowerCase() ?? '';
  const digits = (text: string): string => text.replaceAll(/\D/g, '').slice(-10);
  return (
    is('user_id', interaction.user_id) &&
    is('contact_id', interaction.contact_id) &&
    is('outcome', interaction.outcome) &&
    within('name', (text) => ` ${name}`.includes(` ${text.toLowerCase()}`)) &&
    within('number', (text) => [interaction.caller_number, interaction.callee_number].some((number) => digits(number ?? '') === digits(text))) &&
    within('duration_min_ms', (ms) => (duration_ms ?? -1) >= Number(ms)) &&
    within('duration_max_ms', (ms) => duration_ms !== null && duration_ms <= Number(ms)) &&
    within('from', (time) => interaction.started_at >= time) &&
    within('until', (time) => interaction.started_at < time)
  );
}

export function answerRecordings(office: Office, one: string, more: string | undefined, query: URLSearchParams): Answer {
  if (one === '') {
    const all = [...office.recordings.values()].flatMap((recording): ListedRecording[] => {
      const interaction = office.interactions.get(recording.interaction_id);
      return interaction ? [{ ...recording, interaction }] : [];
    });
    const items = all.filter((it) => fits(office, it, query)).sort(sorting(query, (one) => one.interaction.started_at, (one) => one.duration_ms));
    return { status: 200, body: { items, total: items.length, next: null } };
  }
  const found = office.recordings.get(one);
  if (!found) return problem(404, 'there is no such recording');
  return { status: 200, body: more === 'peaks' ? outline(found.duration_ms ?? 0) : found };
}
