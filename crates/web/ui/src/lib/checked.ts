// What the doctor and a line's registration say, in the page's language; a sentence that is newer than the page stays English.

import { isKey, t } from '../i18n/index.svelte.ts';
import type { CheckStep, Registration } from './wire.ts';

const said = (key: string, params: Record<string, string>, english: string): string => (isKey(key) ? t(key, params) : english);

export function stepText({ key, params, text }: CheckStep): string {
  return said(`check.${key}`, params, text);
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
