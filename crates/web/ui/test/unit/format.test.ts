import { expect, test } from 'vitest';
import { duration, homeCountry, initials, phone, when } from '../../src/lib/format.ts';

test('durations are minutes and seconds, hours when there are any', () => {
  expect([0, 4_999, 187_000, 3_729_000, -5].map(duration)).toEqual(['0:00', '0:04', '3:07', '1:02:09', '0:00']);
});

test('a number is shown in the national way at home and in the international way abroad', () => {
  expect(phone('+78312123456', homeCountry('ru', 'ru-RU'))).toBe('8 (831) 212-34-56');
  expect(phone('+78312123456', homeCountry('en', 'en-US'))).toBe('+7 831 212-34-56');
  expect(phone('+442071838750', homeCountry('ru', 'ru-RU'))).toBe('+44 20 7183 8750');
  expect(phone('+442071838750', homeCountry('en', 'en-GB'))).toBe('020 7183 8750');
});

test('an extension and what is no number are shown as they are', () => {
  expect(['105', '+7', '*72', '<b>1</b>', '+999999'].map((n) => phone(n, 'RU'))).toEqual(['105', '+7', '*72', '<b>1</b>', '+999999']);
});

test('a time is relative within the hour, then of the day, then yesterday, then a date', () => {
  const now = new Date(2026, 2, 10, 15, 0).getTime();
  const at = (...parts: [number, number, number, number, number]): number => new Date(...parts).getTime();
  expect(when(now - 20_000, now, 'en')).toBe('just now');
  expect(when(now - 5 * 60_000, now, 'ru')).toBe('5 мин. назад');
  expect(when(at(2026, 2, 10, 14, 0) - 1, now, 'en')).toBe('13:59');
  expect(when(at(2026, 2, 10, 0, 5), now, 'ru')).toBe('00:05');
  expect(when(at(2026, 2, 9, 18, 30), now, 'ru')).toBe('вчера, 18:30');
  expect(when(at(2026, 2, 8, 18, 30), now, 'en')).toBe('Mar 8');
  expect(when(at(2025, 11, 31, 9, 0), now, 'en')).toBe('Dec 31, 2025');
});

test('initials come from words of letters', () => {
  expect(['Мария Иванова', 'ann', '«X» 42', ''].map(initials)).toEqual(['МИ', 'A', '', '']);
});
