// What came of a talk, in the page's language; what another program wrote stays as it is.

import { isKey, t } from '../i18n/index.svelte.ts';

export function dispositionText(word: string): string {
  const key = `disposition.${word}`;
  return isKey(key) ? t(key) : word;
}
