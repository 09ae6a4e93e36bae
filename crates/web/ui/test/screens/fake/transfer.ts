// What is done with a call at the fake server: hold, hand over, digits; refused as the outside contract says, and told by
// frames as the real one tells it. What the other does when its phone rings is the test's to say.

import type { CallView, Colleague, Listing, Transfer, User } from '../../../src/lib/wire.ts';
import { problem } from './crm.ts';
import type { Answer } from './crm.ts';
import { Call, id } from './office.ts';
import type { Office } from './office.ts';
import { ANNA, STAFF } from './people.ts';

const EXTENSIONS: Readonly<Record<string, string>> = { 'user-olga': '202', 'user-gleb': '203', 'user-ivan': '204' };
/** Nobody's number may be dialled that begins so. */
const BARRED = /^(\+?7|8)?\s*\(?80[39]/;

function refused(status: number, key: string): Answer {
  const { body } = problem(status, `in English: ${key}`);
  return { status, body: { ...(body as object), key } };
}

export class FakeTransfers {
  /** How everybody but the user who asks stands. */
  readonly standing = new Map<string, Colleague['state']>([
    ['user-olga', 'available'],
    ['user-gleb', 'busy'],
    ['user-ivan', 'available'],
    ['user-long', 'ringing'],
  ]);
  /** Colleagues without a phone. */
  readonly phoneless = new Set<string>();
  /** The digits of each request. */
  readonly digits: string[] = [];

  constructor(private readonly office: Office) {}

  colleagues(user: User, q: string): Listing<Colleague> {
    const words = q.toLowerCase();
    const items = STAFF.filter(({ id, name }) => id !== user.id && (name.toLowerCase().includes(words) || (EXTENSIONS[id] ?? '').startsWith(q)))
      .map(({ id, name }) => ({ id, name, extension: EXTENSIONS[id] ?? null, state: this.standing.get(id) ?? ('available' as const) }))
      .sort((a, b) => a.name.localeCompare(b.name));
    return { items, total: items.length, next: null };
  }

  /** The answer to `POST /calls/{id}/{verb}`; null for a verb that is none of these. */
  answer(user: User, callId: string, verb: string, body: Record<string, unknown>): Answer | null {
    if (!['hold', 'retrieve', 'transfer', 'dtmf'].includes(verb)) return null;
    const call = this.office.begun.get(callId);
    const view = this.office.calls.get(callId);
    if (!call || !view) return problem(404, 'there is no such object');
    if (view.watched) return refused(409, 'on_desk_phone');
    const talks = (view.state === 'answered' || view.state === 'held') && view.user_id === user.id;
    if (!talks) return refused(409, 'not_talking');
    const refusal = this.act(call, view, verb, body);
    return refusal ?? { status: 202, body: this.office.calls.get(callId) ?? view };
  }

  private act(call: Call, view: CallView, verb: string, body: Record<string, unknown>): Answer | null {
    if (verb === 'transfer') return this.transfer(call, view, body);
    if (verb === 'retrieve') {
      if (view.transfer) this.withdraw(call);
      if (call.view.state === 'held') call.retrieve();
      return null;
    }
    if (view.transfer) return refused(409, 'transfer_under_way');
    if (verb === 'hold') {
      call.hold();
      return null;
    }
    const digits = String(body['digits']);
    if (!/^[0-9*#A-D]{1,64}$/.test(digits)) return problem(422, 'these are no digits');
    this.digits.push(digits);
    return null;
  }

  private transfer(call: Call, view: CallView, body: Record<string, unknown>): Answer | null {
    const { to, user_id, kind } = body as { to: string | null; user_id: string | null; kind: 'blind' | 'attended' };
    if (to === null && user_id === null) {
      if (kind !== 'attended' || view.transfer?.kind !== 'attended') return refused(409, 'no_transfer');
      this.take(call);
      return null;
    }
    if (to !== null && user_id !== null) return problem(422, 'exactly one of to and user_id');
    if (view.transfer) return refused(409, 'transfer_under_way');
    if (user_id === view.user_id) return refused(409, 'same_user');
    if (user_id !== null && this.phoneless.has(user_id)) return refused(409, 'no_device');
    if (user_id !== null && this.standing.get(user_id) === 'busy') return refused(409, 'user_in_call');
    if (to !== null && BARRED.test(to)) return refused(403, 'barred');
    const digits = to?.replaceAll(/[^\d+]/g, '').replace(/^8(?=\d{10}$)/, '+7') ?? '';
    if (to !== null && digits === '') return { status: 422, body: { ...(problem(422, 'no telephone number').body as object), field: 'to' } };
    const name = STAFF.find((one) => one.id === user_id)?.name ?? null;
    const number = user_id === null ? digits : null;
    const transfer: Transfer = { kind, stage: 'ringing', user_id, name, number, by: view.user_id ?? '' };
    const legs = [...view.legs, { leg_id: id('leg'), party: 'agent' as const, state: 'ringing' }];
    call.say('call.held', { state: 'held', held_by: kind === 'attended' ? 'agent' : view.held_by, transfer, legs });
    if (user_id !== null) this.office.emit('agent.state_changed', { user_id, state: 'ringing', call_id: call.callId });
    return null;
  }

  private other(call: Call, state: string): CallView['legs'] {
    const { legs } = call.view;
    return legs.map((leg, nth) => (nth === legs.length - 1 ? { ...leg, state } : leg));
  }

  /** Whoever was rung picks up: a customer who is handed over at once is there, else the agent asks. */
  pickUp(call: Call): void {
    const { transfer } = call.view;
    if (transfer?.kind !== 'attended') return this.take(call);
    call.say('call.held', { transfer: { ...transfer, stage: 'talking' }, legs: this.other(call, 'answered') });
  }

  /** The other has the customer, and Anna is free. */
  private take(call: Call): void {
    const { transfer, user_id, user_ids } = call.view;
    const now = transfer?.user_id ?? null;
    const all = now === null ? user_ids : [...user_ids, now];
    call.change('pop.retracted', { state: 'ended' });
    call.say('call.transferred', { state: 'answered', held_by: null, transfer: null, user_id: now ?? user_id, user_ids: all, legs: this.other(call, 'answered') });
    this.office.emit('agent.state_changed', { user_id: ANNA.id, state: 'available', call_id: null });
  }

  /** The other is not reached, or hangs up while the agent asks: a customer handed over at once is back. */
  fail(call: Call, leg: 'rejected' | 'cancelled' | 'ended' | 'offered'): void {
    const legs = this.other(call, leg);
    if (call.view.held_by === null) call.say('call.retrieved', { state: 'answered', transfer: null, legs });
    else call.say('call.held', { transfer: null, legs });
  }

  /** The agent hangs up the own phone while a colleague is rung who then does not come: the agent is rung again. */
  recall(call: Call): void {
    const { transfer, user_id } = call.view;
    if (!transfer || user_id === null) throw new Error('nobody is rung');
    call.change('pop.retracted', { state: 'ended' });
    call.say('call.held', {});
    const again: Transfer = { ...transfer, kind: 'recall', user_id, name: ANNA.name, number: null };
    call.showAgain();
    call.say('call.held', { held_by: null, transfer: again, legs: this.other(call, 'cancelled') });
  }

  private withdraw(call: Call): void {
    const talked = call.view.transfer?.stage === 'talking';
    this.fail(call, talked ? 'ended' : 'cancelled');
  }
}

/** Olga's call with a customer, of which Anna hears only when Olga hands it over; what she has noted so far. */
export function handedTo(office: Office, number: string, { kind, notes }: { kind: 'blind' | 'attended'; notes: string | null }): Call {
  const olga = STAFF[1] ?? ANNA;
  const transfer: Transfer = { kind, stage: 'ringing', user_id: ANNA.id, name: ANNA.name, number: null, by: olga.id };
  const answered = new Date(Date.now() - 95_000).toISOString();
  const call = new Call(office, number, {
    handed: { by: { user_id: olga.id, name: olga.name }, view: { state: 'held', held_by: kind === 'attended' ? 'agent' : null, transfer, user_id: olga.id, user_ids: [olga.id], answered_at: answered } },
  });
  call.know({ notes, user_id: olga.id, answered_at: answered });
  return call;
}

/** Anna picks up: asked first she talks with Olga, else with the customer. */
export function pickedUp(call: Call): Call {
  const { transfer } = call.view;
  call.change('pop.updated', { state: 'mine' });
  if (transfer?.kind === 'attended' && transfer.stage === 'ringing') call.say('call.held', { transfer: { ...transfer, stage: 'talking' } });
  else given(call);
  return call;
}

/** The customer is Anna's. */
export function given(call: Call): Call {
  call.say('call.transferred', { state: 'answered', held_by: null, transfer: null, user_id: ANNA.id, user_ids: [...call.view.user_ids, ANNA.id] });
  return call;
}
