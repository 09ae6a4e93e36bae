// The doctor's look at an account, as its steps come.

import type { Lang } from '../i18n/message.ts';
import { ApiError, stream } from './api.ts';
import type { CheckFact, CheckMessage, CheckPlan, CheckStep, Finding } from './wire.ts';

/** The steps in the order in which they come; a page shows them before they do. */
export const STEPS = ['resolve', 'port', 'register', 'server', 'abilities', 'dialogs', 'call', 'bindings', 'outlook'] as const;
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
  facts = $state.raw<CheckFact[]>([]);
  plan = $state.raw<CheckPlan | null>(null);
  messages = $state.raw<CheckMessage[]>([]);
  /** Whether the account is called by itself. */
  calls = $state(false);
  private abort: AbortController | null = null;

  get running(): boolean {
    return this.state.name === 'running';
  }

  /** The steps that this look takes. */
  get taken(): StepName[] {
    return STEPS.filter((name) => name !== 'call' || this.calls);
  }

  /** The last word on a step; one transport after the other may have been tried. */
  step(name: StepName): CheckStep | null {
    return this.steps.filter((step) => step.name === name).at(-1) ?? null;
  }

  /** The step that comes next while the look goes on. */
  get next(): StepName | null {
    if (!this.running) return null;
    const last = this.steps.at(-1);
    const at = this.taken.indexOf(last?.name as StepName);
    const tryingAgain = last?.name === 'register' && last.state === 'noted';
    return this.taken[tryingAgain ? at : at + 1] ?? null;
  }

  /** What is wrong first, which is what is to be changed first. */
  get bad(): CheckStep | null {
    return this.steps.find(({ state }) => state === 'bad') ?? null;
  }

  /** Nothing was looked at. */
  forget(): void {
    this.steps = [];
    this.facts = [];
    this.plan = null;
    this.messages = [];
    this.state = { name: 'idle' };
  }

  /** Looks at an account until the verdict; tells whether it is a good one. `test_call` rings its telephone. */
  async run(path: string, asked: { test_call: boolean; language: Lang }): Promise<boolean> {
    this.stop();
    const abort = new AbortController();
    this.abort = abort;
    this.forget();
    this.calls = asked.test_call;
    this.state = { name: 'running' };
    let end: CheckState = { name: 'cut' };
    try {
      for await (const finding of stream<Finding>(path, asked, abort.signal)) {
        if (finding.type === 'step') this.steps = [...this.steps, finding];
        else if (finding.type === 'check') this.facts = [...this.facts, finding];
        else if (finding.type === 'plan') this.plan = finding;
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
