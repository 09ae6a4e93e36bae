// Calls that a person asks for: the wish, why it was refused, and the line to choose when there are several.

import type { Key } from '../i18n/en.ts';
import { api, ApiError } from './api.ts';
import type { Choice } from './api.ts';

export interface Wish {
  to: string;
  contactId: string | null;
}

/** Words of the server's refusals that say more than their status. */
const BARRED: [RegExp, Key][] = [
  [/\babroad\b/, 'dial.refused.abroad'],
  [/\bpremium-rate\b/, 'dial.refused.premium'],
];
const CONFLICTS: [RegExp, Key][] = [
  [/\bin a call\b/, 'dial.refused.in_call'],
  [/\bno phone\b/, 'dial.refused.no_phone'],
  [/\bnot registered\b/, 'over.refused.phone_absent'],
  [/\bno line\b/, 'dial.refused.no_line'],
];

/** Why a call was not started, in the page's words. */
export function refusalOf(error: unknown): Key {
  if (!(error instanceof ApiError)) return 'dial.refused.failed';
  const among = (list: [RegExp, Key][]): Key | undefined => list.find(([pattern]) => pattern.test(error.message))?.[1];
  if (error.status === 403 && error.field === 'to') return among(BARRED) ?? 'dial.refused.denied';
  if (error.status === 409) return among(CONFLICTS) ?? 'dial.refused.failed';
  if (error.status === 422 && error.field === 'to') return 'dial.refused.number';
  return error.status === 429 ? 'dial.refused.too_many' : 'dial.refused.failed';
}

export class Dialler {
  /** Told of each call under way and whom the person said it is with. */
  onDialled: (interactionId: string, contactId: string | null) => void = () => undefined;
  /** What is being typed; a call that comes meanwhile loses none of it. */
  text = $state('');
  busy = $state(false);
  trouble = $state<Key | null>(null);
  /** The lines to choose from, for the wish that waits. */
  lines = $state.raw<{ wish: Wish; choices: Choice[] } | null>(null);

  /** Asks for a call; tells whether it is under way. */
  async dial(wish: Wish, lineId: string | null = null): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.clear();
    try {
      const { interaction_id } = await api.dial({ to: wish.to, contact_id: wish.contactId, line_id: lineId });
      this.onDialled(interaction_id, wish.contactId);
      return true;
    } catch (error) {
      const choices = error instanceof ApiError && error.field === 'line_id' ? error.choices : [];
      if (choices.length > 0) this.lines = { wish, choices };
      else this.trouble = refusalOf(error);
      return false;
    } finally {
      this.busy = false;
    }
  }

  clear(): void {
    this.trouble = null;
    this.lines = null;
  }
}
