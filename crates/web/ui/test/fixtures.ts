// Objects of the wire's shapes for tests.

import type { CallView, Candidate, EventFrame, Interaction, Level, Pop, SnapshotFrame } from '../src/lib/wire.ts';

export const ME = '0192f0c0-0000-7000-8000-000000000001';
export const LINE = '0192f0c0-0000-7000-8000-0000000000aa';

export function candidate(id: string, name: string, level: Level, more: { company?: string | null; mine?: boolean; reasons?: string[] } = {}): Candidate {
  return {
    contact: { id, name, company_name: more.company ?? null, responsible_id: more.mine ? ME : null },
    level,
    score: 0.9,
    reasons: more.reasons ?? [],
  };
}

export function pop(more: Partial<Pop> = {}): Pop {
  return {
    pop_id: 'pop-1',
    taken_by: null,
    transferred_by: null,
    version: 1,
    call_id: 'call-1',
    interaction_id: 'int-live',
    user_id: ME,
    state: 'ringing',
    direction: 'inbound',
    number: '+78312123456',
    number_dialled: '88312123456',
    display_name: null,
    line_id: LINE,
    did: null,
    put_through_by: null,
    connected_number: null,
    user_to_user: [],
    candidates: [],
    lookup: 'pending',
    ...more,
  };
}

export function call(more: Partial<CallView> = {}): CallView {
  return {
    call_id: 'call-1',
    interaction_id: 'int-live',
    direction: 'inbound',
    state: 'ringing',
    user_id: ME,
    user_ids: [ME],
    watched: false,
    line_id: LINE,
    number: '+78312123456',
    connected_number: null,
    contact_id: null,
    started_at: new Date(Date.now() - 4_000).toISOString(),
    answered_at: null,
    outcome: null,
    held_by: null,
    transfer: null,
    legs: [],
    ...more,
  };
}

export function interaction(more: Partial<Interaction> = {}): Interaction {
  return {
    id: 'int-1',
    call_id: 'call-0',
    direction: 'inbound',
    outcome: 'answered',
    state: 'ended',
    caller_number: '+78312123456',
    caller_dialled: '88312123456',
    callee_number: null,
    customer_number: null,
    connected_number: null,
    user_to_user: [],
    contact_id: null,
    user_id: ME,
    line_id: LINE,
    started_at: '2026-03-10T09:00:00.000Z',
    answered_at: '2026-03-10T09:00:06.000Z',
    ended_at: '2026-03-10T09:03:13.000Z',
    ringing_ms: 6_000,
    talk_ms: 187_000,
    hold_ms: 0,
    hangup_by: 'caller',
    sip_status: 200,
    legs: [],
    recording_ids: [],
    notes: null,
    disposition: null,
    ...more,
  };
}

type Placeless<F> = F extends { type: infer T; data: infer D } ? { type: T; data: D } : never;

export function numbered(seq: number, draft: Placeless<EventFrame>, epoch = 'e'): EventFrame {
  return { ...draft, cursor: `${epoch}:${seq}`, seq, timestamp: new Date().toISOString() } as EventFrame;
}

export function snapshot(seq: number, more: Partial<SnapshotFrame['data']> = {}, epoch = 'e'): SnapshotFrame {
  return {
    type: 'snapshot',
    cursor: `${epoch}:${seq}`,
    seq,
    data: { calls: [], pops: [], agents: [], missed_open: 0, ...more },
  };
}
