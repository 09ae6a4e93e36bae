// The live board: what the frames say of people and calls, in an order that no frame changes. Pure.

import type { AgentView, CallView, Person, Standing } from './wire.ts';

export type Doing = 'talking' | 'held' | 'handing' | 'ringing' | 'idle' | 'lineless';

export interface AgentRow {
  id: string;
  name: string;
  doing: Doing;
  /** The call that makes it so. */
  call: CallView | null;
  /** Further calls of the same person. */
  more: number;
}

export interface Board {
  agents: AgentRow[];
  /** Calls that nobody on the board has. */
  others: CallView[];
  /** Lines that no call comes in by. */
  down: Standing[];
}

const begun = (a: CallView, b: CallView): number => (a.started_at < b.started_at ? -1 : a.started_at > b.started_at ? 1 : a.call_id < b.call_id ? -1 : 1);
/** Whether somebody has a customer on the line, whatever is done with that one at the moment. */
export const inTalk = (doing: Doing): boolean => doing === 'talking' || doing === 'held' || doing === 'handing';

/** What the one who has a call does in it. */
export function doingOf({ state, transfer }: CallView): Doing {
  // Nobody took the customer over, and the agent is rung again.
  if (transfer?.kind === 'recall') return 'ringing';
  if (transfer) return 'handing';
  if (state === 'held') return 'held';
  return state === 'answered' ? 'talking' : 'ringing';
}

/** What somebody does in a call that is a colleague's until it is handed over. */
const doingAsOther = ({ transfer }: CallView): Doing => (transfer?.stage === 'talking' ? 'talking' : 'ringing');

const isTalk = ({ state }: CallView): boolean => state === 'answered' || state === 'held';

/** People stand by name whatever they do, calls by when they began, lines by name. */
export function boardOf(
  people: readonly Person[],
  standings: readonly Standing[],
  agents: Readonly<Record<string, AgentView>>,
  calls: Readonly<Record<string, CallView>>,
): Board {
  const live = Object.values(calls).filter(({ state }) => state !== 'ended').sort(begun);
  const known = new Set(people.map(({ id }) => id));
  // Whoever has handed a customer over to a number is free, and the talk is still told as theirs.
  const isLeft = (call: CallView): boolean => isTalk(call) && call.user_id !== null && agents[call.user_id]?.state === 'available';
  const rows = people.map(({ id, name }): AgentRow => {
    const own = live.filter((call) => (call.user_id === id && !isLeft(call)) || call.transfer?.user_id === id);
    const call = own.find(({ call_id }) => call_id === agents[id]?.call_id) ?? own.find(isTalk) ?? own[0] ?? null;
    const works = id in agents || standings.some(({ user_id }) => user_id === id);
    const doing = call ? (call.user_id === id ? doingOf(call) : doingAsOther(call)) : works ? 'idle' : 'lineless';
    return { id, name, doing, call, more: Math.max(0, own.length - 1) };
  });
  return {
    agents: rows,
    others: live.filter((call) => call.user_id === null || !known.has(call.user_id) || isLeft(call)),
    down: standings.filter(({ state }) => state !== 'registered'),
  };
}

/** Since when a call is as it is shown: talked since the answer, ringing since it came. */
export function sinceOf(call: CallView): number {
  return Date.parse(isTalk(call) ? (call.answered_at ?? call.started_at) : call.started_at);
}
