// One tab of a browser rings for all. Web Locks where the page is secure, else a lease in localStorage.

import { store, stored } from './storage.ts';

const LEADER = 'linecard-rings';
const VISIBLE = 'linecard-visible';
const LEASE_MS = 3_000;

export class Leader {
  private leads = false;
  private readonly id = Math.random().toString(36).slice(2);
  private readonly done = new AbortController();
  private releaseVisible: (() => void) | null = null;

  constructor() {
    if (navigator.locks) {
      const held = new Promise<void>((resolve) => this.done.signal.addEventListener('abort', () => resolve()));
      navigator.locks
        .request(LEADER, { signal: this.done.signal }, () => {
          this.leads = true;
          return held;
        })
        .catch(() => undefined);
    } else {
      const timer = setInterval(() => this.renewLease(), LEASE_MS / 3);
      this.done.signal.addEventListener('abort', () => clearInterval(timer));
      this.renewLease();
    }
    const seen = (): void => this.showVisible();
    document.addEventListener('visibilitychange', seen);
    this.done.signal.addEventListener('abort', () => document.removeEventListener('visibilitychange', seen));
    seen();
  }

  /** Tells whether this tab is the one that rings. */
  get isLeader(): boolean {
    if (!navigator.locks) this.renewLease();
    return this.leads;
  }

  /** Tells whether any tab of the desk is in sight. */
  async anyVisible(): Promise<boolean> {
    if (!document.hidden) return true;
    if (!navigator.locks) return false;
    const { held = [] } = await navigator.locks.query();
    return held.some(({ name }) => name === VISIBLE);
  }

  stop(): void {
    this.leads = false;
    this.releaseVisible?.();
    this.done.abort();
  }

  private renewLease(): void {
    const [holder, until] = (stored('leader') ?? '').split(' ');
    if (holder !== this.id && Number(until) > Date.now()) {
      this.leads = false;
      return;
    }
    store('leader', `${this.id} ${Date.now() + LEASE_MS}`);
    this.leads = true;
  }

  private showVisible(): void {
    this.releaseVisible?.();
    this.releaseVisible = null;
    if (document.hidden || !navigator.locks) return;
    const held = new Promise<void>((resolve) => (this.releaseVisible = resolve));
    void navigator.locks.request(VISIBLE, { mode: 'shared' }, () => held);
  }
}
