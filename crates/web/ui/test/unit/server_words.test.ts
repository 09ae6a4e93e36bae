// The server's English sentences and keys, read from its source: each of them has words in both languages.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { en } from '../../src/i18n/en.ts';
import type { Key } from '../../src/i18n/en.ts';
import { render } from '../../src/i18n/message.ts';
import type { Lang, Message } from '../../src/i18n/message.ts';
import { ru } from '../../src/i18n/ru.ts';
import { ACTIONS } from '../../src/lib/audit_filter.ts';
import { STEPS } from '../../src/lib/check.svelte.ts';
import { PARTS } from '../../src/lib/checked.ts';
import { sentenceText, sideOf } from '../../src/lib/explain.ts';
import { reasonOf } from '../../src/lib/who.ts';
import { KEPT_BACK } from '../../src/lib/withheld.ts';
import type { Said } from '../../src/lib/who.ts';
import type { Sentence } from '../../src/lib/wire.ts';

const words: Record<Lang, Record<string, Message>> = { en, ru };
const LANGS: Lang[] = ['en', 'ru'];
const say = (lang: Lang, { key, params }: Said): string => render(lang, words[lang][key] ?? '', params);
const isKey = (key: string): key is Key => key in en;
const source = (path: string): string => readFileSync(fileURLToPath(new URL(`../../../../${path}`, import.meta.url)), 'utf8');
const all = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map((found) => found[1] ?? '');

/** Each reason as the server would write it: a constant that ends without a full stop is filled in with a value. */
function reasons(rust: string): string[] {
  return all(rust, /^const \w+: &str = "(.+)";$/gm).map((text) => (text.endsWith('.') ? text : `${text}3.`));
}

function untranslated(sentences: string[]): string[] {
  return sentences.filter((sentence) => {
    const said = reasonOf(sentence);
    return said === null || LANGS.some((lang) => say(lang, said) === '' || /[{}]/.test(say(lang, said)));
  });
}

test('each reason for a candidate has words in both languages, and keeps its value', () => {
  const rust = source('crm/src/matching/reason.rs');
  const sentences = reasons(rust);
  const display = /impl fmt::Display for Reason \{([\s\S]+?)\n\}/.exec(rust)?.[1] ?? '';
  expect(sentences.length, 'one constant for each variant but the recorded one').toBe(all(display, /Self::(\w+)/g).length - 1);
  expect(untranslated(sentences)).toEqual([]);
  expect(new Set(sentences.map((sentence) => reasonOf(sentence)?.key)).size, 'none is taken for another').toBe(sentences.length);
  for (const sentence of sentences.filter((text) => text.endsWith('3.'))) {
    for (const lang of LANGS) expect(say(lang, reasonOf(sentence) ?? { key: 'app.name' }), sentence).toContain('3');
  }
});

test('a reason without words would be found', () => {
  const rust = 'const A: &str = "The number is this contact\'s.";\nconst NEW: &str = "The caller said so: ";\n';
  expect(untranslated(reasons(rust))).toEqual(['The caller said so: 3.']);
});

test('each step of an explanation has words in both languages', () => {
  const rust = source('calls/src/fold/explain.rs').split('#[cfg(test)]')[0] ?? '';
  const keys = [...new Set(all(rust, /said\(\s*"(\w+)"/g))];
  expect(keys.length).toBeGreaterThan(20);
  expect(keys.filter((key) => !isKey(`explain.${key}`))).toEqual([]);
});

test('each cause that ends a leg has words in both languages', () => {
  const rust = source('calls/src/fold/explain.rs');
  const causes = all(rust, /(?:CancelCause|EndCause|SightingEnd)::\w+ => "(.+?)"/g);
  expect(causes.length).toBe(21);
  for (const lang of LANGS) {
    const texts = causes.map((by) =>
      sentenceText({ at: '', source: '', leg_id: null, key: 'leg_ended', params: { by }, text: `in English: ${by}` }, (said) => say(lang, said), isKey, String),
    );
    expect(texts.filter((text) => text.startsWith('in English'))).toEqual([]);
  }
});

test('each rule has a verdict in both languages', () => {
  const rust = source('calls/src/fold/explain.rs');
  const variants = [...new Set(all(rust, /Rule::(\w+) =>/g))];
  const keys = variants.map((name) => `rule.${name.replaceAll(/\B[A-Z]/g, (letter) => `_${letter}`).toLowerCase()}`);
  expect(keys.length).toBeGreaterThan(10);
  expect(keys.filter((key) => !isKey(key))).toEqual([]);
});

const server = (path: string): string => source(`../src/${path}`);

/** The sentences of the doctor and of a line's trouble, and those of them that come with an advice. */
function checked(): { said: string[]; advised: string[] } {
  const doctor = ['said', 'reach', 'consulting', 'called', 'announced', 'bindings', 'chart', 'plan'].map((name) => `doctor/${name}.rs`);
  const files = [...doctor, 'doctor.rs', 'trouble.rs'];
  const rust = files.map((path) => server(path).split('#[cfg(test)]')[0] ?? '').join('\n');
  const advised = all(rust, /(?:\bfault|Self::new)\(\s*"(\w+)"/g);
  const said = all(rust, /(?:Said::new|\bsaid)\(\s*"(\w+)"/g);
  // A key that is chosen first, a mode's reason, and what is seen in it.
  const chosen = [...all(rust, /=> \{?\s*\("(\w+)",/g), ...all(rust, /"(plan_\w+)"/g), ...all(rust, /"(sight_\w+)"/g)];
  return { said: [...advised, ...said, ...chosen], advised };
}

test('each thing that the doctor says has words in both languages, and each advice too', () => {
  const { said, advised } = checked();
  expect(said.length).toBeGreaterThan(110);
  expect(advised.length).toBeGreaterThan(20);
  expect(said.filter((key) => !isKey(`check.${key}`))).toEqual([]);
  expect(advised.filter((key) => !isKey(`fix.${key}`))).toEqual([]);
});

test('each step that the doctor takes has its place on the page', () => {
  const rust = source('web/src/doctor.rs');
  const names = all(/pub enum StepName \{([\s\S]+?)\n\}/.exec(rust)?.[1] ?? '', /^ {4}(\w+),$/gm).map((name) => name.toLowerCase());
  expect(names).toEqual([...STEPS]);
});

test('each thing that the doctor looks for has a name and its place on the page, and so has each part of a call', () => {
  const rust = source('web/src/doctor.rs');
  const things = wordsOf(rust, 'CheckName');
  expect(things.length).toBeGreaterThan(15);
  expect(things.filter((thing) => !isKey(`thing.${thing}`))).toEqual([]);
  expect(Object.values(PARTS).flat()).toEqual(expect.arrayContaining(things));
  const sights = wordsOf(rust, 'SightName');
  expect(sights.length).toBe(6);
  expect(sights.filter((sight) => !isKey(`sight.${sight}`))).toEqual([]);
});

/** The words of a closed set of the server, as they go over the wire. */
function wordsOf(rust: string, set: string): string[] {
  const body = new RegExp(`pub enum ${set} \\{([\\s\\S]+?)\\n\\}`).exec(rust)?.[1] ?? '';
  return all(body, /^ {4}(\w+),$/gm).map((name) => name.replaceAll(/\B[A-Z]/g, (letter) => `_${letter}`).toLowerCase());
}

test('each thing that is audited has words, and can be chosen', () => {
  const actions = wordsOf(source('store/src/audit.rs'), 'AuditAction');
  expect(actions.length).toBeGreaterThan(10);
  expect(actions.filter((action) => !isKey(`action.${action}`))).toEqual([]);
  expect([...ACTIONS].sort()).toEqual(actions.sort());
});

test('each alarm that stands until it is cleared has words', () => {
  const alarms = wordsOf(source('calls/src/event.rs'), 'AlarmKind').filter((alarm) => alarm !== 'signal_late');
  expect(alarms.length).toBeGreaterThan(3);
  expect(alarms.filter((alarm) => !isKey(`alarm.${alarm}`))).toEqual([]);
});

test('a sentence about a leg says whose it is, unless its words do', () => {
  const of = (key: string, leg_id: string | null): Sentence => ({ at: '', source: 'sip', leg_id, key, params: {}, text: '' });
  const all = [of('leg_offered', 'c'), of('routed', null), of('leg_dialled', 'a'), of('leg_answered', 'a'), of('leg_ended', 'c')];
  expect(all.map((sentence) => sideOf(sentence, all))).toEqual([null, null, null, 'agent', 'customer']);
});

test('the words for a number that is kept back are those of the server', () => {
  const rust = source('crm/src/number/field.rs');
  const words = all(rust.slice(rust.indexOf('fn withheld_word'), rust.indexOf('_ => None')), /"([^"\n]*)"/g).filter((word) => word !== '');
  expect(words.length).toBeGreaterThan(10);
  expect([...KEPT_BACK].sort()).toEqual(words.sort());
});
