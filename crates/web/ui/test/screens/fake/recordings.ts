// The recordings of the fake office: found as the contract says, drawn as a talk of two looks.

import type { ListedRecording, Outline, Peak } from '../../../src/lib/recordings.ts';
import type { RecordedSession, Span } from '../../../src/lib/wire.ts';
import { problem } from './crm.ts';
import type { Answer } from './crm.ts';
import type { Office } from './office.ts';
import { sorting } from './sorting.ts';

const PARTS = 800;
/** The server looks at so much of a part. */
const LOOKED_AT_S = 2.5;

/** Who talks from when to when, in seconds. */
export interface Turn {
  side: 'customer' | 'agent';
  from: number;
  until: number;
}

/** The same number from 0 to 1 for the same words. */
function chance(...words: (string | number)[]): number {
  let hash = 2_166_136_261;
  for (const letter of words.join(' ')) hash = Math.imul(hash ^ letter.charCodeAt(0), 16_777_619);
  hash = Math.imul(hash ^ (hash >>> 15), 2_246_822_519);
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
}

/** A talk of its own for each recording: turns with short pauses between, now and then a long one. */
export function turnsOf(id: string, seconds: number): Turn[] {
  const turns: Turn[] = [];
  const talkative = 0.25 + chance(id) / 2;
  for (let from = 0.4, nth = 0; from < seconds; nth += 1) {
    const until = from + 1 + 5 * chance(id, nth, 'long');
    turns.push({ side: chance(id, nth, 'who') < talkative ? 'customer' : 'agent', from, until: Math.min(until, seconds) });
    from = until + (chance(id, nth, 'pause') < 0.15 ? 2 + 7 * chance(id, nth) : 0.3);
  }
  return turns;
}

export function outline(durationMs: number, turns: Turn[], parts: number): Outline {
  const part = durationMs / 1000 / parts;
  const loud = (side: Turn['side']): Peak[] =>
    Array.from({ length: parts }, (_, at) => {
      const [from, until] = [at * part, at * part + Math.min(part, LOOKED_AT_S)];
      const talks = turns.some((turn) => turn.side === side && turn.from < until && turn.until > from);
      const level = Math.round(talks ? 1_500 + 11_000 * Math.abs(Math.sin(at * 12.9898) * Math.cos(at * 0.31)) : 60 + (at % 7) * 8);
      return [-level, level];
    });
  return { duration_ms: durationMs, customer: loud('customer'), agent: loud('agent') };
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
  if (more !== 'peaks') return { status: 200, body: found };
  if (found.state === 'recording') return problem(409, 'the recording is still being written');
  if (found.state === 'failed') return problem(404, 'file: this recording failed');
  const turns = office.turns.get(one) ?? turnsOf(one, (found.duration_ms ?? 0) / 1000);
  return { status: 200, body: outline(found.duration_ms ?? 0, turns, Number(query.get('parts') ?? PARTS)) };
}

/** A talk that an SBC sent to be recorded and that was handed over: long and hostile names, one party without a number. */
export function recordedBySbc(): RecordedSession {
  const at = (agoMs: number): string => new Date(Date.now() - agoMs).toISOString();
  const party = { address: null, name: null, number: null, user_id: null, disassociated_at: null };
  return {
    leg_id: 'leg-of-the-sbc',
    started_at: at(240_000),
    ended_at: at(60_000),
    voices: 'mixed',
    parties: [
      { ...party, id: 'p1', role: 'customer', name: '<b>Иван</b> Константинопольский-Преображенский', number: '+78312123456', address: 'sip:+78312123456@trunk.example', associated_at: at(240_000) },
      { ...party, id: 'p2', role: 'agent', name: 'Анна', number: '201', user_id: 'user-anna', address: 'sip:201@pbx.example', associated_at: at(235_000), disassociated_at: at(120_000) },
      { ...party, id: 'p3', role: 'agent', address: 'sip:a-very-long-account-name-of-nobody-in-particular@branch-office.telephony.example.net', associated_at: at(120_000) },
    ],
    documents: [
      { received_at: at(240_000), content: '<?xml version="1.0" encoding="UTF-8"?>\n<recording xmlns="urn:ietf:params:xml:ns:recording:1">\n  <datamode>complete</datamode>\n  <participant participant_id="srfBElmCRp2QB23b7Mpk0w=="><nameID aor="sip:+78312123456@trunk.example"/></participant>\n</recording>' },
      { received_at: at(120_000), content: '<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>partial</datamode></recording>' },
    ],
  };
}
