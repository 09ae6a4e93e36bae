// What the agent does with the call from the panel: each wish is asked once, what was refused is said, and what is opened
// for a call stays open while another one rings.

import { ApiError, api } from './api.ts';
import type { Failure } from './course.ts';
import type { CallView, TransferWish } from './wire.ts';
import type { Said } from './who.ts';

/** Why nothing was done: words of the page, or the server's own where the page has none. */
export type Refusal = Said | string;
export type Box = 'transfer' | 'keypad';

/** A press so soon after the last one, or after the buttons changed their meaning, was meant for what was there before. */
const TOO_SOON_MS = 500;
/** So long a wish that was taken may take to show. */
const LATE_MS = 3_000;

const REFUSED: Readonly<Record<string, Said['key']>> = {
  not_talking: 'over.refused.not_talking',
  on_desk_phone: 'over.refused.on_desk_phone',
  transfer_under_way: 'over.refused.under_way',
  no_transfer: 'over.refused.no_transfer',
  same_user: 'over.refused.same_user',
  user_in_call: 'over.refused.user_in_call',
  no_device: 'over.refused.no_device',
  phone_absent: 'over.refused.phone_absent',
  barred: 'over.refused.barred',
  no_dtmf: 'over.refused.no_dtmf',
};

/** Why a wish was refused. */
export function refusalOf(error: unknown): Refusal {
  if (!(error instanceof ApiError)) return { key: 'over.refused.failed' };
  const key = error.key === null ? undefined : REFUSED[error.key];
  if (key !== undefined) return { key };
  if (error.status === 404) return { key: 'over.refused.gone' };
  if (error.status === 422 && error.field === 'to') return { key: 'dial.refused.number' };
  if (error.status === 429) return { key: 'dial.refused.too_many' };
  return error.status === 403 || error.status === 409 || error.status === 422 ? error.message : { key: 'over.refused.failed' };
}

export class Handling {
  /** The wish that was sent and has not shown yet. */
  private asking = $state.raw<{ callId: string } | null>(null);
  private late: ReturnType<typeof setTimeout> | undefined;
  private refused = $state.raw<{ callId: string; why: Refusal } | null>(null);
  private opened = $state.raw<{ callId: string; box: Box } | null>(null);
  /** A failure that needs no words any more, or is none: the transfer was given up. */
  private dismissed = $state.raw<Failure | null>(null);
  /** The call whose transfer is being given up, in this tab or in another. */
  private givenUp: string | null = null;
  /** A button has just been pressed, or has just become another. */
  private fresh = $state(false);
  private freshness: ReturnType<typeof setTimeout> | undefined;
  private readonly tabs: BroadcastChannel;

  constructor(userId: string) {
    this.tabs = new BroadcastChannel(`linecard.${userId}.given_up`);
    this.tabs.onmessage = ({ data }: MessageEvent<string>) => (this.givenUp = data);
  }

  stop(): void {
    clearTimeout(this.late);
    clearTimeout(this.freshness);
    this.tabs.close();
  }

  /** Whether a press would do nothing now. */
  get deaf(): boolean {
    return this.asking !== null || this.fresh;
  }

  refusal(callId: string): Refusal | null {
    return this.refused?.callId === callId ? this.refused.why : null;
  }

  box(callId: string): Box | null {
    return this.opened?.callId === callId ? this.opened.box : null;
  }

  /** What is still to be said of a transfer that failed. */
  untold(failed: Failure | null): Failure | null {
    return failed === this.dismissed ? null : failed;
  }

  toggle(callId: string, box: Box): void {
    this.refused = null;
    this.opened = this.box(callId) === box ? null : { callId, box };
  }

  close(): void {
    this.opened = null;
    this.refused = null;
  }

  /** What was refused is being written anew. */
  forget(): void {
    this.refused = null;
  }

  hold(call: CallView): Promise<boolean> {
    return this.ask(call, null, () => api.hold(call.call_id));
  }

  /** Takes the customer back, from hold or from a transfer under way. */
  async retrieve(call: CallView, failed: Failure | null): Promise<boolean> {
    const taken = this.ask(call, failed, () => {
      if (call.transfer) this.giveUp(call.call_id);
      return api.retrieve(call.call_id);
    });
    if (!(await taken) && this.givenUp === call.call_id) this.givenUp = null;
    return taken;
  }

  transfer(call: CallView, wish: TransferWish, failed: Failure | null): Promise<boolean> {
    return this.ask(call, failed, () => api.transfer(call.call_id, wish));
  }

  complete(call: CallView): Promise<boolean> {
    return this.ask(call, null, () => api.transfer(call.call_id, { to: null, user_id: null, kind: 'attended' }));
  }

  /** A frame has told how a call is. */
  heard(before: CallView, after: CallView, failed: Failure | null): void {
    const id = after.call_id;
    const shown = ({ state, held_by, transfer }: CallView): string => JSON.stringify([state, held_by, transfer]);
    if (shown(before) !== shown(after)) {
      this.freshen();
      if (this.asking?.callId === id) this.settle();
    }
    if (this.givenUp !== id || (before.transfer && after.transfer)) return;
    if (!after.transfer && failed !== null) this.dismissed = failed;
    this.givenUp = null;
  }

  private giveUp(callId: string): void {
    this.givenUp = callId;
    this.tabs.postMessage(callId);
  }

  /** Sends a wish; tells whether it was taken. */
  private async ask({ call_id: callId }: CallView, failed: Failure | null, send: () => Promise<unknown>): Promise<boolean> {
    if (this.deaf) return false;
    this.freshen();
    if (failed) this.dismissed = failed;
    this.refused = null;
    const mine = { callId };
    this.asking = mine;
    try {
      await send();
      if (this.asking === mine) this.late = setTimeout(() => this.settle(), LATE_MS);
      return true;
    } catch (error) {
      if (this.asking === mine) this.settle();
      this.refused = { callId, why: refusalOf(error) };
      return false;
    }
  }

  private settle(): void {
    clearTimeout(this.late);
    this.asking = null;
  }

  private freshen(): void {
    clearTimeout(this.freshness);
    this.fresh = true;
    this.freshness = setTimeout(() => (this.fresh = false), TOO_SOON_MS);
  }
}
