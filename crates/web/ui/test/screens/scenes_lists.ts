// What all lists offer: their order, their columns, and one change for many of a list.

import { past } from './fake/office.ts';
import type { Office } from './fake/office.ts';
import { ANNA, LONG, MARIA } from './fake/people.ts';
import { known } from './scenes_contacts.ts';
import { recorded } from './scenes_leading.ts';
import type { Scene } from './scenes.ts';
import type { Tab } from './stage.ts';

const MINUTE = 60_000;

/** Calls of each length, with all that a column can show. */
export function talked(office: Office): void {
  office.add(
    past({ contact_id: MARIA.id, talk_ms: 61_000, disposition: 'agreed', notes: 'Счёт выслан, ждут до пятницы.\nПерезвонить Петру.' }, 4 * MINUTE),
    past({ contact_id: LONG.id, caller_number: '+79035550123', talk_ms: 3_729_000, user_id: 'user-long', line_id: 'line-2', disposition: 'call_back', recording_ids: ['rec-1'] }, 30 * MINUTE),
    past({ caller_number: '+79219876543', outcome: 'abandoned', ringing_ms: 21_000, user_id: null }, 90 * MINUTE),
    past({ direction: 'outbound', callee_number: '+442071838750', talk_ms: 400_000, disposition: 'Просил написать на почту', user_id: 'user-ivan' }, 200 * MINUTE),
  );
  for (let i = 0; i < 60; i += 1) office.add(past({ caller_number: `+7916${String(1_000_000 + i * 7_919)}`, talk_ms: 1_000 * (70 + i) }, (300 + i) * MINUTE));
}

export const at = (id: string): string => `[data-testid=${id}]`;
const box = (tab: Tab, id: string) => tab.page.locator(`${at('card-row')}[data-id=${id}] ${at('select')}`);

/** Switches columns on or off and leaves the menu open. */
async function switched(tab: Tab, ...ids: string[]): Promise<void> {
  await tab.page.click(at('columns'));
  for (const id of ids) await tab.page.click(`${at('columns-menu')} [data-column=${id}]`);
}

/** Some contacts are selected, from the one to the other. */
export async function selected(tab: Tab, from: string, until: string): Promise<void> {
  await tab.see(at('card-row'));
  await box(tab, from).click();
  await box(tab, until).click({ modifiers: ['Shift'] });
  await tab.see(at('bulk-bar'));
}

/** Three are given to somebody, but a colleague has changed one meanwhile and another one is not allowed. */
export async function halfDone(tab: Tab, office: Office): Promise<void> {
  known(office);
  await tab.desk('/contacts');
  await selected(tab, 'more-0', 'more-16');
  const place = office.contacts.findIndex(({ id }) => id === 'more-12');
  const card = office.contacts[place];
  if (card) office.contacts[place] = { ...card, region: 'Казань', version: card.version + 1 };
  tab.server.faults.push({ path: /^\/contacts\/more-16$/, status: 403, method: 'PATCH' });
  await tab.page.selectOption(at('bulk-person'), 'user-olga');
  await tab.page.click(at('bulk-assign'));
  await tab.see(at('bulk-said'));
}

export const LIST_SCENES: Scene[] = [
  {
    name: 'history-longest',
    play: async (tab, office) => {
      talked(office);
      await tab.desk('/history?sort=longest');
      await tab.say(LONG.name);
    },
  },
  {
    name: 'history-columns',
    play: async (tab, office) => {
      talked(office);
      await tab.desk('/history');
      await tab.say(MARIA.name);
      await switched(tab, 'agent', 'disposition', 'note', 'ringing');
    },
  },
  {
    name: 'history-all-columns',
    play: async (tab, office) => {
      talked(office);
      await tab.desk('/history');
      await tab.say(MARIA.name);
      await switched(tab, 'agent', 'line', 'direction', 'disposition', 'note');
    },
  },
  {
    name: 'recordings-columns',
    play: async (tab, office) => {
      tab.server.user = { ...ANNA, role: 'supervisor' };
      recorded(office);
      await tab.desk('/recordings?sort=longest');
      await tab.see(at('recording-row'));
      await switched(tab, 'line', 'marks');
    },
  },
  {
    name: 'companies-columns',
    play: async (tab, office) => {
      known(office);
      await tab.desk('/companies?sort=newest');
      await tab.see(at('card-row'));
      await switched(tab, 'created', 'industry');
    },
  },
  {
    name: 'contacts-selected',
    play: async (tab, office) => {
      known(office);
      await tab.desk('/contacts');
      await selected(tab, 'more-0', 'more-16');
    },
  },
  {
    name: 'contacts-half-done',
    play: async (tab, office) => halfDone(tab, office),
  },
  {
    name: 'contacts-delete-many',
    play: async (tab, office) => {
      known(office);
      await tab.desk('/contacts');
      await selected(tab, 'more-0', 'more-28');
      await tab.page.click(at('bulk-delete'));
      await tab.see(at('confirm'));
    },
  },
];
