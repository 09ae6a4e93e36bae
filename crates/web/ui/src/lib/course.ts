// How a talk goes: since when somebody holds it, what becomes of a transfer. Frames tell each of these only by following
// one another. Pure.

import type { CallView, Transfer } from './wire.ts';

/** Why nobody took a customer over, as far as the frames tell. */
export type Miss = 'silent' | 'refused' | 'left' | 'unreached';

/** A transfer that came to nothing. */
export interface Failure {
  to: Transfer;
  why: Miss;
}

export interface Course {
  /** Since when the customer waits or lets wait, in ms; null when nobody does, or when that began before this page. */
  heldSince: number | null;
  /** Since when the transfer is at its stage, in ms. */
  transferSince: number | null;
  /** What became of the last transfer, until the next one. */
  failed: Failure | null;
  /** Who talks with the customer instead. */
  handedTo: Transfer | null;
}

const STILL: Course = { heldSince: null, transferSince: null, failed: null, handedTo: null };

const isSame = (a: Transfer, b: Transfer): boolean => a.kind === b.kind && a.stage === b.stage && a.user_id === b.user_id && a.number === b.number;

/** The course after a frame about a call, numbered at `at`; `handed` when it says that somebody else talks now. */
export function followed(course: Course = STILL, before: CallView | undefined, after: CallView, at: number, handed: boolean): Course {
  const was = before?.transfer ?? null;
  const is = after.transfer ?? null;
  const wasHeld = before?.state === 'held';
  return {
    heldSince: after.state !== 'held' ? null : wasHeld ? course.heldSince : at,
    transferSince: is === null ? null : was !== null && isSame(was, is) ? course.transferSince : at,
    failed: failureOf(course, before, after, handed),
    handedTo: handed ? receiver(was, course) : is === null ? course.handedTo : null,
  };
}

/** Who has the customer now; an agent who was rung again has only got the own one back. */
function receiver(was: Transfer | null, { handedTo }: Course): Transfer | null {
  if (was === null) return handedTo;
  return was.kind === 'recall' ? null : was;
}

function failureOf({ failed }: Course, before: CallView | undefined, after: CallView, handed: boolean): Failure | null {
  const was = before?.transfer ?? null;
  const is = after.transfer ?? null;
  if (handed || after.state === 'ended') return null;
  // The agent who was rung again is no new transfer: what failed is what came before.
  if (is !== null && is.kind !== 'recall') return null;
  if (before === undefined || was === null || was.kind === 'recall') return failed;
  return { to: was, why: missOf(was, before, after) };
}

function missOf(was: Transfer, before: CallView, after: CallView): Miss {
  if (was.stage === 'talking') return 'left';
  const over = (state: string): boolean => state === 'cancelled' || state === 'rejected';
  const known = new Set(before.legs.filter(({ state }) => over(state)).map(({ leg_id }) => leg_id));
  const ends = after.legs.filter(({ leg_id, state }) => over(state) && !known.has(leg_id)).map(({ state }) => state);
  if (ends.includes('cancelled')) return 'silent';
  return ends.length > 0 ? 'refused' : 'unreached';
}
