// The live board: what the frames say of people and calls, in an order that no frame changes. Pure.

import type { AgentView, CallView, Person, Standing } from './wire.ts';

export type Doing = 'talking' | 'ringing' | 'idle' | 'lineless';

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
  const rows = people.map(({ id, name }): AgentRow => {
    const own = live.filter(({ user_id }) => user_id === id);
    const call = own.find(({ call_id }) => call_id === agents[id]?.call_id) ?? own.find(isTalk) ?? own[0] ?? null;
    const works = id in agents || standings.some(({ user_id }) => user_id === id);
    const doing = call ? (isTalk(call) ? 'talking' : 'ringing') : works ? 'idle' : 'lineless';
    return { id, name, doing, call, more: Math.max(0, own.length - 1) };
  });
  return {
    agents: rows,
    others: live.filter(({ user_id }) => user_id === null || !known.has(user_id)),
    down: standings.filter(({ state }) => state !== 'registered'),
  };
}

/** Since when a call is as it is shown: talked since the answer, ringing since it came. */
export function sinceOf(call: CallView): number {
  return Date.parse(isTalk(call) ? (call.answered_at ?? call.started_at) : call.started_at);
}
