import { expect, test } from 'vitest';
import { auditPath, filterOf, isFiltered, parsePlace } from '../../src/lib/audit_filter.ts';
import { browserOf } from '../../src/lib/browser.ts';

test('a browser is named as people name it, and what is none is not', () => {
  const chrome = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36';
  expect(browserOf(chrome)).toEqual({ browser: 'Chrome', system: 'Linux' });
  expect(browserOf(`${chrome} Edg/140.0.0.0`)).toEqual({ browser: 'Edge', system: 'Linux' });
  expect(browserOf('Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/138.0 YaBrowser/25.8 Safari/537.36')).toEqual({ browser: 'Yandex Browser', system: 'Windows' });
  expect(browserOf('Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15')).toEqual({ browser: 'Safari', system: 'macOS' });
  expect(browserOf('Mozilla/5.0 (Android 15; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0')).toEqual({ browser: 'Firefox', system: 'Android' });
  expect([browserOf(null), browserOf('curl/8.9.1'), browserOf('')]).toEqual([null, null, null]);
});

test('the filter of the audit survives its address, and what it does not know says nothing', () => {
  const place = { user: 'u 1', action: 'login', from: '2026-01-31', until: '2026-02-01' };
  expect(parsePlace(auditPath(place).split('?')[1] ?? '')).toEqual(place);
  const nothing = { user: '', action: '', from: '', until: '' };
  expect(parsePlace('?action=made_up&from=yesterday&until=2026-1-1')).toEqual(nothing);
  expect([auditPath(nothing), isFiltered(nothing), isFiltered(place)]).toEqual(['/settings/audit', false, true]);
});

test('the days of the audit are whole days of this place', () => {
  const { from, until } = filterOf({ user: '', action: '', from: '2026-01-31', until: '2026-01-31' });
  expect(from).toBe(new Date(2026, 0, 31).toISOString());
  expect(until).toBe(new Date(2026, 1, 1).toISOString());
  expect(filterOf({ user: '', action: '', from: '', until: '' })).toEqual({ user_id: null, action: null, from: null, until: null });
});
