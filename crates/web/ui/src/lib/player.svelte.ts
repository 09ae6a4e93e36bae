// Which recording the player at the bottom holds.

import type { Interaction } from './wire.ts';

export interface Playing {
  recordingId: string;
  interaction: Interaction;
  /** Rises with each press of a play button, so that the same recording starts again. */
  press: number;
}

let current = $state.raw<Playing | null>(null);
let presses = 0;

export const player = {
  get playing(): Playing | null {
    return current;
  },
  play(interaction: Interaction, recordingId: string): void {
    presses += 1;
    current = { recordingId, interaction, press: presses };
  },
  close(): void {
    current = null;
  },
};
