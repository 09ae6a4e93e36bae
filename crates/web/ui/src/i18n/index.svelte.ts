// The language of the page and the words in it.

import { stored, store } from '../lib/storage.ts';
import { en } from './en.ts';
import type { Key } from './en.ts';
import { render } from './message.ts';
import type { Lang, Message, Params } from './message.ts';
import { ru } from './ru.ts';

export type { Key, Lang, Params };

const CATALOGUES: Record<Lang, Record<Key, Message>> = { en, ru };

function firstLang(): Lang {
  const chosen = stored('lang');
  if (chosen === 'ru' || chosen === 'en') return chosen;
  return typeof navigator !== 'undefined' && navigator.language.toLowerCase().startsWith('ru') ? 'ru' : 'en';
}

let current = $state<Lang>(firstLang());

export function lang(): Lang {
  return current;
}

export function setLang(next: Lang): void {
  current = next;
  store('lang', next);
}

/** The text of a message in the page's language. */
export function t(key: Key, params?: Params): string {
  return render(current, CATALOGUES[current][key], params);
}

/** Tells whether a composed key exists, such as one made of a word from the server. */
export function isKey(key: string): key is Key {
  return key in en;
}
