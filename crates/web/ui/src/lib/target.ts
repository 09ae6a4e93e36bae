// Whom a customer may be handed over to: colleagues as they stand, and a number that is written. Pure.

import type { AgentView, Colleague, Transfer, TransferWish } from './wire.ts';

export type Target = { kind: 'colleague'; colleague: Colleague } | { kind: 'number'; number: string };

const CALLABLE = /^[+\d][\d\s().*#/-]*$/;
const RANK: Readonly<Record<Colleague['state'], number>> = { available: 0, ringing: 1, busy: 2 };

/** The number that was written; null for a name, or too little. */
export function numberOf(typed: string): string | null {
  const text = typed.trim();
  return CALLABLE.test(text) && text.replaceAll(/\D/g, '').length >= 2 ? text : null;
}

/** What can be chosen: who is free before who is not, each as the server orders them; last the number itself. */
export function targetsOf(colleagues: readonly Colleague[], typed: string): Target[] {
  const ranked = [...colleagues].sort((a, b) => RANK[a.state] - RANK[b.state]);
  const number = numberOf(typed);
  const all: Target[] = ranked.map((colleague) => ({ kind: 'colleague', colleague }));
  return number === null ? all : [...all, { kind: 'number', number }];
}

/** Which of them is meant before anybody has chosen; -1 for none. */
export function likeliest(targets: readonly Target[], typed: string): number {
  if (typed.trim() === '') return -1;
  if (numberOf(typed) === null) return targets.length > 0 ? 0 : -1;
  const own = targets.findIndex((one) => one.kind === 'colleague' && one.colleague.extension === typed.trim());
  return own >= 0 ? own : targets.findIndex(({ kind }) => kind === 'number');
}

export function wishFor(target: Target, kind: TransferWish['kind']): TransferWish {
  return target.kind === 'number' ? { to: target.number, user_id: null, kind } : { to: null, user_id: target.colleague.id, kind };
}

/** Whether two choices are the same one. */
export function isSameTarget(a: Target, b: Target): boolean {
  if (a.kind === 'number') return b.kind === 'number';
  return b.kind === 'colleague' && a.colleague.id === b.colleague.id;
}

/** How a colleague stands by the last frame, else by the list that was read. */
export function standingOf({ id, state }: Colleague, agents: Readonly<Record<string, AgentView>>): Colleague['state'] {
  return agents[id]?.state ?? state;
}

/** To whom, in words: the name, else the number as `phone` writes it. */
export function toWhom({ name, number }: Transfer, phone: (number: string) => string): string {
  return name ?? (number === null ? '' : phone(number));
}
