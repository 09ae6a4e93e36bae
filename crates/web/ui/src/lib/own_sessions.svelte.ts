// Where oneself is logged in.

import { api } from './api.ts';
import type { ListState } from './calls.svelte.ts';
import type { OpenSession } from './wire.ts';

let now = $state.raw<{ state: ListState; items: OpenSession[] }>({ state: 'loading', items: [] });

export function ownSessions(): { state: ListState; items: OpenSession[] } {
  return now;
}

export async function readSessions(): Promise<void> {
  if (now.state === 'failed') now = { state: 'loading', items: [] };
  try {
    now = { state: 'ready', items: (await api.sessions()).items };
  } catch {
    now = { state: 'failed', items: [] };
  }
}

export async function endSession(id: string): Promise<void> {
  await api.endSession(id);
  now = { ...now, items: now.items.filter((session) => session.id !== id) };
}

export async function endOtherSessions(): Promise<void> {
  await api.endOtherSessions();
  sessionsEnded();
}

/** All others are over. */
export function sessionsEnded(): void {
  now = { ...now, items: now.items.filter(({ current }) => current) };
}
