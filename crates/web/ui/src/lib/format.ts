// Times, durations and phone numbers as people of the locale write them. Pure: the moment is given.

import parsePhoneNumber from 'libphonenumber-js/min';
import type { CountryCode } from 'libphonenumber-js/min';
import { en } from '../i18n/en.ts';
import { render } from '../i18n/message.ts';
import type { Lang } from '../i18n/message.ts';
import { ru } from '../i18n/ru.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** `0:04`, `3:07`, `1:02:09`. */
export function duration(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const seconds = String(total % 60).padStart(2, '0');
  const minutes = Math.floor(total / 60) % 60;
  const hours = Math.floor(total / 3600);
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${seconds}` : `${minutes}:${seconds}`;
}

/** The country whose numbers are written without a country code. */
export function homeCountry(lang: Lang, browserLanguage: string): CountryCode | null {
  if (lang === 'ru') return 'RU';
  const region = /[-_]([A-Za-z]{2})\b/.exec(browserLanguage)?.[1];
  return region ? (region.toUpperCase() as CountryCode) : null;
}

/** A number in the national way at home, in the international way abroad; an extension as it is. */
export function phone(number: string, home: CountryCode | null): string {
  if (!number.startsWith('+')) return number;
  const parsed = parsePhoneNumber(number);
  if (!parsed?.isPossible()) return number;
  const national = parsed.formatNational();
  if (parsed.country !== undefined && parsed.country === home) return national;
  // Under +7 people keep the dashes of the national way: +7 831 212-34-56.
  const grouped = parsed.countryCallingCode === '7' ? /^8 \((\d+)\) ([\d-]+)$/.exec(national) : null;
  return grouped ? `+7 ${grouped[1] ?? ''} ${grouped[2] ?? ''}` : parsed.formatInternational();
}

/** Within the hour relative, else `14:05`, yesterday, date. */
export function when(at: number, now: number, lang: Lang): string {
  const ago = now - at;
  const words = lang === 'ru' ? ru : en;
  if (ago < MINUTE_MS && ago > -MINUTE_MS) return render(lang, words['when.now']);
  if (ago >= 0 && ago < HOUR_MS) {
    const relative = new Intl.RelativeTimeFormat(lang, { numeric: 'always', style: 'short' });
    return relative.format(-Math.floor(ago / MINUTE_MS), 'minute');
  }
  const day = startOfDay(now);
  if (at >= day) return clockTime(at, lang);
  if (at >= startOfDay(day - 1)) return render(lang, words['when.yesterday'], { time: clockTime(at, lang) });
  const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return new Intl.DateTimeFormat(lang, {
    day: 'numeric',
    month: 'short',
    ...(sameYear ? {} : { year: 'numeric' }),
  }).format(at);
}

export function clockTime(at: number, lang: Lang): string {
  return new Intl.DateTimeFormat(lang, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(at);
}

/** The exact moment, for hovering and details. */
export function exact(at: number, lang: Lang): string {
  return new Intl.DateTimeFormat(lang, {
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).format(at);
}

/** The day alone, for what happened once and long ago. */
export function day(at: number, lang: Lang): string {
  return new Intl.DateTimeFormat(lang, { dateStyle: 'long' }).format(at);
}

/** `14:05:09`, for lists of one day's steps. */
export function exactTime(at: number, lang: Lang): string {
  return new Intl.DateTimeFormat(lang, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).format(at);
}

/** The moment since when something is so: of today the time, else the date. */
export function since(at: number, now: number, lang: Lang): string {
  if (at >= startOfDay(now)) return clockTime(at, lang);
  return new Intl.DateTimeFormat(lang, { day: 'numeric', month: 'long' }).format(at);
}

/** Monday is 1, Sunday 7. */
export function weekdayName(day: number, lang: Lang, width: 'short' | 'long'): string {
  // 2024-01-01 was a Monday.
  const name = new Intl.DateTimeFormat(lang, { weekday: width, timeZone: 'UTC' }).format(Date.UTC(2024, 0, day));
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}

/** `3.4 %` of a hundred; small shares with a decimal, none of nothing. */
export function percent(value: number, lang: Lang): string {
  const maximumFractionDigits = value < 10 ? 1 : 0;
  return `${new Intl.NumberFormat(lang, { maximumFractionDigits }).format(value)}\u00a0%`;
}

export function startOfDay(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}

/** One or two letters for a name. */
export function initials(name: string): string {
  const words = name.split(/\s+/u).filter((word) => /^\p{L}/u.test(word));
  return words
    .slice(0, 2)
    .map((word) => word.slice(0, 1).toUpperCase())
    .join('');
}
