// The texts of the interface: each key is used, each used key exists, and no component carries words of its own.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'svelte/compiler';
import { expect, test } from 'vitest';
import { en } from '../../src/i18n/en.ts';
import type { Message } from '../../src/i18n/message.ts';
import { ru } from '../../src/i18n/ru.ts';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(ts|svelte)$/.test(name) && !name.startsWith('i18n/en') && !name.startsWith('i18n/ru'))
  .map((name) => ({ name, text: readFileSync(join(SRC, name), 'utf8') }));

/** The keys that a source names: whole ones, and the beginnings of composed ones such as `outcome.`. */
function named(text: string): { whole: Set<string>; begun: string[] } {
  const whole = new Set([...text.matchAll(/['"`]([a-z]+(?:\.[a-z_0-9]+)+)['"`]/g)].map(([, key]) => key ?? ''));
  const begun = [...text.matchAll(/`([a-z]+(?:\.[a-z_]+)*\.)\$\{/g)].map(([, start]) => start ?? '');
  return { whole, begun };
}

function unused(keys: string[], text: string): string[] {
  const { whole, begun } = named(text);
  return keys.filter((key) => !whole.has(key) && !begun.some((start) => key.startsWith(start) && !key.slice(start.length).includes('.')));
}

test('each text is used somewhere', () => {
  const text = files.map((file) => file.text).join('\n');
  expect(unused(Object.keys(en), text)).toEqual([]);
  expect(unused(['panel.gone', 'outcome.gone', 'a.b'], "t('a.b'); t(`outcome.${x}`)")).toEqual(['panel.gone']);
});

test('each text that is asked for exists', () => {
  const asked = (text: string): string[] => [...text.matchAll(/\bt\('([^']+)'/g)].map(([, key]) => key ?? '');
  expect(files.flatMap(({ name, text }) => asked(text).filter((key) => !(key in en)).map((key) => `${name}: ${key}`))).toEqual([]);
  expect(asked("t('no.such') + t('other', { x })")).toEqual(['no.such', 'other']);
});

test('a message with a count is a plural', () => {
  const words: [string, Message][] = [...Object.entries(en), ...Object.entries(ru)];
  for (const [key, message] of words) if (typeof message === 'string') expect(message, key).not.toContain('{count}');
});

interface Node {
  type: string;
  name?: string;
  data?: string;
  value?: unknown;
  [field: string]: unknown;
}

const SPOKEN = new Set(['title', 'alt', 'placeholder', 'label', 'aria-label', 'aria-valuetext', 'aria-description']);
const hasWords = (text: string): boolean => /\p{L}/u.test(text.replaceAll(/&#?\w+;/g, ''));

/** Words in the markup itself, but for the names of keys. */
function ownWords(node: unknown, inside = ''): string[] {
  if (Array.isArray(node)) return node.flatMap((one) => ownWords(one, inside));
  if (typeof node !== 'object' || node === null) return [];
  const { type, name = '', data = '', value, metadata: _, ...rest } = node as Node;
  if (type === 'Text') return inside !== 'kbd' && hasWords(data) ? [data.trim()] : [];
  if (type === 'Attribute') {
    const texts = Array.isArray(value) ? (value as Node[]).filter((part) => part.type === 'Text') : [];
    return SPOKEN.has(name) ? texts.flatMap((part) => ownWords(part)) : [];
  }
  const within = type === 'RegularElement' ? name : inside;
  return Object.values(rest).flatMap((part) => ownWords(part, within));
}

const inMarkup = (source: string): string[] => ownWords(parse(source, { modern: true }).fragment);

test('no component has words of its own', () => {
  const found = files.filter(({ name }) => name.endsWith('.svelte')).flatMap(({ name, text }) => inMarkup(text).map((words) => `${name}: ${words}`));
  expect(found).toEqual([]);
  expect(inMarkup('<p title="Hang up">{x} Положить <kbd>Esc</kbd></p>{#if x}<b>No</b>{/if}<i class="a">·</i>')).toEqual(['Hang up', 'Положить', 'No']);
});

test('Russian stands only in the Russian texts, names of regions, words for no number and the choice of the language', () => {
  const russian = files.filter(({ text }) => /[а-яё]/i.test(text)).map(({ name }) => name);
  expect(russian.sort()).toEqual(['lib/region.ts', 'lib/withheld.ts', 'ui/LangSwitch.svelte']);
});
