// What people set for themselves, and what an administrator sets for others.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BrowserContext } from 'playwright-core';
import { BOSS, DESK_PHONE } from './fake/admin.ts';
import { ANNA, PASSWORD } from './fake/people.ts';
import type { FakeServer } from './fake/server.ts';
import { office as lines } from './scenes_admin.ts';
import { fillPassword } from './scenes_settings.ts';
import { Tab, openStage, person } from './stage.ts';

const stage = openStage();
let server: FakeServer;
let context: BrowserContext;
let tab: Tab;

beforeEach(async () => {
  server = stage.server;
  server.reset();
  context = await person(stage.browser, 'ru');
  tab = await Tab.open(context, server);
});

afterEach(async () => {
  // Closed whatever is found, or the tab would take part in the next test.
  await context.close();
  expect(tab.problems).toEqual([]);
});

const asked = (): (typeof server.admin.asked)[number] | undefined => server.admin.asked.filter(({ method }) => method !== 'GET').at(-1);

test('an agent sets the own things alone, and asks for nothing of the office', async () => {
  await tab.desk('/');
  await tab.page.click('[data-testid=nav-settings]');
  await tab.see('[data-testid=own]');
  expect(await tab.page.locator('[data-testid=settings] nav').count()).toBe(0);
  for (const part of ['users', 'audit', 'server']) {
    await tab.desk(`/settings/${part}`);
    await tab.see('main [role=alert]');
  }
  expect(server.asked.filter((path) => /\/(users|audit|server|lines(?!\/standings))/.test(path))).toEqual([]);
});

test('a password is changed with the old one, and the other sessions are over', async () => {
  await tab.desk('/settings');
  await tab.see('[data-testid=session]');
  await fillPassword(tab, 'a wrong one', 'another password');
  await tab.see('[data-testid=password-old][aria-invalid=true]');
  await fillPassword(tab, PASSWORD, 'short');
  await tab.see('[data-testid=password-new][aria-invalid=true]');
  await fillPassword(tab, PASSWORD, 'another password', 'another passwort');
  await tab.see('[data-testid=password-again][aria-invalid=true]');
  expect(server.admin.password).toBe(PASSWORD);
  expect(await tab.page.locator('[data-testid=session]').count()).toBe(3);
  await fillPassword(tab, PASSWORD, 'another password');
  await tab.say('Пароль сменён.');
  expect(server.admin.password).toBe('another password');
  expect(await tab.page.locator('[data-testid=session]').count()).toBe(1);
  expect(await tab.page.inputValue('[data-testid=password-old]')).toBe('');
  expect(await tab.page.evaluate(() => JSON.stringify({ ...localStorage }))).not.toContain('password');
});

test('who has guessed too often is told to wait', async () => {
  server.faults.push({ path: /^\/session\/password/, status: 429 });
  await tab.desk('/settings');
  await fillPassword(tab, PASSWORD, 'another password');
  await tab.say('Слишком много неверных паролей.');
});

test('a session elsewhere is ended, one by one or all at once, and never the own one', async () => {
  await tab.desk('/settings');
  await tab.see('[data-testid=session]');
  expect(await tab.page.locator('[data-testid=session][data-current=true] [data-testid=session-end]').count()).toBe(0);
  await tab.say('Safari на iOS');
  await tab.page.locator('[data-testid=session-end]').first().click();
  await expect.poll(() => tab.page.locator('[data-testid=session]').count()).toBe(2);
  expect(server.admin.sessions.map(({ user_agent }) => user_agent?.slice(0, 4))).toEqual(['Mozi', 'curl']);
  await tab.page.click('[data-testid=sessions-end]');
  await tab.say('Только здесь.');
  expect(server.admin.sessions.map(({ current }) => current)).toEqual([true]);
});

test('a person is added, gets a phone, and loses it', async () => {
  lines(tab);
  await tab.desk('/settings/users/new');
  await tab.page.fill('[data-testid=user-name]', 'Пётр Новый');
  await tab.page.fill('[data-testid=user-login]', 'anna');
  await tab.page.fill('[data-testid=user-password]', 'long enough');
  await tab.page.selectOption('[data-testid=user-ring]', 'in_order');
  await tab.page.fill('[data-testid=user-seconds]', '45');
  await tab.page.keyboard.press('Control+Enter');
  await tab.see('[data-testid=user-login][aria-invalid=true]');
  await tab.page.fill('[data-testid=user-login]', 'petr');
  await tab.page.keyboard.press('Enter');
  await tab.see('[data-testid=phones]');
  expect(asked()?.body).toEqual({
    ...{ name: 'Пётр Новый', login: 'petr', role: 'agent', password: 'long enough', extension: null },
    ...{ ring: 'in_order', ring_timeout_ms: 45_000, allow_call_waiting: false },
  });
  await tab.page.fill('[data-testid=phone-uri]', 'телефон');
  await tab.page.click('[data-testid=phone-add]');
  await tab.see('[data-testid=phone-uri][aria-invalid=true]');
  await tab.page.fill('[data-testid=phone-uri]', '205');
  await tab.page.keyboard.press('Enter');
  await tab.see('[data-testid=phone]');
  expect(server.admin.users[0]?.devices).toMatchObject([{ kind: 'sip', uri: '205' }]);
  await tab.page.click('[data-testid=phone-remove]');
  await tab.gone('[data-testid=phone]');
  expect(server.admin.users[0]?.devices).toEqual([]);
});

test('a phone that registers here is shown once what to enter, and is seen to come and go', async () => {
  lines(tab);
  await tab.desk('/settings/users/user-long');
  await tab.page.fill('[data-testid=own-phone-name]', 'Стол');
  await tab.page.click('[data-testid=own-phone-add]');
  await tab.see('[data-testid=phone-shown]');
  expect(asked()?.body).toEqual({ kind: 'phone', name: 'Стол' });
  expect(await tab.page.textContent('[data-testid=shown-password]')).toBe('w8dk3mzq7xhc5rtb');
  await tab.page.click('[data-testid=copy-password]');
  expect(await tab.page.evaluate(() => navigator.clipboard.readText())).toBe('w8dk3mzq7xhc5rtb');
  await tab.page.click('[data-testid=phone-entered]');
  await tab.gone('[data-testid=phone-shown]');
  await tab.see('[data-testid=own-phone][data-registered=false]');
  server.office.emit('device.changed', { device_id: 'device-new', user_id: 'user-long', registrations: DESK_PHONE.registrations, last_seen: null });
  await tab.see('[data-testid=own-phone][data-registered=true]');
  expect(await tab.page.textContent('[data-testid=own-phone]')).toContain('Yealink');
  await tab.page.click('[data-testid=phone-rotate]');
  await tab.see('[data-testid=phone-shown]');
  expect(await tab.page.textContent('[data-testid=shown-password]')).toBe('another-one-5rtb');
  await tab.page.click('[data-testid=phone-remove]');
  await tab.gone('[data-testid=own-phone]');
});

test('of a person only what was changed is sent, and what is typed survives a reload but for the password', async () => {
  lines(tab);
  await tab.desk(`/settings/users/${ANNA.id}`);
  await tab.page.selectOption('[data-testid=user-role]', 'supervisor');
  await tab.page.fill('[data-testid=user-extension]', '');
  await tab.page.fill('[data-testid=user-password]', 'secret secret');
  await tab.page.reload();
  await tab.see('[data-testid=user-form]');
  expect(await tab.page.inputValue('[data-testid=user-role]')).toBe('supervisor');
  expect(await tab.page.inputValue('[data-testid=user-password]')).toBe('');
  expect(await tab.page.evaluate(() => JSON.stringify({ ...localStorage }))).not.toContain('secret');
  await tab.page.click('[data-testid=user-save]');
  await tab.say('Сохранено.');
  expect(asked()).toMatchObject({ method: 'PATCH', version: '"1"' });
  expect(asked()?.body).toEqual({ role: 'supervisor', extension: null });
});

test('a person whom somebody else has changed is shown as is now', async () => {
  lines(tab);
  await tab.desk(`/settings/users/${ANNA.id}`);
  await tab.see('[data-testid=user-form]');
  // Once the page has read everything: what it read later would bring the change by itself.
  await tab.page.waitForLoadState('networkidle');
  server.admin.users = server.admin.users.map((user) => (user.id === ANNA.id ? { ...user, name: 'Чужое имя', version: 7 } : user));
  await tab.page.fill('[data-testid=user-extension]', '299');
  await tab.page.click('[data-testid=user-save]');
  await tab.say('только что изменил кто-то другой');
  expect(await tab.page.inputValue('[data-testid=user-name]')).toBe('Чужое имя');
});

test('nobody removes oneself, and a person is removed only after a question that says what comes of it', async () => {
  lines(tab);
  await tab.desk(`/settings/users/${BOSS.id}`);
  await tab.see('[data-testid=user-form]');
  expect(await tab.page.locator('[data-testid=user-remove]').count()).toBe(0);
  expect(await tab.page.isDisabled('[data-testid=user-role]')).toBe(true);
  await tab.desk(`/settings/users/${ANNA.id}`);
  await tab.page.click('[data-testid=user-remove]');
  await tab.say('3 линии останутся без хозяина');
  await tab.page.click('[data-testid=confirm-cancel]');
  await tab.gone('[data-testid=confirm]');
  expect(server.admin.users.length).toBe(4);
  await tab.page.click('[data-testid=user-remove]');
  await tab.page.click('[data-testid=confirm-yes]');
  await tab.see('[data-testid=user-row]');
  expect(server.admin.users.map(({ id }) => id)).not.toContain(ANNA.id);
});

test('the last administrator stays one, and the page says why', async () => {
  lines(tab);
  server.admin.users = [{ ...BOSS, id: 'user-other', login: 'other', name: 'Другой Администратор' }];
  await tab.desk('/settings/users/user-other');
  await tab.page.selectOption('[data-testid=user-role]', 'agent');
  await tab.page.click('[data-testid=user-save]');
  await tab.say('Это последний администратор.');
  await tab.page.click('[data-testid=user-remove]');
  await tab.page.click('[data-testid=confirm-yes]');
  await tab.see('[data-testid=confirm] [role=alert]');
  expect(server.admin.users.map(({ role }) => role)).toEqual(['admin']);
});

test('the filters of the audit are the address, and the file has what is shown', async () => {
  lines(tab);
  await tab.desk('/settings/audit');
  await tab.see('[data-testid=audit-row]');
  await tab.say('11 записей');
  await tab.say('+375 29 123 45 67');
  await tab.page.selectOption('[data-testid=audit-who]', BOSS.id);
  await tab.say('5 записей');
  await tab.page.selectOption('[data-testid=audit-what]', 'login');
  await tab.say('1 запись');
  await tab.page.fill('[data-testid=audit-from]', '2020-01-31');
  await tab.page.fill('[data-testid=audit-until]', '2099-01-31');
  await expect.poll(() => tab.page.url()).toBe(`${server.url}/settings/audit?user=${BOSS.id}&action=login&from=2020-01-31&until=2099-01-31`);
  await tab.page.reload();
  await tab.say('1 запись');
  const file = new URL((await tab.page.getAttribute('[data-testid=audit-csv]', 'href')) ?? '', server.url);
  // Whole days of Moscow.
  const wanted = { user_id: BOSS.id, action: 'login', from: '2020-01-30T21:00:00.000Z', until: '2099-01-31T21:00:00.000Z', format: 'csv' };
  expect(Object.fromEntries(file.searchParams)).toEqual(wanted);
  await tab.desk('/settings/audit?action=made_up&from=yesterday');
  await tab.say('11 записей');
});

test('an alarm of the server comes and goes while one looks', async () => {
  lines(tab);
  await tab.desk('/settings/server');
  await tab.see('[data-testid=server-well]');
  server.admin.server = { ...server.admin.server, alarms: [{ alarm: 'database_unavailable', subject: null, text: 'In English.', since: new Date().toISOString() }] };
  await tab.see('[data-alarm=database_unavailable]');
  await tab.gone('[data-testid=server-well]');
  server.admin.server = { ...server.admin.server, alarms: [] };
  await tab.see('[data-testid=server-well]');
});

test('a new office is told what to do next, until it is done', async () => {
  server.user = BOSS;
  server.admin.users = [BOSS];
  await tab.desk('/');
  await tab.see('[data-testid=first-steps]');
  const done = (): Promise<(string | null)[]> => tab.page.locator('[data-testid=first-steps] li').evaluateAll((steps) => steps.map((step) => step.getAttribute('data-done')));
  expect(await done()).toEqual(['false', 'false', 'false']);
  lines(tab);
  server.lines.items = server.lines.items.map((line) => ({ ...line, user_id: null }));
  await tab.page.reload();
  await expect.poll(done).toEqual(['true', 'false', 'false']);
  await tab.page.click('[data-testid=first-phone] a');
  await tab.see('[data-testid=user-form]');
  lines(tab);
  server.admin.users = [BOSS, { ...BOSS, id: 'user-two', role: 'agent', devices: [{ id: 'device-1', kind: 'sip', uri: '201' }] }];
  await tab.page.click('[data-testid=nav-desk]');
  await tab.gone('[data-testid=first-steps]');
  server.reset();
  await tab.desk('/');
  await tab.gone('[data-testid=first-steps]');
  expect(server.asked.filter((path) => path.includes('/users'))).toEqual([]);
});
