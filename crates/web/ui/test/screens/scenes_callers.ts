// Who a doubtful caller is, contacts from a file, and the search for everything.

import { ANNA, CONTACTS, KNOWN, MARIA, SWITCHBOARD } from './fake/people.ts';
import type { Office } from './fake/office.ts';
import { known } from './scenes_contacts.ts';
import type { Scene } from './scenes.ts';
import type { Tab } from './stage.ts';

const VOLGA = '+78312123456';
const STRANGER = '+78312987654';

async function ringing(tab: Tab, office: Office, number: string): Promise<ReturnType<Office['ring']>> {
  await tab.desk();
  const call = office.ring(number);
  await tab.see('[data-testid=panel-state][data-state=ringing]');
  return call;
}

/** Somebody from the switchboard talks. */
export async function switchboard(tab: Tab, office: Office): Promise<void> {
  (await ringing(tab, office, VOLGA)).found(SWITCHBOARD).answer(20_000);
  await tab.see('[data-testid=none-of-these]');
}

/** A colleague has called, and puts a customer through. */
export async function putThrough(tab: Tab, office: Office): Promise<ReturnType<Office['ring']>> {
  const call = (await ringing(tab, office, '101')).found([]).answer(20_000);
  await tab.see('[data-testid=pop][data-pop-state=mine]');
  call.putThrough(VOLGA, 'Договор № 2026/118-К, переводит Ольга').found(KNOWN);
  await tab.see('[data-testid=pop-put-through]');
  return call;
}

/** A caller whose number nobody has talks. */
export async function stranger(tab: Tab, office: Office): Promise<void> {
  (await ringing(tab, office, STRANGER)).found([]).answer(20_000);
  await tab.see('[data-testid=known-caller]');
}

export const TABLE = [
  'Имя;Компания;Телефон',
  'Нина Котова;ООО «Парус»;8 (831) 298-76-54',
  `${MARIA.name};;${VOLGA}`,
  ';;',
  `${CONTACTS[1]?.name ?? ''}-Заболоцкий;Федеральное государственное бюджетное учреждение «Центральная лаборатория»;+7 903 555-01-24`,
].join('\n');

/** Chooses the table in the page. */
export async function choose(tab: Tab, text = TABLE): Promise<void> {
  await tab.page.setInputFiles('[data-testid=import-file]', { name: 'клиенты.csv', mimeType: 'text/csv', buffer: Buffer.from(text) });
}

export async function importing(tab: Tab, office: Office): Promise<void> {
  known(office);
  tab.server.user = { ...ANNA, role: 'supervisor' };
  await tab.desk('/contacts/import');
  await tab.page.waitForSelector('[data-testid=import-file]', { state: 'attached' });
}

/** Types into the search for everything. */
export async function searching(tab: Tab, office: Office, q: string): Promise<void> {
  known(office);
  await tab.desk();
  const width = tab.page.viewportSize()?.width ?? 1600;
  if (width < 900) await tab.page.click('[data-testid=search-open]');
  await tab.page.fill('[data-testid=search-all]', q);
}

export const CALLER_SCENES: Scene[] = [
  {
    name: 'search',
    fleeting: true,
    play: async (tab, office) => {
      await searching(tab, office, 'волга');
      await tab.see('[data-testid=search-option]');
    },
  },
  {
    name: 'search-number',
    fleeting: true,
    play: async (tab, office) => {
      await searching(tab, office, '8 831 212');
      await tab.see('[data-testid=search-option]');
      await tab.page.keyboard.press('ArrowDown');
    },
  },
  {
    name: 'search-nothing',
    fleeting: true,
    play: async (tab, office) => {
      await searching(tab, office, 'такого нет');
      await tab.see('[data-testid=search-nothing]');
    },
  },
  { name: 'caller-doubtful', play: switchboard },
  { name: 'caller-put-through', play: async (tab, office) => void (await putThrough(tab, office)) },
  {
    name: 'caller-connected',
    play: async (tab, office) => {
      (await putThrough(tab, office)).connectedWith('+79161234567');
      await tab.see('[data-testid=pop-connected]');
    },
  },
  {
    name: 'detail-put-through',
    play: async (tab, office) => {
      const call = (await putThrough(tab, office)).end();
      await tab.desk(`/history/${call.interactionId}`);
      await tab.see('[data-testid=explain-verdict]');
    },
  },
  {
    name: 'caller-newcomer',
    play: async (tab, office) => {
      await switchboard(tab, office);
      await tab.page.click('[data-testid=someone-new]');
      await tab.see('[data-testid=new-contact]');
    },
  },
  {
    name: 'caller-none',
    play: async (tab, office) => {
      await switchboard(tab, office);
      await tab.page.click('[data-testid=none-of-these]');
      await tab.see('[data-testid=known-caller]');
    },
  },
  {
    name: 'caller-known',
    play: async (tab, office) => {
      await stranger(tab, office);
      await tab.page.click('[data-testid=known-caller] summary');
      await tab.page.fill('[data-testid=known-search]', 'Мария');
      await tab.see('[data-testid=known-caller] [role=option]');
    },
  },
  { name: 'import', play: importing },
  {
    name: 'import-agent',
    play: async (tab) => {
      await tab.desk('/contacts/import');
      await tab.see('main [role=alert]');
    },
  },
  {
    name: 'import-tried',
    play: async (tab, office) => {
      await importing(tab, office);
      await choose(tab);
      await tab.see('[data-testid=import-add]');
    },
  },
  {
    name: 'import-done',
    play: async (tab, office) => {
      await importing(tab, office);
      await choose(tab);
      await tab.page.click('[data-testid=import-add]');
      await tab.see('[data-testid=import-report][data-dry-run=false]');
    },
  },
  {
    name: 'import-refused',
    play: async (tab, office) => {
      await importing(tab, office);
      await choose(tab, 'Имя');
      await tab.see('[data-testid=import-fault]');
    },
  },
];
