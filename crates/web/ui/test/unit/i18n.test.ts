import { expect, test } from 'vitest';
import { en } from '../../src/i18n/en.ts';
import { render } from '../../src/i18n/message.ts';
import type { Message } from '../../src/i18n/message.ts';
import { ru } from '../../src/i18n/ru.ts';

const words: Record<'en' | 'ru', Record<string, Message>> = { en, ru };
const forms = (message: Message): string[] => (typeof message === 'string' ? [message] : Object.values(message));
const holes = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([hole]) => hole).sort();

test('both languages have the same messages', () => {
  expect(Object.keys(ru).sort()).toEqual(Object.keys(en).sort());
});

test('each message has the same kind and the same values to fill in', () => {
  for (const [key, message] of Object.entries(words.en)) {
    const other = words.ru[key] ?? '';
    expect(typeof other, key).toBe(typeof message);
    for (const form of [...forms(message), ...forms(other)]) expect(holes(form), key).toEqual(holes(forms(message)[0] ?? ''));
  }
});

test('a plural has every form its language needs', () => {
  for (const [key, message] of Object.entries(words.en)) {
    if (typeof message !== 'string') expect(Object.keys(message).sort(), key).toEqual(['one', 'other']);
  }
  for (const [key, message] of Object.entries(words.ru)) {
    if (typeof message !== 'string') expect(Object.keys(message).sort(), key).toEqual(['few', 'many', 'one', 'other']);
  }
});

test('no message is empty, and Russian ones are Russian', () => {
  const latin = new Set(['app.name', 'sound.mos']);
  for (const [key, message] of Object.entries(words.ru)) {
    for (const form of forms(message)) if (!latin.has(key)) expect(form, key).toMatch(/[а-яё]/i);
  }
  for (const message of Object.values(words.en)) for (const form of forms(message)) expect(form).not.toBe('');
});

test('Russian counts as people do', () => {
  const count = (n: number): string => render('ru', ru['list.count'], { count: n });
  expect([1, 2, 5, 11, 21, 24, 112].map(count)).toEqual([
    '1\u00a0звонок',
    '2\u00a0звонка',
    '5\u00a0звонков',
    '11\u00a0звонков',
    '21\u00a0звонок',
    '24\u00a0звонка',
    '112\u00a0звонков',
  ]);
});

test('a value is put in as text and never read as a message', () => {
  expect(render('en', '{name} calls', { name: '{count} <b>' })).toBe('{count} <b> calls');
});
