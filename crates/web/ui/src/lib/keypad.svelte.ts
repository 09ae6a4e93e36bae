// The digits that are pressed while somebody talks: sent in order, never kept.

import { refusalOf } from './handling.svelte.ts';
import type { Refusal } from './handling.svelte.ts';

/** So many digits one request takes. */
const MOST = 64;

export class Keypad {
  /** What has been pressed since it was opened and was not refused. */
  sent = $state('');
  refused = $state.raw<Refusal | null>(null);
  private waiting = '';
  private sending = false;

  /** `send` takes 1 to 64 digits. */
  constructor(private readonly send: (digits: string) => Promise<unknown>) {}

  press(digit: string): void {
    this.refused = null;
    this.sent += digit;
    this.waiting += digit;
    if (!this.sending) void this.drain();
  }

  /** One request at a time, so that none overtakes another. */
  private async drain(): Promise<void> {
    this.sending = true;
    while (this.waiting !== '') {
      const digits = this.waiting.slice(0, MOST);
      this.waiting = this.waiting.slice(MOST);
      try {
        await this.send(digits);
      } catch (error) {
        this.refused = refusalOf(error);
        this.sent = this.sent.slice(0, this.sent.length - digits.length - this.waiting.length);
        this.waiting = '';
      }
    }
    this.sending = false;
  }
}

/** The digit that a key types; null for another key. */
export function digitOf(key: string): string | null {
  // The Russian layout has № where others have #.
  if (key === '№') return '#';
  return /^[0-9*#]$/.test(key) ? key : null;
}
