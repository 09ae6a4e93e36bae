// Calls of the fake office that are not Anna's alone.

import type { CallView } from '../../../src/lib/wire.ts';

const stamp = (agoMs: number): string => new Date(Date.now() - agoMs).toISOString();

/** A call that has been as it is for so long. */
export function call(more: Partial<CallView> & { call_id: string }, agoMs: number): CallView {
  const answered = more.state === 'answered' || more.state === 'held';
  return {
    interaction_id: `int-of-${more.call_id}`,
    direction: 'inbound',
    state: 'ringing',
    user_id: null,
    user_ids: [],
    watched: false,
    line_id: 'line-1',
    number: '+79219876543',
    connected_number: null,
    contact_id: null,
    started_at: stamp(answered ? agoMs + 6_000 : agoMs),
    answered_at: answered ? stamp(agoMs) : null,
    outcome: null,
    held_by: more.state === 'held' ? 'agent' : null,
    transfer: null,
    legs: [],
    ...more,
  };
}
