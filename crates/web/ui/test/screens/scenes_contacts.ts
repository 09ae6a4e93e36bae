// Contacts and companies: lists, cards, forms, and what may go wrong with them.

import { past } from './fake/office.ts';
import type { Office } from './fake/office.ts';
import { COLLEAGUES, CONTACTS, LONG, MARIA } from './fake/people.ts';
import type { Scene } from './scenes.ts';
import type { Tab } from './stage.ts';

const HOUR = 3_600_000;

/** Enough contacts for more than a page, and a past with some of them. */
export function known(office: Office): void {
  office.contacts.splice(0, office.contacts.length, ...CONTACTS.map((contact) => ({ ...contact })));
  for (let i = 0; i < 70; i += 1) {
    const name = `${['Алексей', 'Borys', 'Вера', 'Григорий'][i % 4] ?? ''} ${['Андреев', 'Kowalski', 'Волкова', 'Гусев'][i % 4] ?? ''} ${String(i)}`;
    const e164 = `+7903${String(2_000_000 + i * 7_919)}`;
    office.contacts.push({ ...LONG, id: `more-${String(i)}`, name, company_id: i % 3 === 0 ? 'volga' : null, numbers: i % 5 === 0 ? [] : [{ number: e164, e164, extension: null, label: null }] });
  }
  office.add(
    past({ contact_id: MARIA.id, recording_ids: ['rec-1'], notes: 'Счёт выслан, ждут до пятницы.\nПерезвонить Петру.' }, HOUR),
    past({ contact_id: MARIA.id, outcome: 'abandoned' }, 5 * HOUR),
    past({ contact_id: MARIA.id, user_id: 'user-long', recording_ids: ['rec-2'], talk_ms: 3_729_000 }, 30 * HOUR),
    past({ contact_id: COLLEAGUES[0]?.id ?? null, outcome: 'no_answer', notes: 'Не дозвонился' }, 70 * HOUR),
    past({ contact_id: LONG.id, direction: 'outbound', callee_number: '+79035550123', outcome: 'busy' }, 90 * HOUR),
  );
}

async function form(tab: Tab, office: Office, path: string): Promise<void> {
  known(office);
  await tab.desk(path);
  await tab.see('[data-testid=card-form]');
}

/** A colleague saves something else while Maria's form is open. */
export async function conflicting(tab: Tab, office: Office): Promise<void> {
  await form(tab, office, `/contacts/${MARIA.id}/edit`);
  await tab.page.fill('[data-testid=form-notes]', 'Звонить только утром.');
  const at = office.contacts.findIndex(({ id }) => id === MARIA.id);
  const maria = office.contacts[at];
  if (maria) office.contacts[at] = { ...maria, notes: 'Уходит в отпуск до 12-го.', region: 'Казань', version: maria.version + 1 };
  await tab.page.click('[data-testid=form-save]');
  await tab.see('[data-testid=conflict]');
}

export const CONTACT_SCENES: Scene[] = [
  {
    name: 'contacts',
    play: async (tab, office) => {
      known(office);
      await tab.desk('/contacts');
      await tab.see('[data-testid=card-row]');
    },
  },
  {
    name: 'contacts-empty',
    play: async (tab, office) => {
      office.contacts.length = 0;
      await tab.desk('/contacts');
      await tab.see('[data-testid=no-cards]');
    },
  },
  {
    name: 'contacts-found',
    play: async (tab, office) => {
      known(office);
      await tab.desk('/contacts?q=8+831+212&company=volga&sort=newest');
      await tab.see('[data-testid=card-row]');
    },
  },
  {
    name: 'contacts-failed',
    play: async (tab) => {
      tab.server.faults.push({ path: /^\/contacts$/, status: 503 });
      await tab.desk('/contacts');
      await tab.see('main [role=alert]');
    },
  },
  {
    name: 'companies',
    play: async (tab, office) => {
      known(office);
      await tab.desk('/companies');
      await tab.see('[data-testid=card-row]');
    },
  },
  {
    name: 'contact',
    play: async (tab, office) => {
      known(office);
      await tab.desk(`/contacts/${MARIA.id}`);
      await tab.see('[data-testid=activity-row]');
    },
  },
  {
    name: 'contact-long',
    play: async (tab, office) => {
      known(office);
      await tab.desk(`/contacts/${LONG.id}`);
      await tab.see('[data-testid=activity-row]');
    },
  },
  {
    name: 'contact-without-calls',
    play: async (tab, office) => {
      known(office);
      await tab.desk('/contacts/more-0');
      await tab.see('[data-testid=activity] .empty');
    },
  },
  {
    name: 'contact-gone',
    play: async (tab) => {
      await tab.desk('/contacts/nobody');
      await tab.see('main [role=alert]');
    },
  },
  {
    name: 'company',
    play: async (tab, office) => {
      known(office);
      await tab.desk('/companies/volga');
      await tab.see('[data-testid=activity-row]');
      await tab.see('[data-testid=company-people] li');
    },
  },
  {
    name: 'contact-delete',
    play: async (tab, office) => {
      known(office);
      await tab.desk(`/contacts/${MARIA.id}`);
      await tab.page.click('[data-testid=delete-button]');
      await tab.see('[data-testid=confirm]');
    },
  },
  { name: 'contact-form', play: (tab, office) => form(tab, office, `/contacts/${MARIA.id}/edit`) },
  {
    name: 'contact-form-faults',
    play: async (tab, office) => {
      await form(tab, office, '/contacts/new?number=%2B79161234567');
      await tab.page.locator('[data-testid=form-number]').first().focus();
      await tab.page.click('[data-testid=add-email]');
      await tab.page.fill('[data-testid=form-email]', 'maria');
      await tab.page.fill('[data-testid=form-company]', 'волга');
      await tab.see('[role=option]');
      await tab.page.keyboard.press('ArrowDown');
      await tab.page.keyboard.press('Enter');
      await tab.page.click('[data-testid=form-save]');
      await tab.see('[aria-invalid=true]');
    },
  },
  {
    name: 'contact-form-picking',
    play: async (tab, office) => {
      await form(tab, office, '/contacts/new');
      await tab.page.fill('[data-testid=form-company]', 'ООО');
      await tab.see('[role=option]');
      await tab.page.keyboard.press('ArrowDown');
    },
  },
  { name: 'contact-conflict', play: conflicting },
  { name: 'company-form', play: (tab, office) => form(tab, office, '/companies/volga/edit') },
];
