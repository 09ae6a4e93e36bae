// The doctor's look at an account, as its steps come.

import { ApiError, stream } from './api.ts';
import type { CheckMessage, CheckStep, Finding } from './wire.ts';

/** The steps in the order in which they come; a page shows them before they do. */
export const STEPS = ['resolve', 'port', 'register', 'bindings', 'server', 'codecs', 'events', 'abilities', 'dialogs', 'outlook'] as const;
export type StepName = (typeof STEPS)[number];

export type CheckState =
  | { name: 'idle' }
  | { name: 'running' }
  | { name: 'healthy' }
  | { name: 'unhealthy' }
  /** Somebody stopped it, or the connection broke before the verdict. */
  | { name: 'cut' }
  | { name: 'refused'; error: ApiError };

export class Check {
  state = $state.raw<CheckState>({ name: 'idle' });
  steps = $state.raw<CheckStep[]>([]);
  messages = $state.raw<CheckMessage[]>([]);
  private abort: AbortController | null = null;

  get running(): boolean {
    return this.state.name === 'running';
  }

  /** The last word on a step; one transport after the other may have been tried. */
  step(name: StepName): CheckStep | null {
    return this.steps.filter((step) => step.name === name).at(-1) ?? null;
  }

  /** The step that comes next while the look goes on. */
  get next(): StepName | null {
    if (!this.running) return null;
    const last = this.steps.at(-1);
    const at = STEPS.indexOf(last?.name as StepName);
    const tryingAgain = last?.name === 'register' && last.state === 'noted';
    return STEPS[tryingAgain ? at : at + 1] ?? null;
  }

  /** What is wrong first, which is what is to be changed first. */
  get bad(): CheckStep | null {
    return this.steps.find(({ state }) => state === 'bad') ?? null;
  }

  /** Looks at an account until the verdict; tells whether it is a good one. */
  async run(path: string, account?: object): Promise<boolean> {
    this.stop();
    const abort = new AbortController();
    this.abort = abort;
    this.steps = [];
    this.messages = [];
    this.state = { name: 'running' };
    let end: CheckState = { name: 'cut' };
    try {
      for await (const finding of stream<Finding>(path, account, abort.signal)) {
        if (finding.type === 'step') this.steps = [...this.steps, finding];
        else if (finding.type === 'message') this.messages = [...this.messages, finding];
        else end = { name: finding.healthy ? 'healthy' : 'unhealthy' };
      }
    } catch (error) {
      if (error instanceof ApiError && !abort.signal.aborted) end = { name: 'refused', error };
    }
    if (this.abort !== abort) return false;
    this.abort = null;
    this.state = end;
    return end.name === 'healthy';
  }

  stop(): void {
    const abort = this.abort;
    this.abort = null;
    abort?.abort();
    if (this.running) this.state = { name: 'cut' };
  }
}
