// Where telephones are that register at the server, as events tell it; newer than what a page has read.

import type { DeviceView } from './wire.ts';

export class Registered {
  private told = $state.raw<Readonly<Record<string, DeviceView>>>({});

  stands(view: DeviceView): void {
    this.told = { ...this.told, [view.device_id]: view };
  }

  /** What pages read from now on is newer. */
  forget(): void {
    this.told = {};
  }

  of(deviceId: string): DeviceView | null {
    return this.told[deviceId] ?? null;
  }
}
