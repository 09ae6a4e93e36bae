// The state of a fake office and what it says about it: calls, pops, recordings and interactions as the outside contract
// shapes them, frames numbered within an epoch. Nothing is decided here: a test says what happens.

import type { CallView, Candidate, Company, Contact, Interaction, Lookup, MissedItem, Pop, PopState, RecordedSession, Recording, RecordingView } from '../../../src/lib/wire.ts';
import { ANNA, COMPANIES, CONTACTS } from './people.ts';
import type { Turn } from './recordings.ts';

export interface Sent {
  seq: number;
  text: string;
}

let made = 0;
/** An id that sorts by the order of making, as UUIDv7 do. */
export function id(kind: string): string {
  made += 1;
  return `${kind}-${String(made).padStart(6, '0')}`;
}

const LINE = 'line-1';
const stamp = (ms = Date.now()): string => new Date(ms).toISOString();

export function past(more: Partial<Interaction>, agoMs: number): Interaction {
  const started = Date.now() - agoMs;
  const answered = more.outcome === undefined || more.outcome === 'answered';
  const ringing = more.ringing_ms ?? 6_000;
  const talk = answered ? (more.talk_ms ?? 187_000) : 0;
  return {
    id: id('int'),
    call_id: id('call'),
    direction: 'inbound',
    outcome: 'answered',
    state: 'ended',
    caller_number: '+78312123456',
    caller_dialled: '88312123456',
    callee_number: '+74951234501',
    customer_number: null,
    connected_number: null,
    user_to_user: [],
    contact_id: null,
    user_id: ANNA.id,
    line_id: LINE,
    started_at: stamp(started),
    answered_at: answered ? stamp(started + ringing) : null,
    ended_at: stamp(started + ringing + talk),
    ringing_ms: ringing,
    talk_ms: talk,
    hold_ms: 0,
    hangup_by: 'caller',
    sip_status: answered ? 200 : 480,
    legs: [],
    recording_ids: [],
    notes: null,
    disposition: null,
    ...more,
  };
}

/** A caller whom nobody answered, last heard of so long ago. */
export function waiting(more: Partial<MissedItem>, agoMs: number): MissedItem {
  const number = '+79219876543';
  const last_at = stamp(Date.now() - agoMs);
  return {
    id: id('missed'),
    number,
    number_dialled: more.number === undefined ? number : more.number,
    contact_id: null,
    attempts: 1,
    first_at: last_at,
    last_at,
    owner_id: null,
    state: 'open',
    closed_by: null,
    interaction_id: id('int'),
    ...more,
  };
}

export class Office {
  epoch = 'epoch1';
  seq = 0;
  readonly sent: Sent[] = [];
  readonly calls = new Map<string, CallView>();
  readonly pops = new Map<string, Pop>();
  readonly interactions = new Map<string, Interaction>();
  readonly recordings = new Map<string, Recording>();
  /** Who talks when in a recording; by chance in those that are not here. */
  readonly turns = new Map<string, Turn[]>();
  /** What an SBC told of a call that it sent to be recorded. */
  readonly recordedSessions = new Map<string, RecordedSession[]>();
  readonly missed = new Map<string, MissedItem>();
  readonly contacts: Contact[] = [...CONTACTS];
  readonly companies: Company[] = [...COMPANIES];
  /** The calls that Anna asked for. */
  readonly asked: Call[] = [];
  /** Every call that was begun by one of the ways below. */
  readonly begun = new Map<string, Call>();
  /** Lines to choose from; with none or one there is no question. */
  lines: { id: string; name: string }[] = [];
  readonly heard: { type: string; [field: string]: unknown }[] = [];
  onFrame: (text: string) => void = () => undefined;

  get cursor(): string {
    return `${this.epoch}:${String(this.seq)}`;
  }

  emit(type: string, data: object): void {
    this.seq += 1;
    const text = JSON.stringify({ type, cursor: this.cursor, seq: this.seq, timestamp: stamp(), data });
    this.sent.push({ seq: this.seq, text });
    this.onFrame(text);
  }

  snapshot(): object {
    const data = {
      calls: [...this.calls.values()],
      pops: [...this.pops.values()].filter(({ state }) => state === 'ringing' || state === 'mine'),
      agents: [{ user_id: ANNA.id, state: this.calls.size > 0 ? 'busy' : 'available', call_id: null }],
      missed_open: [...this.missed.values()].filter(({ state }) => state === 'open').length,
    };
    return { type: 'snapshot', cursor: this.cursor, seq: this.seq, data };
  }

  /** A call of anybody's is as it is. */
  put(call: CallView): void {
    const busy = call.state === 'answered' || call.state === 'held';
    const ended = call.state === 'ended';
    if (ended) this.calls.delete(call.call_id);
    else this.calls.set(call.call_id, call);
    this.emit(`call.${call.state === 'created' ? 'created' : call.state}`, call);
    if (call.user_id !== null) this.emit('agent.state_changed', { user_id: call.user_id, state: ended ? 'available' : busy ? 'busy' : 'ringing', call_id: ended ? null : call.call_id });
  }

  /** Numbering could not be continued: old cursors are worth nothing. */
  newEpoch(): void {
    this.epoch = id('epoch');
    this.seq = 0;
    this.sent.length = 0;
  }

  add(...past: Interaction[]): void {
    for (const interaction of past) {
      this.interactions.set(interaction.id, interaction);
      for (const recording of interaction.recording_ids) {
        this.recordings.set(recording, { id: recording, interaction_id: interaction.id, state: 'finished', duration_ms: interaction.talk_ms, spans: [] });
      }
    }
  }

  /** Somebody calls Anna; the contacts have not answered yet. */
  ring(number: string | null, more: { display?: string; did?: string } = {}): Call {
    return new Call(this, number, more);
  }

  /** Anna asks for a call: her own phone rings. */
  dial(number: string): Call {
    const digits = number.replaceAll(/[^\d+]/g, '').replace(/^8/, '+7');
    const call = new Call(this, digits, { asked: true });
    this.asked.push(call);
    return call;
  }

  /** An item as it is from now on, and everybody is told. */
  tellMissed(item: MissedItem): MissedItem {
    this.missed.set(item.id, item);
    this.emit({ open: 'missed.opened', claimed: 'missed.claimed', closed: 'missed.closed' }[item.state], item);
    return item;
  }

  /** Nobody answered this number, once or once more. */
  missedBy(number: string | null, interaction_id: string): void {
    const known = [...this.missed.values()].find((item) => number !== null && item.number === number && item.state !== 'closed');
    const item = known ?? { ...waiting({ number }, 0), attempts: 0 };
    this.tellMissed({ ...item, attempts: item.attempts + 1, last_at: stamp(), interaction_id });
  }

  amend(interactionId: string, patch: Partial<Interaction>): Interaction | null {
    const interaction = this.interactions.get(interactionId);
    if (!interaction) return null;
    const amended = { ...interaction, ...patch };
    this.interactions.set(interactionId, amended);
    if (amended.state === 'ended') this.emit('interaction.closed', amended);
    return amended;
  }
}

/** One call, from outside or asked for, moved on by the test. */
export class Call {
  readonly callId = id('call');
  popId = id('pop');
  readonly interactionId = id('int');
  private recording: RecordingView | null = null;

  constructor(
    private readonly office: Office,
    number: string | null,
    { display, did, asked, handed }: { display?: string; did?: string; asked?: boolean; handed?: { by: NonNullable<Pop['transferred_by']>; view: Partial<CallView> } },
  ) {
    office.begun.set(this.callId, this);
    const direction = asked ? 'outbound' : 'inbound';
    const started_at = stamp();
    office.calls.set(this.callId, {
      call_id: this.callId,
      interaction_id: this.interactionId,
      direction,
      state: 'created',
      user_id: ANNA.id,
      user_ids: [ANNA.id],
      watched: false,
      line_id: LINE,
      number,
      connected_number: null,
      contact_id: null,
      started_at,
      answered_at: null,
      outcome: null,
      held_by: null,
      transfer: null,
      legs: [
        { leg_id: id('leg'), party: 'customer', state: asked ? 'offered' : 'ringing' },
        { leg_id: id('leg'), party: 'agent', state: 'ringing' },
      ],
    });
    office.interactions.set(this.interactionId, {
      ...past({}, 0),
      id: this.interactionId,
      call_id: this.callId,
      direction,
      state: 'live',
      outcome: null,
      caller_number: asked ? '+74951234501' : number,
      caller_dialled: asked ? '+74951234501' : number,
      callee_number: asked ? number : '+74951234501',
      started_at,
      answered_at: null,
      ended_at: null,
      ringing_ms: null,
      talk_ms: null,
      hold_ms: null,
      hangup_by: null,
      sip_status: null,
    });
    if (handed) this.say('call.held', handed.view);
    else this.say('call.created', {});
    office.pops.set(this.popId, {
      pop_id: this.popId,
      version: 1,
      call_id: this.callId,
      interaction_id: this.interactionId,
      user_id: ANNA.id,
      state: 'ringing',
      taken_by: null,
      transferred_by: handed?.by ?? null,
      direction,
      number,
      number_dialled: number,
      display_name: display ?? null,
      line_id: LINE,
      did: did ?? null,
      put_through_by: null,
      connected_number: null,
      user_to_user: [],
      candidates: [],
      lookup: 'pending',
    });
    office.emit('pop.shown', this.pop);
    if (!handed) this.say('call.ringing', { state: 'ringing' });
    office.emit('agent.state_changed', { user_id: ANNA.id, state: 'ringing', call_id: this.callId });
  }

  get pop(): Pop {
    const pop = this.office.pops.get(this.popId);
    if (!pop) throw new Error('no pop');
    return pop;
  }

  /** The same call rings once more on the screen that it has left. */
  showAgain(): void {
    const pop: Pop = { ...this.pop, pop_id: id('pop'), version: 1, state: 'ringing', taken_by: null };
    this.popId = pop.pop_id;
    this.office.pops.set(pop.pop_id, pop);
    this.office.emit('pop.shown', pop);
  }

  found(candidates: Candidate[], lookup: Lookup = 'done'): this {
    this.change('pop.updated', { candidates, lookup });
    if (candidates.length > 0) this.office.emit('contact.matched', { call_id: this.callId, candidates });
    return this;
  }

  /** The PBX connects the call with another party, whose number is public while that of who called is not. */
  putThrough(number: string, ...user_to_user: string[]): this {
    this.know({ customer_number: number, user_to_user });
    this.change('pop.updated', { number, number_dialled: number, put_through_by: this.pop.number, display_name: null, candidates: [], lookup: 'pending', user_to_user });
    this.say('call.updated', { number });
    return this;
  }

  /** Somebody else is at the customer's end. */
  connectedWith(connected_number: string): this {
    this.know({ connected_number });
    this.change('pop.updated', { connected_number });
    this.say('call.updated', { connected_number });
    return this;
  }

  /** It goes on at Anna's desk phone and is only seen. */
  onDeskPhone(): this {
    this.say('call.ringing', { state: 'ringing', watched: true });
    return this;
  }

  /** Anna has picked up her phone; the number is dialled. */
  pickUp(): this {
    this.legs('offered');
    return this;
  }

  /** It rings at the other end. */
  ringThere(): this {
    this.legs('ringing');
    return this;
  }

  /** The one who was called is not reached. */
  fail(outcome: 'busy' | 'no_answer' | 'rejected' | 'failed' | 'canceled'): this {
    this.change('pop.retracted', { state: 'ended' });
    this.say('call.ended', { state: 'ended', outcome });
    this.office.calls.delete(this.callId);
    this.close({ outcome, talk_ms: 0, hold_ms: 0, ringing_ms: 6_000, hangup_by: 'callee', sip_status: 486 });
    return this;
  }

  private legs(customer: string): void {
    const legs = this.view.legs.map((leg) => ({ ...leg, state: leg.party === 'customer' ? customer : 'answered' }));
    this.say('call.ringing', { state: 'ringing', legs });
  }

  answer(talkedMs = 0): this {
    const answered = Date.now() - talkedMs;
    const started_at = stamp(answered - 6_000);
    this.say('call.answered', { state: 'answered', started_at, answered_at: stamp(answered) });
    this.change('pop.updated', { state: 'mine' });
    if (this.view.watched) return this;
    const recording_id = id('rec');
    this.office.recordings.set(recording_id, { id: recording_id, interaction_id: this.interactionId, state: 'recording', duration_ms: null, spans: [] });
    this.know({ started_at, answered_at: stamp(answered), ringing_ms: 6_000, recording_ids: [recording_id] });
    this.recording = { recording_id, interaction_id: this.interactionId, call_id: this.callId, user_id: ANNA.id, state: 'recording' };
    this.office.emit('recording.started', this.recording);
    this.office.emit('agent.state_changed', { user_id: ANNA.id, state: 'busy', call_id: this.callId });
    return this;
  }

  hold(by: 'agent' | 'customer' = 'agent'): this {
    const { held_by } = this.view;
    this.say('call.held', { state: 'held', held_by: held_by === null || held_by === by ? by : 'both' });
    return this;
  }

  retrieve(by: 'agent' | 'customer' = 'agent'): this {
    const other = by === 'agent' ? 'customer' : 'agent';
    const still = this.view.held_by === 'both' || this.view.held_by === other;
    this.say('call.retrieved', still ? { state: 'held', held_by: other, transfer: null } : { state: 'answered', held_by: null, transfer: null });
    return this;
  }

  /** The talk is over. */
  end(): this {
    const answered = Date.parse(this.view.answered_at ?? stamp());
    this.over('ended');
    if (this.recording) {
      const finished: RecordingView = { ...this.recording, state: 'finished' };
      const talk_ms = Date.now() - answered;
      this.office.recordings.set(finished.recording_id, { id: finished.recording_id, interaction_id: this.interactionId, state: 'finished', duration_ms: talk_ms, spans: [] });
      this.office.emit('recording.finished', finished);
    }
    this.close({ outcome: 'answered', talk_ms: Date.now() - answered, hold_ms: 0, hangup_by: 'caller', sip_status: 200 });
    return this;
  }

  /** Nobody answered. */
  miss(): this {
    this.office.missedBy(this.view.number, this.interactionId);
    this.say('call.missed', {});
    this.over('missed');
    this.close({ outcome: 'abandoned', talk_ms: 0, hold_ms: 0, ringing_ms: 6_000, hangup_by: 'caller', sip_status: 487 });
    return this;
  }

  /** A colleague has it instead. */
  elsewhere(taken_by: string | null): this {
    this.over('elsewhere', { taken_by });
    return this;
  }

  get view(): CallView {
    const view = this.office.calls.get(this.callId);
    if (!view) throw new Error('no call');
    return view;
  }

  say(type: string, change: Partial<CallView>): void {
    const view = { ...this.view, ...change };
    this.office.calls.set(this.callId, view);
    this.office.emit(type, view);
  }

  change(type: string, change: Partial<Pop>): void {
    const pop = { ...this.pop, ...change, version: this.pop.version + 1 };
    this.office.pops.set(this.popId, pop);
    this.office.emit(type, pop);
  }

  know(change: Partial<Interaction>): void {
    const interaction = this.office.interactions.get(this.interactionId);
    if (interaction) this.office.interactions.set(this.interactionId, { ...interaction, ...change });
  }

  private over(state: PopState, more: Partial<Pop> = {}): void {
    this.say('call.ended', { state: 'ended', held_by: null, transfer: null });
    this.office.calls.delete(this.callId);
    this.change('pop.retracted', { state, ...more });
    this.office.emit('agent.state_changed', { user_id: ANNA.id, state: 'available', call_id: null });
  }

  private close(change: Partial<Interaction>): void {
    this.know({ ...change, state: 'ended', ended_at: stamp() });
    this.office.emit('interaction.closed', this.office.interactions.get(this.interactionId) ?? {});
  }
}
