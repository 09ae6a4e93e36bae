// What the server says, folded into one value: a pure `(state, frame) -> state`. It decides nothing and knows no time.

import { followed } from './course.ts';
import type { Course } from './course.ts';
import { epochOf } from './wire.ts';
import type { AgentView, CallFrame, CallView, EventFrame, Outcome, Pop, RecordingView, SnapshotFrame, StateFrame } from './wire.ts';

export interface DeskState {
  /** The place of the last frame taken in; null before the first snapshot. */
  readonly cursor: string | null;
  readonly seq: number;
  readonly calls: Readonly<Record<string, CallView>>;
  readonly pops: Readonly<Record<string, Pop>>;
  /** When the first frame of a pop was numbered, in ms; a pop of a snapshot has none. */
  readonly shownAt: Readonly<Record<string, number>>;
  /** By call: the last recording heard of. */
  readonly recordings: Readonly<Record<string, RecordingView>>;
  readonly agents: Readonly<Record<string, AgentView>>;
  /** By call: how the last ones went. */
  readonly outcomes: Readonly<Record<string, Outcome>>;
  /** By call: how the talk goes, and of the last ones handed over to whom. */
  readonly courses: Readonly<Record<string, Course>>;
  /** As of the snapshot; what came since is in the list. */
  readonly missedOpen: number;
}

export const EMPTY: DeskState = {
  cursor: null,
  seq: -1,
  calls: {},
  pops: {},
  shownAt: {},
  recordings: {},
  agents: {},
  outcomes: {},
  courses: {},
  missedOpen: 0,
};

/** So many withdrawn pops are kept, so that a late older version of one is still known to be old. */
const OVER_KEPT = 20;

export function isOver(pop: Pop): boolean {
  return pop.state === 'elsewhere' || pop.state === 'missed' || pop.state === 'ended';
}

export function reduce(state: DeskState, frame: StateFrame): DeskState {
  if (frame.type === 'snapshot') return fromSnapshot(frame);
  if (state.cursor === null || epochOf(frame.cursor) !== epochOf(state.cursor) || frame.seq <= state.seq) return state;
  return { ...take(state, frame), cursor: frame.cursor, seq: frame.seq };
}

function fromSnapshot({ cursor, seq, data }: SnapshotFrame): DeskState {
  return {
    cursor,
    seq,
    calls: Object.fromEntries(data.calls.map((call) => [call.call_id, call])),
    pops: Object.fromEntries(data.pops.map((pop) => [pop.pop_id, pop])),
    shownAt: {},
    recordings: {},
    agents: Object.fromEntries(data.agents.map((agent) => [agent.user_id, agent])),
    outcomes: {},
    courses: {},
    missedOpen: data.missed_open,
  };
}

function take(state: DeskState, frame: EventFrame): DeskState {
  switch (frame.type) {
    case 'call.created':
    case 'call.ringing':
    case 'call.answered':
    case 'call.held':
    case 'call.retrieved':
    case 'call.transferred':
    case 'call.updated':
    case 'call.quality':
      return withCall(state, frame);
    case 'call.missed':
    case 'call.ended':
      return frame.data.state === 'ended' ? withoutCall(state, frame.data) : state;
    case 'pop.shown':
    case 'pop.updated':
    case 'pop.retracted':
      return withPop(state, frame.data, Date.parse(frame.timestamp));
    case 'recording.started':
    case 'recording.paused':
    case 'recording.resumed':
    case 'recording.finished':
      return { ...state, recordings: { ...state.recordings, [frame.data.call_id]: frame.data } };
    case 'agent.state_changed':
      return { ...state, agents: { ...state.agents, [frame.data.user_id]: frame.data } };
    case 'missed.opened':
    case 'missed.claimed':
    case 'missed.closed':
    case 'registration.changed':
    case 'device.changed':
    case 'interaction.closed':
      return state;
    case 'other':
      return state;
  }
}

function withCall(state: DeskState, { type, data, timestamp }: CallFrame): DeskState {
  const { call_id: id } = data;
  const course = followed(state.courses[id], state.calls[id], data, Date.parse(timestamp), type === 'call.transferred');
  return { ...state, calls: { ...state.calls, [id]: data }, courses: { ...state.courses, [id]: course } };
}

function withPop(state: DeskState, pop: Pop, at: number): DeskState {
  const known = state.pops[pop.pop_id];
  if (known && (known.version >= pop.version || (isOver(known) && !isOver(pop)))) return state;
  const shownAt = known ? state.shownAt : { ...state.shownAt, [pop.pop_id]: at };
  return pruned({ ...state, pops: { ...state.pops, [pop.pop_id]: pop }, shownAt });
}

function withoutCall(state: DeskState, { call_id: callId, outcome }: CallView): DeskState {
  const { [callId]: _call, ...calls } = state.calls;
  const { [callId]: _recording, ...recordings } = state.recordings;
  const courses = coursesAfter(state, callId, calls);
  if (!outcome) return { ...state, calls, recordings, courses };
  const known = Object.entries(state.outcomes).slice(-OVER_KEPT);
  return { ...state, calls, recordings, courses, outcomes: { ...Object.fromEntries(known), [callId]: outcome } };
}

/** Of calls that are over only to whom the last ones were handed over. */
function coursesAfter({ courses }: DeskState, over: string, calls: DeskState['calls']): DeskState['courses'] {
  const { [over]: course, ...others } = courses;
  const live = Object.entries(others).filter(([id]) => id in calls);
  const handed = Object.entries(others).filter(([id]) => !(id in calls));
  if (course && course.handedTo !== null) handed.push([over, course]);
  return Object.fromEntries([...handed.slice(-OVER_KEPT), ...live]);
}

/** Whether a user asked for the call of a pop; to whom it is handed over it comes like any other. */
export function isAsked(pop: Pop): boolean {
  return pop.direction !== 'inbound' && !pop.transferred_by;
}

/** How far a call has come that a person asked for: the own phone rings, the number is dialled, it rings there. */
export type DialStep = 'phone' | 'dialling' | 'ringing';

export function dialStepOf(call: CallView | undefined): DialStep {
  // Who dials on a desk phone has it in the hand.
  if (call?.watched === true) return 'ringing';
  const agentIsThere = call?.legs.some(({ party, state }) => party === 'agent' && (state === 'answered' || state === 'held')) ?? false;
  if (!agentIsThere) return 'phone';
  const rings = call?.legs.some(({ party, state }) => party === 'customer' && state !== 'offered') ?? false;
  return rings ? 'ringing' : 'dialling';
}

function pruned(state: DeskState): DeskState {
  const over = Object.values(state.pops).filter(isOver);
  if (over.length <= OVER_KEPT) return state;
  const gone = new Set(over.slice(0, over.length - OVER_KEPT).map((pop) => pop.pop_id));
  const keep = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(record).filter(([id]) => !gone.has(id)));
  return { ...state, pops: keep(state.pops), shownAt: keep(state.shownAt) };
}

/** The live pops of one user: the talk first, then the ringing ones in the order they came. */
export function livePops(state: DeskState, userId: string): Pop[] {
  const own = Object.values(state.pops).filter((pop) => pop.user_id === userId && !isOver(pop));
  const rank = (pop: Pop): number => (pop.state === 'mine' ? 0 : 1);
  return own.sort((a, b) => rank(a) - rank(b) || (a.pop_id < b.pop_id ? -1 : 1));
}

/** Tells whether a call is being recorded, as far as the events said. */
export function isRecording(state: DeskState, callId: string): boolean {
  return state.recordings[callId]?.state === 'recording';
}
