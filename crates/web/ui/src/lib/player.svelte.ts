// Which recording the player at the bottom holds, and how this browser plays.

import { store, stored } from './storage.ts';
import type { Interaction } from './wire.ts';

export interface Playing {
  recordingId: string;
  interaction: Interaction;
  /** Rises with each press of a play button, so that the same recording starts again. */
  press: number;
}

const SPEEDS = [1, 1.25, 1.5, 2];

let current = $state.raw<Playing | null>(null);
let speed = $state(SPEEDS.find((one) => String(one) === stored('player.speed')) ?? 1);
let skipsSilence = $state(stored('player.silence') === 'skip');
let presses = 0;

export const player = {
  get playing(): Playing | null {
    return current;
  },
  get speed(): number {
    return speed;
  },
  get skipsSilence(): boolean {
    return skipsSilence;
  },
  play(interaction: Interaction, recordingId: string): void {
    presses += 1;
    current = { recordingId, interaction, press: presses };
  },
  close(): void {
    current = null;
  },
  /** The next speed; after the fastest the slowest. */
  faster(): void {
    speed = SPEEDS[(SPEEDS.indexOf(speed) + 1) % SPEEDS.length] ?? 1;
    store('player.speed', speed === 1 ? null : String(speed));
  },
  skipSilence(on: boolean): void {
    skipsSilence = on;
    store('player.silence', on ? 'skip' : null);
  },
};
