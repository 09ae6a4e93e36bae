// Every screen and state of the desk, and how to come there.

import { BOSS } from './fake/admin.ts';
import { Call } from './fake/office.ts';
import type { Office } from './fake/office.ts';
import { past, waiting } from './fake/office.ts';
import { ANNA, COLLEAGUES, HOSTILE, KNOWN, LONG, LONG_KNOWN, MARIA, PASSWORD, SWITCHBOARD, candidateOf } from './fake/people.ts';
import { recordedBySbc } from './fake/recordings.ts';
import { DIALLING } from './dialling.ts';
import { ADMIN } from './scenes_admin.ts';
import { CALLER_SCENES } from './scenes_callers.ts';
import { LEADING } from './scenes_leading.ts';
import { LIST_SCENES } from './scenes_lists.ts';
import { CONTACT_SCENES } from './scenes_contacts.ts';
import { SETTINGS } from './scenes_settings.ts';
import { SOUND } from './scenes_sound.ts';
import { TALK_OVER } from './scenes_talk_over.ts';
import type { Tab } from './stage.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const VOLGA = '+78312123456';

export interface Scene {
  name: string;
  /** It goes by itself, so each picture needs it played anew. */
  fleeting?: boolean;
  play: (tab: Tab, office: Office) => Promise<void>;
}

const panel = (state: string): string => `[data-testid=panel-state][data-state=${state}]`;

/** A working day, and some before it. */
export function busy(office: Office): void {
  office.add(
    past({ contact_id: MARIA.id, recording_ids: ['rec-1'], notes: 'Счёт выслан, ждут до пятницы.' }, 4 * MINUTE),
    past({ caller_number: '+79219876543', outcome: 'abandoned', ringing_ms: 21_000 }, 25 * MINUTE),
    past({ contact_id: LONG.id, caller_number: '+79035550123', talk_ms: 3_729_000, recording_ids: ['rec-2'] }, 2 * HOUR),
    past({ caller_number: null, caller_dialled: null, outcome: 'no_answer', ringing_ms: 20_000 }, 3 * HOUR),
    past({ contact_id: HOSTILE.id, caller_number: '+74957654321', outcome: 'busy', ringing_ms: 40 }, 3 * HOUR),
    past({ caller_number: '201', callee_number: '105', direction: 'internal', talk_ms: 42_000 }, DAY),
    past({ caller_number: '+442071838750', outcome: 'rejected', ringing_ms: 3_000 }, DAY),
    past({ contact_id: COLLEAGUES[0]?.id ?? null, outcome: 'failed', ringing_ms: 100 }, 3 * DAY),
    past({ contact_id: MARIA.id, outcome: 'interrupted', talk_ms: 12_000 }, 400 * DAY),
    past({ direction: 'outbound', caller_number: '+74951234501', callee_number: '+79035550123', contact_id: LONG.id, outcome: 'canceled', sip_status: null }, 5 * DAY),
  );
  for (let i = 0; i < 60; i += 1) office.add(past({ caller_number: `+7916${String(1_000_000 + i * 7_919)}` }, (6 + i) * DAY));
}

/** Callers whom nobody answered, each of another kind. */
export function neglected(office: Office): void {
  const items = [
    waiting({ attempts: 3 }, 12 * MINUTE),
    waiting({ number: '+78312123456', contact_id: MARIA.id, state: 'claimed', owner_id: ANNA.id, attempts: 2 }, 2 * HOUR),
    waiting({ number: '+79035550123', contact_id: LONG.id }, 5 * HOUR),
    waiting({ number: null, number_dialled: null }, 9 * HOUR),
    waiting({ number: null, number_dialled: '<b>ivan.petrov</b>' }, DAY),
    waiting({ number: '+442071838750', state: 'claimed', owner_id: 'user-olga', attempts: 12 }, 2 * DAY),
    waiting({ number: '105' }, 3 * DAY),
  ];
  for (const item of items) office.missed.set(item.id, item);
}

async function ringing(tab: Tab, office: Office, number: string | null, more: { display?: string; did?: string } = {}): Promise<Call> {
  busy(office);
  await tab.desk();
  const call = office.ring(number, more);
  await tab.see(panel('ringing'));
  return call;
}

async function talking(tab: Tab, office: Office, talkedMs = 151_000): Promise<Call> {
  const call = (await ringing(tab, office, VOLGA, { did: '+74951234501' })).found(KNOWN).answer(talkedMs);
  await tab.see(panel('talking'));
  await tab.see('[data-testid=rec-mark]');
  return call;
}

const LOGIN: Scene[] = [
  {
    name: 'login',
    play: async (tab) => {
      await tab.page.goto(tab.server.url);
      await tab.see('[data-testid=login-form]');
    },
  },
  {
    name: 'login-wrong',
    play: async (tab) => {
      await tab.page.goto(tab.server.url);
      await tab.page.fill('[data-testid=login-input]', 'anna');
      await tab.page.fill('[data-testid=password-input]', 'guess');
      await tab.page.click('[data-testid=login-button]');
      await tab.see('[data-testid=login-error]');
    },
  },
  {
    name: 'login-unanswered',
    play: async (tab) => {
      await tab.page.goto(tab.server.url);
      await tab.page.fill('[data-testid=login-input]', 'anna');
      await tab.page.fill('[data-testid=password-input]', PASSWORD);
      tab.server.faults.push({ path: /^\/session$/, status: 503 });
      await tab.page.click('[data-testid=login-button]');
      await tab.see('[data-testid=login-error]');
    },
  },
  {
    name: 'login-expired',
    play: async (tab, office) => {
      busy(office);
      await tab.desk();
      // What the desk itself reads is there; only the next reading finds the session over.
      await tab.say(MARIA.name);
      tab.server.faults.push({ path: /^\/interactions/, status: 401 });
      await tab.page.click('[data-testid=nav-history]');
      await tab.see('[data-testid=login-form]');
    },
  },
  {
    name: 'login-unreachable',
    play: async (tab) => {
      await tab.page.context().addCookies([tab.server.sessionCookie]);
      tab.server.faults.push({ path: /^\/session$/, status: 0 });
      await tab.page.goto(tab.server.url);
      await tab.see('main [role=status]');
    },
  },
];

const IDLE: Scene[] = [
  { name: 'desk-empty', play: (tab) => tab.desk() },
  {
    name: 'desk',
    play: async (tab, office) => {
      busy(office);
      await tab.desk();
      await tab.say(MARIA.name);
    },
  },
  {
    name: 'desk-missed',
    play: async (tab, office) => {
      busy(office);
      neglected(office);
      await tab.desk();
      await tab.see('[data-testid=missed][data-count="6"]');
      await tab.say(MARIA.name);
    },
  },
  {
    name: 'desk-missed-many',
    play: async (tab, office) => {
      neglected(office);
      for (let n = 0; n < 40; n += 1) {
        const item = waiting({ number: `+7916${String(1_000_000 + n * 7_919)}` }, (4 + n) * DAY);
        office.missed.set(item.id, item);
      }
      await tab.desk();
      await tab.see('[data-testid=missed][data-count="46"]');
    },
  },
  {
    name: 'desk-missed-refused',
    play: async (tab, office) => {
      neglected(office);
      await tab.desk();
      tab.server.faults.push({ path: /claim$/, status: 409 });
      await tab.page.locator('[data-testid=claim-button]').first().click();
      await tab.see('[data-testid=missed] [role=alert]');
    },
  },
  {
    name: 'desk-missed-failed',
    play: async (tab) => {
      tab.server.faults.push({ path: /^\/missed/, status: 503 });
      await tab.desk();
      await tab.see('[data-testid=missed] [role=alert]');
    },
  },
  {
    name: 'desk-failed',
    play: async (tab, office) => {
      busy(office);
      tab.server.faults.push({ path: /^\/interactions/, status: 503 });
      await tab.desk();
      await tab.see('main [role=alert]');
    },
  },
  {
    name: 'desk-loading',
    play: async (tab, office) => {
      busy(office);
      tab.server.delays.push({ path: /^\/interactions/, ms: 20_000 });
      await tab.desk();
      await tab.see('.skeleton');
    },
  },
  {
    name: 'menu',
    play: async (tab, office) => {
      busy(office);
      await tab.desk();
      await tab.page.click('[data-testid=user-menu]');
      await tab.see('#user-menu');
    },
  },
  {
    name: 'shortcuts',
    play: async (tab, office) => {
      busy(office);
      await tab.desk();
      await tab.page.keyboard.press('?');
      await tab.see('[data-testid=shortcuts]');
    },
  },
  {
    name: 'offline',
    play: async (tab, office) => {
      busy(office);
      await tab.desk();
      await tab.say(MARIA.name);
      tab.server.deaf = true;
      tab.server.cut();
      await tab.see('[data-testid=connection][data-state=offline]');
    },
  },
];

const RINGING: Scene[] = [
  {
    name: 'ringing-known',
    play: async (tab, office) => {
      (await ringing(tab, office, VOLGA, { did: '+74951234501' })).found(KNOWN);
      await tab.say('Ильинской');
    },
  },
  {
    name: 'ringing-long-names',
    play: async (tab, office) => {
      (await ringing(tab, office, '+79035550123')).found(LONG_KNOWN);
      await tab.see(`[data-testid=card][data-contact-id=${LONG.id}]`);
    },
  },
  {
    name: 'ringing-markup',
    play: async (tab, office) => {
      (await ringing(tab, office, '+74957654321', { display: '<script>alert(1)</script>' })).found([candidateOf(HOSTILE, 'exact', ["The number is this contact's.", 'A new reason.'])]);
      await tab.see(`[data-testid=card][data-contact-id=${HOSTILE.id}]`);
    },
  },
  {
    name: 'ringing-several',
    play: async (tab, office) => {
      (await ringing(tab, office, VOLGA, { did: '+74951234501' })).found(SWITCHBOARD);
      await tab.see('[data-testid=candidate]');
    },
  },
  {
    name: 'ringing-shared',
    play: async (tab, office) => {
      const shared = ['Other contacts with this number: 1.', "The number is this contact's."];
      (await ringing(tab, office, '+79161234567')).found([candidateOf(MARIA, 'exact', shared), candidateOf(LONG, 'exact', shared)]);
      await tab.see('[data-testid=candidate]');
    },
  },
  {
    name: 'ringing-suffix',
    play: async (tab, office) => {
      (await ringing(tab, office, '+78212123456')).found([candidateOf(MARIA, 'suffix', ['Only the last digits are the same: 7.'])]);
      await tab.see('[data-testid=candidate]');
    },
  },
  {
    name: 'ringing-unknown',
    play: async (tab, office) => {
      (await ringing(tab, office, '+78312987654', { display: 'IVANOV S.', did: '+74951234501' })).found([]);
      await tab.see('[data-lookup=done]');
    },
  },
  {
    name: 'ringing-withheld',
    play: async (tab, office) => {
      (await ringing(tab, office, null)).found([]);
      await tab.see('[data-lookup=done]');
    },
  },
  { name: 'ringing-pending', play: async (tab, office) => void (await ringing(tab, office, VOLGA)) },
  {
    name: 'ringing-unavailable',
    play: async (tab, office) => {
      (await ringing(tab, office, VOLGA)).found([], 'unavailable');
      await tab.see('[data-lookup=unavailable]');
    },
  },
  {
    name: 'ringing-offered',
    play: async (tab, office) => {
      busy(office);
      await tab.desk('/history');
      await tab.page.fill('[data-testid=history-search]', 'Мария');
      office.ring(VOLGA).found(KNOWN);
      await tab.see(panel('ringing'));
    },
  },
];

/** A call that rings at the desk phone, called or dialled there, and is only seen. */
async function watched(tab: Tab, office: Office, asked = false): Promise<Call> {
  busy(office);
  await tab.desk();
  const call = new Call(office, VOLGA, { asked }).onDeskPhone().found(KNOWN);
  await tab.see('[data-lookup=done]');
  return call;
}

const WATCHED: Scene[] = [
  { name: 'watched-ringing', play: async (tab, office) => void (await watched(tab, office)) },
  { name: 'watched-calling', play: async (tab, office) => void (await watched(tab, office, true)) },
  {
    name: 'watched-talking',
    play: async (tab, office) => {
      (await watched(tab, office)).answer(42_000);
      await tab.see('[data-testid=watched]');
    },
  },
];

const TALKING: Scene[] = [
  {
    name: 'talking',
    play: async (tab, office) => {
      await talking(tab, office);
      await tab.page.locator('[data-testid=call-panel] [data-testid=note-input]').fill('Просит счёт на доставку, перезвонить в среду после двух.');
      await tab.see('[data-status=saved]');
    },
  },
  {
    name: 'talking-note-failed',
    play: async (tab, office) => {
      await talking(tab, office);
      tab.server.faults.push({ path: /^\/interactions\//, status: 503, method: 'PATCH' });
      await tab.page.locator('[data-testid=call-panel] [data-testid=note-input]').fill('Просит счёт');
      await tab.see('[data-status=failed]');
    },
  },
  {
    name: 'talking-unknown',
    play: async (tab, office) => {
      (await ringing(tab, office, '+79219876543', { did: '+74951234501' })).found([]).answer(31_000);
      await tab.see(panel('talking'));
    },
  },
  {
    name: 'talking-waiting',
    play: async (tab, office) => {
      await talking(tab, office);
      office.ring('+79035550123').found(LONG_KNOWN);
      await tab.see('[data-testid=pop][data-pop-state=ringing]');
    },
  },
  {
    name: 'held',
    play: async (tab, office) => {
      (await talking(tab, office)).hold();
      await tab.see(panel('held'));
    },
  },
  {
    name: 'hangup-failed',
    play: async (tab, office) => {
      await talking(tab, office);
      tab.server.faults.push({ path: /hangup$/, status: 503 });
      await tab.page.click('[data-testid=hangup-button]');
      await tab.see('[data-testid=call-panel] [role=alert]');
    },
  },
  {
    name: 'ended',
    play: async (tab, office) => {
      (await talking(tab, office)).end();
      await tab.see(panel('ended'));
    },
  },
  {
    name: 'missed',
    play: async (tab, office) => {
      (await ringing(tab, office, VOLGA)).found(KNOWN).miss();
      await tab.see('[data-testid=panel-state][data-how=missed]');
    },
  },
  {
    name: 'elsewhere',
    fleeting: true,
    play: async (tab, office) => {
      (await ringing(tab, office, VOLGA)).found(KNOWN).elsewhere('user-gleb');
      await tab.see('[data-testid=panel-state][data-how=elsewhere]');
    },
  },
];

const HISTORY: Scene[] = [
  {
    name: 'history',
    play: async (tab, office) => {
      busy(office);
      await tab.desk('/history');
      await tab.say(MARIA.name);
    },
  },
  { name: 'history-empty', play: (tab) => tab.desk('/history') },
  {
    name: 'history-nothing',
    play: async (tab, office) => {
      busy(office);
      await tab.desk('/history?q=999999&outcome=busy');
      await tab.see('main .empty');
    },
  },
  {
    name: 'detail',
    play: async (tab, office) => {
      busy(office);
      await tab.desk('/history');
      await tab.page.getByRole('link', { name: MARIA.name }).first().click();
      await tab.see('[data-testid=explain-verdict]');
      await tab.page.locator('[data-testid=detail] [data-testid=play-button]').click();
      await tab.see('[data-testid=player][data-paused=false]');
    },
  },
  {
    name: 'detail-recorded',
    play: async (tab, office) => {
      busy(office);
      tab.server.user = BOSS;
      const told = recordedBySbc();
      for (const one of office.interactions.keys()) office.recordedSessions.set(one, [told]);
      await tab.desk('/history');
      await tab.page.getByRole('link', { name: MARIA.name }).first().click();
      await tab.see('[data-testid=recorded-party]');
      await tab.page.click('[data-testid=recorded-raw] summary');
    },
  },
  {
    name: 'detail-missed',
    play: async (tab, office) => {
      busy(office);
      await tab.desk('/history?outcome=abandoned');
      await tab.page.locator('[data-testid=history-row] a').first().click();
      await tab.see('[data-testid=explain-verdict]');
    },
  },
  {
    name: 'detail-gone',
    play: async (tab) => {
      await tab.desk('/history/int-of-somebody-else');
      await tab.see('[data-testid=detail] [role=alert]');
    },
  },
  {
    name: 'player-missing',
    play: async (tab, office) => {
      busy(office);
      await tab.desk('/history');
      await tab.say(MARIA.name);
      tab.server.faults.push({ path: /\/media$/, status: 404 });
      await tab.page.locator('[data-testid=play-button]').first().click();
      await tab.see('[data-testid=player] [role=alert]');
    },
  },
];

export const SCENES: Scene[] = [...LOGIN, ...IDLE, ...DIALLING, ...RINGING, ...TALKING, ...TALK_OVER, ...SOUND, ...WATCHED, ...HISTORY, ...ADMIN, ...SETTINGS, ...CONTACT_SCENES, ...CALLER_SCENES, ...LEADING, ...LIST_SCENES];
