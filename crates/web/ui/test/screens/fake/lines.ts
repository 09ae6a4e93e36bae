// The lines of the fake office, and a doctor who says what the test wants him to.

import type { ServerResponse } from 'node:http';
import type { CheckMessage, CheckStep, Finding, Line, LineDraft, Registration } from '../../../src/lib/wire.ts';
import type { Office } from './office.ts';
import { id } from './office.ts';
import { ANNA } from './people.ts';

const stamp = (agoMs: number): string => new Date(Date.now() - agoMs).toISOString();

export function registration(more: Partial<Registration> = {}, agoMs = 3_600_000): Registration {
  const since = stamp(agoMs);
  return { state: 'registered', since, reason: null, reason_key: null, reason_params: {}, advice: null, expires_at: stamp(-60_000), contacts: 1, last_session_at: null, ...more };
}

export function trouble(reason_key: string, reason_params: Record<string, string> = {}, state: Registration['state'] = 'failed'): Registration {
  return registration({ state, reason: 'In English.', reason_key, reason_params, advice: 'In English, too.', expires_at: null, contacts: 0 }, 240_000);
}

export function line(more: Partial<Line> = {}): Line {
  return {
    id: id('line'),
    name: '100@pbx.example.com',
    server: 'pbx.example.com',
    username: '100',
    auth_username: null,
    outbound_proxy: null,
    transport: null,
    websocket_path: null,
    mode: 'anchor',
    user_id: ANNA.id,
    dial_format: 'plus',
    dial_prefix: null,
    transfer: 'here',
    caller_id: null,
    registration: registration(),
    version: 1,
    ...more,
  };
}

export const step = (name: string, state: CheckStep['state'], key: string, params: Record<string, string> = {}, more: Partial<CheckStep> = {}): CheckStep => ({
  ...{ type: 'step' as const, name, state, key, params, text: 'In English.' },
  advice: state === 'bad' ? 'In English, too.' : null,
  field: null,
  ...more,
});
export const message = (number: number, sent: boolean, text: string): CheckMessage => ({ type: 'message', number, at_ms: number * 12, sent, text });

export const REGISTER = `REGISTER sip:pbx.example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.10:5060;rport;branch=z9hG4bK53fa8d0f3b7f4c1e9a
Max-Forwards: 70
From: <sip:100@pbx.example.com>;tag=8f3c2d
To: <sip:100@pbx.example.com>
Call-ID: 5d0f8a0b7c6e4f21
CSeq: 2 REGISTER
Authorization: (left out)
Contact: <sip:doctor5a8e93c0b1d2f347@192.0.2.10:5060>;expires=60
Content-Length: 0`;

export const REACHED: Finding[] = [step('resolve', 'good', 'resolved', { host: 'pbx.example.com', address: '198.51.100.7' }), step('port', 'good', 'port_open', { address: '198.51.100.7:5060' })];

/** A sound PBX, with a desk phone beside us. */
export const HEALTHY: Finding[] = [
  ...REACHED,
  message(1, true, REGISTER),
  message(2, false, 'SIP/2.0 200 OK\nCSeq: 2 REGISTER\nContact: <sip:100@192.0.2.21:5062>;expires=1800\nContent-Length: 0'),
  step('register', 'good', 'registered', { user: '100', transport: 'UDP', took_ms: '14' }),
  step('server', 'good', 'server_named', { name: 'Asterisk PBX 20.6.0' }),
  step('abilities', 'good', 'abilities_told', { status: '200' }),
  step('dialogs', 'good', 'dialogs', { count: '1' }),
  step('bindings', 'good', 'contacts_stayed', { count: '5', place: '2', others: 'sip:100@192.0.2.21:5062, sip:100@192.0.2.22:5062, sip:100@192.0.2.23:5062, sip:100@192.0.2.24:5062' }),
  step('outlook', 'good', 'outlook_shared'),
  { type: 'verdict', healthy: true },
];

export function wrong(key: string, field: string): Finding[] {
  return [...REACHED, message(1, true, REGISTER), step('register', 'bad', key, {}, { field }), step('server', 'good', 'server_named', { name: 'Asterisk PBX 20.6.0' }), { type: 'verdict', healthy: false }];
}

export const NO_NAME: Finding[] = [step('resolve', 'bad', 'no_address', { host: 'pbx.exampel.com' }, { field: 'server' }), { type: 'verdict', healthy: false }];

type Answer = { status: number; body?: unknown };
const GONE: Answer = { status: 404, body: { detail: 'there is no such line' } };

export class FakeLines {
  items: Line[] = [];
  /** What the doctor says, and after which of it he waits. */
  findings: Finding[] = HEALTHY;
  waitsAfter = Infinity;
  /** The bodies of what was asked of lines. */
  readonly asked: { method: string; path: string; body: Record<string, unknown>; version: string | undefined }[] = [];

  constructor(private readonly office: Office) {}

  /** A line stands otherwise now, and everybody is told. */
  stands(of: Line, how: Registration): void {
    this.items = this.items.map((one) => (one.id === of.id ? { ...one, registration: how } : one));
    this.office.emit('registration.changed', { line_id: of.id, user_id: of.user_id, ...how });
  }

  answer(method: string, one: string, body: Record<string, unknown>, version: string | undefined): Answer {
    this.asked.push({ method, path: one, body, version });
    if (method === 'GET' && one === '') return { status: 200, body: { items: this.items, total: this.items.length, next: null } };
    if (method === 'POST') {
      const { password: _, ...draft } = body as Partial<LineDraft> & { password: string };
      const made = line({ user_id: null, name: `${draft.username ?? ''}@${draft.server ?? ''}`, ...draft, registration: registration({ state: 'trying', expires_at: null, contacts: 0 }, 0) });
      this.items = [made, ...this.items];
      setTimeout(() => this.stands(made, registration({}, 0)), 50);
      return { status: 201, body: made };
    }
    const known = this.items.find((line) => line.id === one);
    if (!known) return GONE;
    if (version !== `"${String(known.version)}"`) return { status: 412, body: { detail: 'changed meanwhile' } };
    if (method === 'DELETE') {
      this.items = this.items.filter(({ id }) => id !== one);
      return { status: 204 };
    }
    const changed = { ...known, ...(body as Partial<LineDraft>), version: known.version + 1 };
    this.items = this.items.map((line) => (line.id === one ? changed : line));
    return { status: 200, body: changed };
  }

  /** The desk phone of a line has its place back. */
  putBack(one: string): Answer {
    const known = this.items.find((line) => line.id === one);
    if (!known) return GONE;
    this.stands(known, trouble('pushed_out_back', known.registration.reason_params));
    return { status: 202, body: known };
  }

  /** Tells the findings, one line each. */
  async check(response: ServerResponse, path: string, body: Record<string, unknown>): Promise<void> {
    this.asked.push({ method: 'CHECK', path, body, version: undefined });
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
    for (const [at, finding] of this.findings.entries()) {
      if (at === this.waitsAfter) return;
      response.write(`${JSON.stringify(finding)}\n`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    response.end();
  }
}
