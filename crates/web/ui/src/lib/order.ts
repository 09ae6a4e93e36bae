// The orders of a list of calls, as the address says them and as the server sorts: by when a call began or by how long
// was talked, and by the id between those that are alike.

import type { Interaction } from './wire.ts';

export const CALL_ORDERS = ['newest', 'oldest', 'longest', 'shortest'] as const;
export type CallOrder = (typeof CALL_ORDERS)[number];

export function callOrderOf(params: URLSearchParams): CallOrder {
  return CALL_ORDERS.find((one) => one === params.get('sort')) ?? 'newest';
}

/** The order as an address or a request has it: the usual one goes without saying. */
export function saidOrder(order: CallOrder): CallOrder | null {
  return order === 'newest' ? null : order;
}

/** Tells whether a place in an order stays the same from the call's beginning on. */
export function isByBeginning(order: CallOrder): boolean {
  return order === 'newest' || order === 'oldest';
}

function compared(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Which of two comes first. */
export function compare(order: CallOrder, a: Interaction, b: Interaction): number {
  const up = isByBeginning(order) ? compared(a.started_at, b.started_at) : compared(a.talk_ms ?? 0, b.talk_ms ?? 0);
  const by = up === 0 ? compared(a.id, b.id) : up;
  return order === 'oldest' || order === 'shortest' ? by : -by;
}

/** In order, each once; a later reading of the same one wins. */
export function merged(order: CallOrder, ...lists: Interaction[][]): Interaction[] {
  const byId = new Map(lists.flat().map((item) => [item.id, item]));
  return [...byId.values()].sort((a, b) => compare(order, a, b));
}

export interface Placed {
  items: Interaction[];
  /** How many came in that the list had not counted. */
  added: number;
  /** Whether only the server knows how many there are now. */
  unsure: boolean;
}

/**
 * Puts those that came by event where they belong among the rows that were read; `end` is the last row of the last page,
 * null when all were read. What belongs further down comes with its page.
 */
export function placed(order: CallOrder, items: Interaction[], fresh: Interaction[], end: Interaction | null): Placed {
  const known = new Set(items.map(({ id }) => id));
  const within = (one: Interaction): boolean => end === null || compare(order, one, end) <= 0;
  const strangers = fresh.filter(({ id }) => !known.has(id));
  // By its length a call may have stood further down while it was live, and was counted there.
  const isSure = (one: Interaction): boolean => end === null || (isByBeginning(order) && within(one));
  return {
    items: merged(order, items, fresh).filter(within),
    added: strangers.filter(isSure).length,
    unsure: !strangers.every(isSure),
  };
}
