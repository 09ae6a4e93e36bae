// The screens of people, the audit, the server and of what everybody sets for oneself, and how to come there.

import { BOSS } from './fake/admin.ts';
import { ANNA, PASSWORD } from './fake/people.ts';
import type { Scene } from './scenes.ts';
import { office } from './scenes_admin.ts';
import type { Tab } from './stage.ts';

async function closeCard(tab: Tab): Promise<void> {
  if ((await tab.page.locator('[data-testid=card-close]').count()) > 0) await tab.page.click('[data-testid=card-close]');
}

async function alone(tab: Tab): Promise<void> {
  tab.server.user = BOSS;
  tab.server.admin.users = [BOSS];
  await tab.desk('/settings/users');
  await tab.see('[data-testid=user-row]');
}

async function at(tab: Tab, path: string, seen: string): Promise<void> {
  office(tab);
  await tab.desk(path);
  await tab.see(seen);
}

export async function fillPassword(tab: Tab, old: string, next: string, again = next): Promise<void> {
  await tab.page.fill('[data-testid=password-old]', old);
  await tab.page.fill('[data-testid=password-new]', next);
  await tab.page.fill('[data-testid=password-again]', again);
  await tab.page.click('[data-testid=password-change]');
}

const PEOPLE: Scene[] = [
  { name: 'users', play: (tab) => at(tab, '/settings/users', '[data-testid=user-row]') },
  { name: 'users-alone', play: alone },
  {
    name: 'users-failed',
    play: async (tab) => {
      tab.server.faults.push({ path: /^\/users/, status: 503 });
      await at(tab, '/settings/users', 'main [role=alert]');
    },
  },
  {
    name: 'user-new',
    play: async (tab) => {
      await at(tab, '/settings/users/new', '[data-testid=user-form]');
      await tab.page.fill('[data-testid=user-login]', 'anna');
      await tab.page.fill('[data-testid=user-password]', 'long enough');
      await tab.page.fill('[data-testid=user-seconds]', '900');
      await tab.page.click('[data-testid=user-save]');
      await tab.page.fill('[data-testid=user-extension]', 'два');
      await tab.page.click('[data-testid=user-save]');
    },
  },
  { name: 'user-edit', play: (tab) => at(tab, `/settings/users/${ANNA.id}`, '[data-testid=phone]') },
  {
    name: 'user-phone-shown',
    play: async (tab) => {
      await at(tab, `/settings/users/${ANNA.id}`, '[data-testid=phone]');
      await tab.page.click('[data-testid=own-phone-add]');
      await tab.see('[data-testid=phone-shown]');
      await tab.page.click('[data-testid=copy-password]');
    },
  },
  {
    name: 'user-registrar-off',
    play: async (tab) => {
      tab.server.admin.registrar = false;
      await at(tab, `/settings/users/${ANNA.id}`, '[data-testid=phone]');
      await tab.page.click('[data-testid=own-phone-add]');
      await tab.see('[data-testid=registrar-off]');
    },
  },
  { name: 'user-edit-bare', play: (tab) => at(tab, '/settings/users/user-long', '[data-testid=user-lines]') },
  { name: 'user-own', play: (tab) => at(tab, `/settings/users/${BOSS.id}`, '[data-testid=user-lines]') },
  {
    name: 'user-remove',
    play: async (tab, at) => {
      office(tab);
      await tab.desk(`/settings/users/${ANNA.id}`);
      at.ring('+78312123456').answer(30_000);
      await tab.see('[data-testid=user]');
      await closeCard(tab);
      await tab.page.click('[data-testid=user-remove]');
      await tab.see('[data-testid=confirm]');
    },
  },
  { name: 'user-gone', play: (tab) => at(tab, '/settings/users/user-of-yesterday', 'main [role=alert]') },
];

const OWN: Scene[] = [
  {
    name: 'own',
    play: async (tab) => {
      await tab.desk('/settings');
      await tab.see('[data-testid=session]');
    },
  },
  { name: 'own-admin', play: (tab) => at(tab, '/settings', '[data-testid=session]') },
  {
    name: 'own-wrong-password',
    play: async (tab) => {
      await tab.desk('/settings');
      await fillPassword(tab, 'a wrong one', 'another password');
      await tab.see('[aria-invalid=true]');
    },
  },
  {
    name: 'own-changed',
    play: async (tab) => {
      await tab.desk('/settings');
      await tab.see('[data-testid=session]');
      await fillPassword(tab, PASSWORD, 'another password');
      await tab.gone('[data-testid=sessions-end]');
    },
  },
  {
    name: 'own-failed',
    play: async (tab) => {
      tab.server.faults.push({ path: /^\/sessions/, status: 503 });
      await tab.desk('/settings');
      await tab.see('main [role=alert]');
    },
  },
];

const AUDIT: Scene[] = [
  { name: 'audit', play: (tab) => at(tab, '/settings/audit', '[data-testid=audit-row]') },
  { name: 'audit-filtered', play: (tab) => at(tab, `/settings/audit?user=${BOSS.id}&action=line_checked&from=2020-01-31`, '[data-testid=audit-row]') },
  { name: 'audit-nothing', play: (tab) => at(tab, '/settings/audit?action=logout', 'main .empty') },
  {
    name: 'audit-failed',
    play: async (tab) => {
      tab.server.faults.push({ path: /^\/audit/, status: 503 });
      await at(tab, '/settings/audit', 'main [role=alert]');
    },
  },
];

const SERVER: Scene[] = [
  { name: 'server', play: (tab) => at(tab, '/settings/server', '[data-testid=server-well]') },
  {
    name: 'server-alarms',
    play: async (tab) => {
      const { server } = tab.server.admin;
      const since = new Date(Date.now() - 240_000).toISOString();
      server.database = { kind: 'postgres', state: 'failed' };
      server.alarms = [
        { alarm: 'database_unavailable', subject: null, text: 'In English.', since },
        { alarm: 'recording_failed', subject: 'rec-1', text: 'In English.', since },
      ];
      if (server.figures) server.figures = { ...server.figures, lines_registered: 4, lines_trying: 1, signals_spooled: 1_234, signals_late: 7, recordings_incomplete: 1, rtp_legs_free: 0 };
      await at(tab, '/settings/server', '[data-testid=alarms]');
    },
  },
  {
    name: 'server-failed',
    play: async (tab) => {
      tab.server.faults.push({ path: /^\/server/, status: 500 });
      await at(tab, '/settings/server', 'main [role=alert]');
    },
  },
  {
    name: 'first-steps',
    play: async (tab) => {
      tab.server.user = BOSS;
      tab.server.admin.users = [BOSS];
      await tab.desk('/');
      await tab.see('[data-testid=first-steps]');
    },
  },
  {
    name: 'first-steps-half',
    play: async (tab) => {
      office(tab);
      tab.server.admin.users = [BOSS];
      tab.server.lines.items = tab.server.lines.items.slice(0, 1);
      await tab.desk('/');
      await tab.see('[data-testid=first-line][data-done=true]');
    },
  },
];

export const SETTINGS: Scene[] = [...PEOPLE, ...OWN, ...AUDIT, ...SERVER];
