// The desk of one logged-in user: the events, what is on the screen because of them, and the calls so far.

import { api } from './api.ts';
import { noteServerTime, serverNow } from './clock.svelte.ts';
import { Contacts } from './contacts.svelte.ts';
import { Dialler } from './dialler.svelte.ts';
import { followPointer, notesInPanel, someoneDials, someonePoints, someoneTypes } from './editing.ts';
import { EventStream } from './events.ts';
import type { Connection } from './events.ts';
import { Handling } from './handling.svelte.ts';
import { Leader } from './leader.ts';
import { Lines } from './lines.svelte.ts';
import { MissedCallers } from './missed.svelte.ts';
import { Nobody } from './nobody.svelte.ts';
import { Notes } from './notes.svelte.ts';
import { People } from './people.svelte.ts';
import { Standings } from './standings.svelte.ts';
import { Registered } from './registered.svelte.ts';
import { EMPTY, dialStepOf, isAsked, isOver, isRecording, livePops, reduce } from './state.ts';
import type { DeskState, DialStep } from './state.ts';
import { Introductions, withNumber } from './introductions.ts';
import type { Newcomer } from './introductions.ts';
import type { Chosen } from './who.ts';
import type { Course } from './course.ts';
import type { CallView, Interaction, MissedItem, Outcome, Pop, StateFrame, User } from './wire.ts';

/** How long "answered elsewhere" stays. */
export const FOLD_MS = 3_000;

/** So long after a failure what a colleague noted is asked for again. */
const AGAIN_MS = 2_000;

/** A pop that is over and still on the screen. */
export interface Closing {
  pop: Pop;
  at: number;
  /** The talk's length as counted here, until the interaction says it exactly. */
  talkMs: number | null;
}

export class Desk {
  readonly contacts = new Contacts();
  readonly missed = new MissedCallers();
  readonly dialler = new Dialler();
  readonly lines = new Lines();
  readonly people = new People();
  readonly standings = new Standings();
  readonly registered = new Registered();
  readonly notes: Notes;
  readonly handling: Handling;
  readonly introductions = new Introductions();
  private readonly nobody = new Nobody();
  readonly leader = new Leader();
  state = $state.raw<DeskState>(EMPTY);
  connection = $state<Connection>('connecting');
  closing = $state.raw<Closing | null>(null);
  /** Somebody still writes the note of the ended call: the next one waits below it. */
  private holding = $state(false);
  /** The pop whose card is in the work area. */
  card = $state.raw<Pop | null>(null);
  /** The pop whose card is offered by the bar. */
  offered = $state.raw<Pop | null>(null);
  /** Who wants each interaction that comes by event; several may come at once, and none may be lost. */
  private readonly listeners = new Set<(interaction: Interaction) => void>();
  /** Rises with each snapshot: lists read themselves anew. */
  refreshes = $state(0);
  /** Interactions read or amended here, by id. */
  private known = $state.raw<Readonly<Record<string, Interaction>>>({});
  /** Calls that REST said are recorded, for a page that missed the event. */
  private recorded = $state.raw<ReadonlySet<string>>(new Set());
  /** When one call took the place of another in the panel (`performance.now`). */
  replacedAt = -Infinity;
  private readonly acked = new Map<string, number>();
  private readonly arrivals = new Map<string, number>();
  /** The other tabs of this user: no event tells what was amended while the call goes on. */
  private readonly tabs: BroadcastChannel;
  private readonly stream: EventStream;
  private fold: ReturnType<typeof setTimeout> | undefined;
  private again: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly user: User,
    onLogInNeeded: () => void,
  ) {
    this.dialler.onDialled = (id, contactId) => {
      // The pop does not tell which of several contacts was clicked.
      if (contactId !== null) void api.interaction(id).then((found) => this.amended(found), () => undefined);
    };
    this.handling = new Handling(user.id);
    this.notes = new Notes(user.id, (interaction) => this.amended(interaction));
    this.tabs = new BroadcastChannel(`linecard.${user.id}`);
    this.tabs.onmessage = ({ data }: MessageEvent<Interaction>) => this.learn(data);
    const scheme = window.location.protocol === 'https:' ? 'wss' : 'ws';
    this.stream = new EventStream({
      url: `${scheme}://${window.location.host}/api/v1/events`,
      open: (url) => new WebSocket(url),
      onFrame: (frame, arrivedAt) => this.take(frame, arrivedAt),
      onConnection: (connection) => this.connected(connection),
      onLogInNeeded,
    });
  }

  start(): () => void {
    const wake = (): void => {
      if (!document.hidden) this.stream.wake();
    };
    const lost = (): void => this.stream.networkLost();
    document.addEventListener('visibilitychange', wake);
    window.addEventListener('online', wake);
    window.addEventListener('offline', lost);
    this.stream.start();
    const unfollow = followPointer();
    return () => {
      unfollow();
      document.removeEventListener('visibilitychange', wake);
      window.removeEventListener('online', wake);
      window.removeEventListener('offline', lost);
      clearTimeout(this.fold);
      this.stream.stop();
      this.leader.stop();
      this.tabs.close();
      this.notes.stop();
      this.handling.stop();
      clearTimeout(this.again);
    };
  }

  get pops(): Pop[] {
    return livePops(this.state, this.user.id);
  }

  /** What the call panel is about: a live pop before one that is over, unless its note is being written. */
  get current(): Pop | null {
    if (this.holding && this.closing) return this.closing.pop;
    return this.pops[0] ?? this.closing?.pop ?? null;
  }

  /** Tells a list of each interaction that is closed or amended, until the returned function is called. */
  onClosed(listener: (interaction: Interaction) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  interaction(id: string): Interaction | null {
    return this.known[id] ?? null;
  }

  /** The customer that a user said it is, or that it is none of the candidates. */
  chosenContact(interactionId: string): Chosen | null {
    const id = this.known[interactionId]?.contact_id ?? null;
    if (id === null) return this.nobody.has(interactionId) ? { id, contact: null } : null;
    return { id, contact: this.contacts.ref(id) };
  }

  isRecorded(callId: string): boolean {
    return isRecording(this.state, callId) || (this.recorded.has(callId) && !(callId in this.state.recordings));
  }

  /** How many calls run on a line, as far as this user may see them. */
  callsOn(lineId: string): number {
    return Object.values(this.state.calls).filter(({ line_id }) => line_id === lineId).length;
  }

  /** How many calls a user has now, as far as this desk sees them. */
  callsOf(userId: string): number {
    return Object.values(this.state.calls).filter(({ user_id }) => user_id === userId).length;
  }

  /** When it began to ring, in ms. */
  ringingSince(pop: Pop): number | null {
    const call = this.state.calls[pop.call_id];
    const shown = this.state.shownAt[pop.pop_id] ?? null;
    // The customer has been in the call for long when a colleague is rung, or the agent once more.
    return call && !pop.transferred_by && !this.isRecalled(pop) ? Date.parse(call.started_at) : shown;
  }

  talkingSince(pop: Pop): number | null {
    const answered = this.state.calls[pop.call_id]?.answered_at;
    return answered ? Date.parse(answered) : null;
  }

  /** How far a call has come that this user asked for; null for a caller's. */
  dialStep(pop: Pop): DialStep | null {
    return !isAsked(pop) || pop.state !== 'ringing' || this.isRecalled(pop) ? null : dialStepOf(this.state.calls[pop.call_id]);
  }

  /** How a call went, as soon as that is known. */
  outcomeOf(pop: Pop): Outcome | null {
    return this.state.outcomes[pop.call_id] ?? this.known[pop.interaction_id]?.outcome ?? null;
  }

  /** Whether the call goes on elsewhere, so that nothing can be done to it from here. */
  isWatched(pop: Pop): boolean {
    return this.state.calls[pop.call_id]?.watched ?? false;
  }

  isHeld(pop: Pop): boolean {
    return this.state.calls[pop.call_id]?.state === 'held';
  }

  /** The call of a pop, while it goes on. */
  callOf(pop: Pop): CallView | null {
    return this.state.calls[pop.call_id] ?? null;
  }

  /** Whether nobody took a customer over whom this user has left, so that the customer comes back. */
  isRecalled(pop: Pop): boolean {
    return this.callOf(pop)?.transfer?.kind === 'recall';
  }

  courseOf(pop: Pop): Course | null {
    return this.state.courses[pop.call_id] ?? null;
  }

  /** The call of a pop when this user is the one who talks in it, and it can be handled from here. */
  handled(pop: Pop): CallView | null {
    const call = this.callOf(pop);
    return pop.state === 'mine' && call !== null && !call.watched && call.user_id === this.user.id ? call : null;
  }

  /** A pop was drawn: the server is told once per version how long that took. */
  drawn(pop: Pop): void {
    if ((this.acked.get(pop.pop_id) ?? 0) >= pop.version) return;
    const arrivedAt = this.arrivals.get(`${pop.pop_id} ${pop.version}`);
    const renderedMs = arrivedAt === undefined ? 0 : Math.max(0, Math.round(performance.now() - arrivedAt));
    const frame = { type: 'pop.ack', pop_id: pop.pop_id, version: pop.version, rendered_ms: renderedMs };
    if (this.stream.send(frame)) this.acked.set(pop.pop_id, pop.version);
  }

  /** Nobody writes the ended call's note any more. */
  release(): void {
    this.holding = false;
  }

  dismiss(): void {
    this.holding = false;
    clearTimeout(this.fold);
    this.closing = null;
  }

  openCard(pop: Pop): void {
    this.card = pop;
    this.offered = null;
  }

  closeCard(): void {
    this.card = null;
  }

  dismissOffer(): void {
    this.offered = null;
  }

  async hangUp(pop: Pop): Promise<void> {
    await api.hangUp(pop.call_id);
  }

  /** Says who it is; null for none of the candidates. */
  /** What came of a call; null takes it back. */
  async dispose(interactionId: string, disposition: string | null): Promise<void> {
    this.amended(await api.amend(interactionId, { disposition }));
  }

  async choose(pop: Pop, contactId: string | null): Promise<void> {
    const amended = await api.amend(pop.interaction_id, { contact_id: contactId });
    this.nobody.set(pop.interaction_id, contactId === null);
    this.amended(amended);
  }

  /** The caller is somebody known, by a number that nobody knew: the contact gets it, and the call. */
  async recognise(pop: Pop, contactId: string): Promise<void> {
    if (pop.number !== null) this.contacts.put(await withNumber(contactId, pop.number));
    await this.contacts.readRef(contactId);
    await this.choose(pop, contactId);
  }

  /** An unknown caller becomes a contact, and this call's customer. */
  async introduce(pop: Pop, newcomer: Newcomer): Promise<void> {
    // A company's number is not one person's: with it, every call of the company would be this person's.
    const shared = pop.candidates.some(({ level }) => level === 'company');
    const contact = await this.introductions.contactOf(pop.interaction_id, shared ? null : pop.number, newcomer);
    this.contacts.put(contact);
    await this.contacts.readRef(contact.id);
    await this.choose(pop, contact.id);
    this.introductions.keep(pop.interaction_id, { name: '', company: '' });
  }

  private amended(interaction: Interaction): void {
    this.learn(interaction);
    this.tabs.postMessage(interaction);
  }

  learn(interaction: Interaction): void {
    const others = Object.entries(this.known).slice(-50);
    this.known = { ...Object.fromEntries(others), [interaction.id]: interaction };
    const chosen = interaction.contact_id;
    const named = Object.values(this.state.pops).some(({ candidates }) => candidates.some(({ contact }) => contact.id === chosen));
    if (chosen !== null && interaction.state === 'live' && !named) void this.contacts.readRef(chosen).catch(() => undefined);
  }

  /** Reads what the events do not tell about a call in progress: notes, the chosen customer, a running recording. */
  async readInteraction(pop: Pop): Promise<void> {
    clearTimeout(this.again);
    // A call that was seen from its start has nothing to tell, and a slow database may not have it yet. Of one that is
    // handed over a colleague may have noted something.
    if (pop.pop_id in this.state.shownAt && !pop.transferred_by) return;
    try {
      const interaction = await api.interaction(pop.interaction_id);
      this.learn(interaction);
      const last = interaction.recording_ids.at(-1);
      if (isOver(pop) || last === undefined || pop.call_id in this.state.recordings) return;
      if ((await api.recording(last)).state === 'recording') this.recorded = new Set([...this.recorded, pop.call_id]);
    } catch {
      // The panel is whole without it; notes are kept here and saved later. Those of a colleague are not to be lost.
      if (pop.transferred_by && this.known[pop.interaction_id] === undefined) this.again = setTimeout(() => void this.readInteraction(pop), AGAIN_MS);
    }
  }

  private connected(connection: Connection): void {
    this.connection = connection;
    if (connection === 'online') this.notes.flushAll();
  }

  private take(frame: StateFrame, arrivedAt: number): void {
    const before = this.state;
    const shown = this.current;
    this.state = reduce(before, frame);
    if (frame.type === 'snapshot') {
      this.refreshes += 1;
      this.registered.forget();
      void this.missed.read();
      void this.people.read();
      void this.standings.read();
      for (const pop of frame.data.pops) this.arrived(pop, arrivedAt);
    } else {
      noteServerTime(Date.parse(frame.timestamp));
      if (frame.type === 'interaction.closed') this.closed(frame.data);
      if (frame.type === 'registration.changed') {
        this.lines.stands(frame.data);
        this.standings.stands(frame.data);
      }
      if (frame.type === 'device.changed') this.registered.stands(frame.data);
      if (frame.type.startsWith('missed.')) this.missed.put(frame.data as MissedItem);
      if (frame.type.startsWith('pop.')) this.arrived(frame.data as Pop, arrivedAt);
      if (frame.type.startsWith('call.')) this.heard(before, frame.data as CallView);
    }
    this.follow(before);
    if (shown && this.current && this.current.pop_id !== shown.pop_id) this.replacedAt = performance.now();
  }

  private heard({ calls }: DeskState, call: CallView): void {
    const before = calls[call.call_id];
    const talks = before?.state === 'answered' || before?.state === 'held';
    if (talks && before.user_id === this.user.id) this.handling.heard(before, call, this.state.courses[call.call_id]?.failed ?? null);
  }

  private arrived(pop: Pop, arrivedAt: number): void {
    if (this.arrivals.size > 200) this.arrivals.clear();
    this.arrivals.set(`${pop.pop_id} ${pop.version}`, arrivedAt);
  }

  private closed(interaction: Interaction): void {
    this.learn(interaction);
    for (const listener of this.listeners) listener(interaction);
  }

  /** Compares the pops before and after a frame: what came, what went, what became of the card. */
  private follow(before: DeskState): void {
    const was = livePops(before, this.user.id);
    const is = this.pops;
    for (const pop of was) {
      if (is.some(({ pop_id }) => pop_id === pop.pop_id)) continue;
      const last = this.state.pops[pop.pop_id];
      // Whoever has handed a customer over still has a note to finish.
      if (last && this.gave(pop, before)) this.over({ ...last, state: 'ended' }, before);
      else if (last) this.over(last, before);
      // A snapshot without it: what was a talk is over, what rang is nobody's business any more.
      else if (pop.state === 'mine') this.over({ ...pop, state: 'ended' }, before);
      else this.withdrawn(pop);
    }
    for (const pop of is) {
      if (!was.some(({ pop_id }) => pop_id === pop.pop_id)) this.came(pop);
      if (this.card?.pop_id === pop.pop_id && this.card !== pop) this.card = pop;
      if (this.offered?.pop_id === pop.pop_id && this.offered !== pop) this.offered = pop;
    }
  }

  /** Whether this user has handed over the customer of a pop that is gone. */
  private gave({ call_id: id }: Pop, before: DeskState): boolean {
    const transfer = this.state.courses[id]?.handedTo ?? before.calls[id]?.transfer;
    return transfer?.by === this.user.id;
  }

  private came(pop: Pop): void {
    if (this.closing && notesInPanel()) this.holding = true;
    this.dialler.clear();
    const busyCard = this.card !== null && this.pops.some(({ pop_id }) => pop_id === this.card?.pop_id);
    const asked = isAsked(pop) && someoneDials();
    if ((someoneTypes() && !asked) || someonePoints() || busyCard || this.pops[0]?.pop_id !== pop.pop_id) this.offered = pop;
    else this.openCard(pop);
  }

  private over(pop: Pop, before: DeskState): void {
    const written = this.holding || (this.current?.pop_id !== pop.pop_id && this.closing !== null && notesInPanel());
    if (written) return this.withdrawn(pop);
    if (pop.state === 'ended' && notesInPanel()) this.holding = true;
    const answered = before.calls[pop.call_id]?.answered_at;
    this.closing = { pop, at: serverNow(), talkMs: answered ? serverNow() - Date.parse(answered) : null };
    if (this.card?.pop_id === pop.pop_id) this.card = pop;
    if (this.offered?.pop_id === pop.pop_id) this.offered = null;
    clearTimeout(this.fold);
    if (pop.state === 'elsewhere') this.fold = setTimeout(() => this.foldElsewhere(pop), FOLD_MS);
  }

  private foldElsewhere(pop: Pop): void {
    if (this.closing?.pop.pop_id === pop.pop_id) this.closing = null;
    if (!someoneTypes() && !someonePoints()) this.withdrawn(pop);
  }

  private withdrawn(pop: Pop): void {
    if (this.card?.pop_id === pop.pop_id) this.card = null;
    if (this.offered?.pop_id === pop.pop_id) this.offered = null;
  }
}
