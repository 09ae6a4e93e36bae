// The scenes of calls that a person asks for.

import type { Call, Office } from './fake/office.ts';
import { KNOWN, MARIA } from './fake/people.ts';
import { busy } from './scenes.ts';
import type { Scene } from './scenes.ts';
import type { Tab } from './stage.ts';

const VOLGA = '+78312123456';

async function dialled(tab: Tab, office: Office): Promise<Call> {
  busy(office);
  await tab.desk();
  await tab.page.fill('[data-testid=dial-input]', '8 831 212-34-56');
  await tab.page.keyboard.press('Enter');
  await tab.see('[data-testid=panel-state][data-state=ringing]');
  const call = office.asked[0];
  if (!call) throw new Error('nothing was dialled');
  return call.found(KNOWN);
}

export const DIALLING: Scene[] = [
  {
    name: 'dial-keypad',
    play: async (tab, office) => {
      busy(office);
      await tab.desk();
      await tab.page.click('[data-testid=keypad-button]');
      await tab.see('[data-testid=keypad]');
    },
  },
  {
    name: 'dial-names',
    play: async (tab, office) => {
      busy(office);
      await tab.desk();
      await tab.page.fill('[data-testid=dial-input]', MARIA.name.slice(0, 3));
      await tab.see('[data-testid=dial-option]');
    },
  },
  {
    name: 'dial-lines',
    play: async (tab, office) => {
      busy(office);
      office.lines = [
        { id: 'line-1', name: 'Основная' },
        { id: 'line-2', name: 'Оптовый отдел, Нижний Новгород и область' },
      ];
      await tab.desk();
      await tab.page.fill('[data-testid=dial-input]', VOLGA);
      await tab.page.keyboard.press('Enter');
      await tab.see('[data-testid=dial-lines]');
    },
  },
  {
    name: 'dial-refused',
    play: async (tab, office) => {
      busy(office);
      await tab.desk();
      tab.server.faults.push({ path: /^\/calls$/, status: 429 });
      await tab.page.fill('[data-testid=dial-input]', VOLGA);
      await tab.page.keyboard.press('Enter');
      await tab.see('[data-testid=dial-trouble]');
    },
  },
  { name: 'dial-phone', play: async (tab, office) => void (await dialled(tab, office)) },
  {
    name: 'dial-ringing',
    play: async (tab, office) => {
      (await dialled(tab, office)).pickUp().ringThere();
      await tab.see('[data-testid=hangup-button]');
    },
  },
  {
    name: 'dial-busy',
    play: async (tab, office) => {
      (await dialled(tab, office)).pickUp().fail('busy');
      await tab.see('[data-testid=again-button]');
    },
  },
];
