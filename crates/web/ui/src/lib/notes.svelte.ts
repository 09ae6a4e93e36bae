// Notes on the way to the server: kept in the browser until they are safe there, tried again until they are.

import { SvelteMap } from 'svelte/reactivity';
import { api, ApiError } from './api.ts';
import { ownKey, store, stored, storedKeys } from './storage.ts';
import type { Interaction } from './wire.ts';

export type NoteStatus = 'clean' | 'waiting' | 'saving' | 'saved' | 'failed';

const QUIET_MS = 700;
const RETRY_MS = 5_000;
/** So long another tab has to save what was typed there, before this one does. */
const OTHER_TAB_MS = 8_000;

interface Draft {
  text: string;
  status: NoteStatus;
  timer: ReturnType<typeof setTimeout> | undefined;
}

export class Notes {
  private readonly drafts = new SvelteMap<string, Draft>();

  constructor(
    private readonly userId: string,
    private readonly onSaved: (interaction: Interaction) => void,
  ) {
    for (const key of storedKeys(this.key(''))) {
      const text = stored(key);
      const id = key.slice(this.key('').length);
      if (text !== null) {
        this.drafts.set(id, { text, status: 'waiting', timer: undefined });
        void this.save(id);
      }
    }
    window.addEventListener('storage', this.otherTab);
  }

  /** Shows what another tab of this browser types, so that an old text here never goes over a newer one there. */
  private readonly otherTab = ({ key, newValue, oldValue }: StorageEvent): void => {
    const id = ownKey(key)?.split(this.key(''))[1];
    if (!id) return;
    if (newValue !== null) this.put(id, { text: newValue, status: 'waiting' }, OTHER_TAB_MS);
    else if (this.drafts.get(id)?.text === oldValue) this.put(id, { text: oldValue ?? '', status: 'saved' });
  };

  /** The unsaved or just saved text of an interaction; null when nothing was typed here. */
  text(id: string): string | null {
    return this.drafts.get(id)?.text ?? null;
  }

  status(id: string): NoteStatus {
    return this.drafts.get(id)?.status ?? 'clean';
  }

  /** Tells whether something typed is not yet safe. */
  get pending(): boolean {
    return [...this.drafts.values()].some(({ status }) => status === 'waiting' || status === 'saving');
  }

  edit(id: string, text: string): void {
    store(this.key(id), text);
    this.put(id, { text, status: 'waiting' }, QUIET_MS);
  }

  /** Saves at once what waits, as when the field is left. */
  flush(id: string): void {
    if (this.drafts.get(id)?.status === 'waiting') void this.save(id);
  }

  /** Tries again what failed, as when the connection is back. */
  flushAll(): void {
    for (const [id, { status }] of this.drafts) if (status === 'failed') void this.save(id);
  }

  stop(): void {
    window.removeEventListener('storage', this.otherTab);
    for (const { timer } of this.drafts.values()) clearTimeout(timer);
  }

  private async save(id: string): Promise<void> {
    const draft = this.drafts.get(id);
    if (!draft || draft.status === 'saving') return;
    const { text } = draft;
    this.put(id, { text, status: 'saving' });
    try {
      this.onSaved(await api.amend(id, { notes: text }));
    } catch (error) {
      this.refused(id, error);
      return;
    }
    const now = this.drafts.get(id);
    if (now && now.text !== text) return;
    store(this.key(id), null);
    this.put(id, { text, status: 'saved' });
  }

  private refused(id: string, error: unknown): void {
    const draft = this.drafts.get(id);
    if (!draft) return;
    const final = error instanceof ApiError && (error.status === 422 || error.status === 401);
    if (draft.status === 'saving' || draft.status === 'waiting') {
      this.put(id, { text: draft.text, status: 'failed' }, final ? undefined : RETRY_MS);
    }
  }

  private put(id: string, { text, status }: { text: string; status: NoteStatus }, saveInMs?: number): void {
    clearTimeout(this.drafts.get(id)?.timer);
    const timer = saveInMs === undefined ? undefined : setTimeout(() => void this.save(id), saveInMs);
    this.drafts.set(id, { text, status, timer });
  }

  private key(id: string): string {
    return `note.${this.userId}.${id}`;
  }
}
