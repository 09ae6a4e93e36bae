// The screens of an administrator, and how to come there.

import { BOSS } from './fake/admin.ts';
import { BOTH, ELSEWHERE, UNCALLED } from './fake/doctor.ts';
import { HEALTHY, NO_NAME, line, registration, trouble, wrong } from './fake/lines.ts';
import type { Office } from './fake/office.ts';
import { ANNA } from './fake/people.ts';
import type { Scene } from './scenes.ts';
import type { Tab } from './stage.ts';

/** Lines of every state and length. */
export function office(tab: Tab): void {
  tab.server.user = BOSS;
  tab.server.lines.items = [
    line({ id: 'line-1', name: 'Основная', caller_id: '+78312000000' }),
    line({ id: 'line-2', name: '101@pbx.example.com', username: '101', user_id: null, registration: registration({ state: 'trying', expires_at: null, contacts: 0 }, 4_000) }),
    line({ id: 'line-3', name: 'Склад', username: 'warehouse-with-a-very-long-account-name', server: 'branch-office.telephony.provider.example.net:5080', user_id: 'user-olga', registration: trouble('wrong_password', { realm: 'asterisk' }) }),
    line({ id: 'line-4', name: 'Линия с названием, которое придумали в отделе по работе с крупными клиентами', registration: trouble('unreachable', { attempts: '4' }, 'trying') }),
    line({ id: 'line-5', name: 'Филиал', server: 'pbx.exampel.com', registration: trouble('no_address', { host: 'pbx.exampel.com' }) }),
  ];
}

export async function fillAccount(tab: Tab, server = 'pbx.example.com', username = '102'): Promise<void> {
  await tab.page.fill('[data-testid=line-server]', server);
  await tab.page.fill('[data-testid=line-username]', username);
  await tab.page.fill('[data-testid=line-password]', 'secret');
}

async function connects(tab: Tab, findings = HEALTHY): Promise<void> {
  office(tab);
  tab.server.lines.findings = findings;
  await tab.desk('/settings/lines/new');
  await fillAccount(tab);
  await tab.page.click('[data-testid=line-connect]');
}

/** The same with a test call, which is asked for. */
async function calls(tab: Tab, findings = BOTH): Promise<void> {
  office(tab);
  tab.server.lines.findings = findings;
  await tab.desk('/settings/lines/line-2');
  await tab.page.click('[data-testid=line-test-call]');
  await tab.page.click('[data-testid=confirm-yes]');
}

const uncalled = [...HEALTHY.slice(0, -2), ...UNCALLED, ...HEALTHY.slice(-2)];

const ringing = (office: Office): void => void office.ring('+78312123456').answer(30_000);

export const ADMIN: Scene[] = [
  {
    name: 'lines-empty',
    play: async (tab) => {
      tab.server.user = BOSS;
      await tab.desk('/settings/lines');
      await tab.see('[data-testid=lines-empty]');
    },
  },
  {
    name: 'lines',
    play: async (tab, at) => {
      office(tab);
      await tab.desk('/settings/lines');
      ringing(at);
      await tab.say(ANNA.name);
      if ((await tab.page.locator('[data-testid=card-close]').count()) > 0) await tab.page.click('[data-testid=card-close]');
    },
  },
  {
    name: 'lines-failed',
    play: async (tab) => {
      tab.server.user = BOSS;
      tab.server.faults.push({ path: /^\/lines/, status: 503 });
      await tab.desk('/settings/lines');
      await tab.see('main [role=alert]');
    },
  },
  {
    name: 'lines-forbidden',
    play: async (tab) => {
      await tab.desk('/settings/lines');
      await tab.see('main [role=alert]');
    },
  },
  {
    name: 'line-new',
    play: async (tab) => {
      office(tab);
      await tab.desk('/settings/lines/new');
      await tab.see('[data-testid=line-form]');
    },
  },
  {
    name: 'line-new-more',
    play: async (tab) => {
      office(tab);
      await tab.desk('/settings/lines/new');
      await tab.page.click('[data-testid=line-more] summary');
      await tab.page.fill('[data-testid=line-proxy]', 'not a host');
      await tab.page.fill('[data-testid=line-server]', 'два слова');
      await tab.page.click('[data-testid=line-connect]');
    },
  },
  {
    name: 'line-pushed-out',
    play: async (tab) => {
      office(tab);
      await tab.desk('/settings/lines/line-1');
      const [first] = tab.server.lines.items;
      if (first) tab.server.lines.stands(first, trouble('pushed_out', { contacts: 'sip:105-0x558fcaca21b0@192.168.100.77:22542' }));
      await tab.see('[data-testid=line-put-back]');
    },
  },
  {
    name: 'line-watching',
    play: async (tab) => {
      office(tab);
      await tab.desk('/settings/lines/line-1');
      await tab.page.click('[data-testid=line-more] summary');
      await tab.page.selectOption('[data-testid=line-mode]', 'dialog_info');
      await tab.page.locator('[data-testid=line-mode]').scrollIntoViewIfNeeded();
    },
  },
  {
    name: 'line-recording',
    play: async (tab) => {
      office(tab);
      await tab.desk('/settings/lines/new');
      await tab.page.click('[data-testid=line-more] summary');
      await tab.page.selectOption('[data-testid=line-mode]', 'siprec');
      await tab.page.fill('[data-testid=line-server]', 'sbc.example.com');
      await tab.page.fill('[data-testid=line-username]', 'recordings-of-the-branch-office');
      await tab.page.locator('[data-testid=line-recording-uri]').scrollIntoViewIfNeeded();
    },
  },
  {
    name: 'line-records',
    play: async (tab) => {
      office(tab);
      const [first] = tab.server.lines.items;
      if (first) Object.assign(first, { mode: 'siprec', registration: registration({ expires_at: null, contacts: 0, last_session_at: new Date(Date.now() - 420_000).toISOString() }) });
      await tab.desk('/settings/lines/line-1');
      await tab.see('[data-testid=line-last-session]');
    },
  },
  {
    name: 'line-checking',
    play: async (tab) => {
      tab.server.lines.waitsAfter = 2;
      await connects(tab);
      await tab.see('[data-step=register][data-state=running]');
    },
  },
  {
    name: 'line-added',
    play: async (tab) => {
      await connects(tab);
      await tab.see('[data-testid=line-added] [data-state=registered]');
    },
  },
  {
    name: 'line-exchange',
    play: async (tab) => {
      await connects(tab);
      await tab.see('[data-testid=line-added] [data-state=registered]');
      await tab.page.click('[data-testid=check-exchange] summary');
    },
  },
  {
    name: 'line-facts',
    play: async (tab) => {
      await connects(tab, uncalled);
      await tab.see('[data-testid=line-added] [data-state=registered]');
      await tab.page.click('[data-testid=check-facts] summary');
      await tab.page.locator('[data-testid=check-unasked]').scrollIntoViewIfNeeded();
    },
  },
  {
    name: 'line-test-call',
    play: async (tab) => {
      office(tab);
      await tab.desk('/settings/lines/line-2');
      await tab.page.click('[data-testid=line-test-call]');
      await tab.see('[data-testid=confirm]');
    },
  },
  {
    name: 'line-test-calling',
    play: async (tab) => {
      tab.server.lines.waitsAfter = BOTH.findIndex((finding) => finding.type === 'step' && finding.name === 'call');
      await calls(tab);
      await tab.see('[data-step=call][data-state=running]');
    },
  },
  {
    name: 'line-test-called',
    play: async (tab) => {
      await calls(tab);
      await tab.see('[data-testid=check][data-state=healthy]');
      await tab.page.locator('[data-testid=check-plan]').scrollIntoViewIfNeeded();
    },
  },
  {
    name: 'line-test-facts',
    play: async (tab) => {
      await calls(tab);
      await tab.see('[data-testid=check][data-state=healthy]');
      await tab.page.locator('[data-testid=check-facts]').scrollIntoViewIfNeeded();
    },
  },
  {
    name: 'line-test-message',
    play: async (tab) => {
      await calls(tab);
      await tab.see('[data-testid=check][data-state=healthy]');
      await tab.page.click('[data-fact=caller] [data-testid=message-link]');
      await tab.see('pre[data-number="8"]:focus');
    },
  },
  {
    name: 'line-test-elsewhere',
    play: async (tab) => {
      await calls(tab, ELSEWHERE);
      await tab.see('[data-testid=check][data-state=unhealthy]');
      await tab.page.locator('[data-testid=check-plan]').scrollIntoViewIfNeeded();
    },
  },
  {
    name: 'line-test-often',
    play: async (tab) => {
      tab.server.faults.push({ path: /check$/, status: 429 });
      await calls(tab);
      await tab.see('[data-testid=check][data-state=refused]');
    },
  },
  {
    name: 'line-wrong-password',
    play: async (tab) => {
      await connects(tab, wrong('wrong_password', 'password'));
      await tab.see('[data-testid=check][data-state=unhealthy]');
    },
  },
  {
    name: 'line-no-name',
    play: async (tab) => {
      await connects(tab, NO_NAME);
      await tab.see('[data-testid=check][data-state=unhealthy]');
    },
  },
  {
    name: 'line-taken',
    play: async (tab) => {
      office(tab);
      await tab.desk('/settings/lines/new');
      await fillAccount(tab, 'PBX.example.com', '100');
      await tab.page.click('[data-testid=line-connect]');
      await tab.see('[aria-invalid=true]');
    },
  },
  {
    name: 'line-edit',
    play: async (tab) => {
      office(tab);
      await tab.desk('/settings/lines/line-3');
      await tab.page.click('[data-testid=line-check]');
      await tab.see('[data-testid=check][data-state=healthy]');
    },
  },
  {
    name: 'line-remove',
    play: async (tab, at) => {
      office(tab);
      await tab.desk('/settings/lines/line-1');
      ringing(at);
      await tab.see('[data-testid=line]');
      if ((await tab.page.locator('[data-testid=card-close]').count()) > 0) await tab.page.click('[data-testid=card-close]');
      await tab.page.click('[data-testid=line-remove]');
      await tab.see('[data-testid=confirm]');
    },
  },
  {
    name: 'line-gone',
    play: async (tab) => {
      office(tab);
      await tab.desk('/settings/lines/line-of-yesterday');
      await tab.see('main [role=alert]');
    },
  },
];
