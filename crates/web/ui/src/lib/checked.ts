// What the doctor and a line's registration say, in the page's language; a sentence that is newer than the page stays English.

import { isKey, t } from '../i18n/index.svelte.ts';
import type { CheckFact, CheckPlan, CheckStep, Registration, Sight } from './wire.ts';

const said = (key: string, params: Record<string, string>, english: string): string => (isKey(key) ? t(key, params) : english);

export function stepText({ key, params, text }: CheckStep): string {
  return said(`check.${key}`, params, text);
}

/** Which part of the page a thing stands in. */
export const PARTS = {
  call: ['ringing', 'fork', 'caller', 'caller_asserted', 'diversion', 'reason', 'auto_answer'],
  abilities: ['dialog_events', 'events', 'refer', 'replaces', 'session_timers', 'reliable'],
  sound: ['codecs', 'srtp'],
  way: ['expiry', 'nat', 'tls', 'paths', 'own_numbers'],
} as const;

export function factText({ key, params, text }: CheckFact): string {
  return said(`check.${key}`, params, text);
}

export function planText({ key, params, text }: CheckPlan): string {
  return said(`check.${key}`, params, text);
}

export function sightText({ key, text }: Sight): string {
  return said(`check.${key}`, {}, text);
}

export function thingName(name: string): string {
  return said(`thing.${name}`, {}, name);
}

export function stepAdvice({ key, advice }: CheckStep): string | null {
  return advice === null ? null : said(`fix.${key}`, {}, advice);
}

export function reasonText({ reason, reason_key, reason_params }: Registration): string | null {
  return reason === null ? null : said(`check.${reason_key ?? ''}`, reason_params, reason);
}

export function reasonAdvice({ advice, reason_key }: Registration): string | null {
  return advice === null ? null : said(`fix.${reason_key ?? ''}`, {}, advice);
}
