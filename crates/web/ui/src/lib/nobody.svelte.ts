// Calls of which a person said that the caller is none of the candidates: an interaction without a contact does not tell
// that from one that nobody has looked at. The ledger has it; the screen keeps it for the calls of the day.

import { store, stored } from './storage.ts';

const KEY = 'nobody';
const KEPT = 50;

export class Nobody {
  private ids = $state.raw<readonly string[]>(kept());

  has(interactionId: string): boolean {
    return this.ids.includes(interactionId);
  }

  set(interactionId: string, nobody: boolean): void {
    if (this.has(interactionId) === nobody) return;
    const others = kept().filter((id) => id !== interactionId);
    this.ids = nobody ? [...others, interactionId].slice(-KEPT) : others;
    store(KEY, JSON.stringify(this.ids));
  }
}

function kept(): string[] {
  try {
    const ids: unknown = JSON.parse(stored(KEY) ?? '[]');
    return Array.isArray(ids) ? ids.map(String) : [];
  } catch {
    return [];
  }
}
