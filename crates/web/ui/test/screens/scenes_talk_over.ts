// The scenes of a talk that is held, handed over, or dialled on in, and of a customer whom a colleague hands over.

import type { Call, Office } from './fake/office.ts';
import { call } from './fake/live.ts';
import { KNOWN, LONG_KNOWN } from './fake/people.ts';
import { given, handedTo, pickedUp } from './fake/transfer.ts';
import { busy } from './scenes.ts';
import type { Scene } from './scenes.ts';
import { working } from './scenes_leading.ts';
import type { Tab } from './stage.ts';

const VOLGA = '+78312123456';
const NOTES = 'Просит счёт на доставку лифтов до пятницы.\nСкидку 5 % уже обещали, договор № 48/2.';

/** Anna talks with a customer, and the buttons are ready. */
export async function talk(tab: Tab, office: Office, talkedMs = 151_000): Promise<Call> {
  const call = office.ring(VOLGA, { did: '+74951234501' }).found(KNOWN).answer(talkedMs);
  await tab.see('[data-testid=hold-button][aria-disabled=false]');
  return call;
}

async function began(tab: Tab, office: Office): Promise<Call> {
  busy(office);
  await tab.desk();
  return talk(tab, office);
}

/** Opens the box and chooses a colleague. */
export async function choose(tab: Tab, userId: string): Promise<void> {
  await tab.page.click('[data-testid=transfer-button]');
  await tab.page.click(`[data-testid=transfer-option][data-user-id=${userId}]`);
}

/** Asks for a transfer and waits until it shows. */
export async function send(tab: Tab, userId: string, way: 'ask' | 'now'): Promise<void> {
  await choose(tab, userId);
  await tab.page.click(`[data-testid=transfer-${way}]`);
  await tab.gone('[data-testid=transfer-box]');
  await tab.see('[data-testid=hold-button][data-does="over.back"][aria-disabled=false]');
}

async function handed(tab: Tab, office: Office, kind: 'blind' | 'attended' = 'blind'): Promise<Call> {
  busy(office);
  await tab.desk();
  const call = handedTo(office, VOLGA, { kind, notes: NOTES }).found(KNOWN);
  await tab.see('[data-testid=noted]');
  return call;
}

export const TALK_OVER: Scene[] = [
  {
    name: 'over-talking',
    play: async (tab, office) => void (await began(tab, office)),
  },
  {
    name: 'over-held',
    play: async (tab, office) => {
      (await began(tab, office)).hold();
      await tab.see('[data-testid=status-time]');
    },
  },
  {
    name: 'over-held-customer',
    play: async (tab, office) => {
      (await began(tab, office)).hold('customer');
      await tab.see('[data-testid=status-time]');
    },
  },
  {
    name: 'over-refused',
    play: async (tab, office) => {
      await began(tab, office);
      tab.server.faults.push({ path: /hold$/, status: 503 });
      await tab.page.click('[data-testid=hold-button]');
      await tab.see('[data-testid=talk-refused]');
    },
  },
  {
    name: 'over-chooser',
    fleeting: true,
    play: async (tab, office) => {
      await began(tab, office);
      await choose(tab, 'user-olga');
    },
  },
  {
    name: 'over-chooser-number',
    fleeting: true,
    play: async (tab, office) => {
      await began(tab, office);
      await tab.page.click('[data-testid=transfer-button]');
      await tab.page.fill('[data-testid=transfer-field]', '8 809 505-00-00');
      await tab.page.click('[data-testid=transfer-now]');
      await tab.see('[data-testid=talk-refused]');
    },
  },
  {
    name: 'over-chooser-nobody',
    fleeting: true,
    play: async (tab, office) => {
      await began(tab, office);
      await tab.page.click('[data-testid=transfer-button]');
      await tab.page.fill('[data-testid=transfer-field]', 'Ярополк');
      await tab.see('[data-testid=transfer-box] .found p');
    },
  },
  {
    name: 'over-blind',
    play: async (tab, office) => {
      await began(tab, office);
      await send(tab, 'user-olga', 'now');
    },
  },
  {
    name: 'over-asked',
    play: async (tab, office) => {
      await began(tab, office);
      await send(tab, 'user-long', 'ask');
    },
  },
  {
    name: 'over-asking',
    play: async (tab, office) => {
      const call = await began(tab, office);
      await send(tab, 'user-olga', 'ask');
      tab.server.transfers.pickUp(call);
      await tab.see('[data-testid=transfer-button][aria-disabled=false]');
    },
  },
  {
    name: 'over-failed',
    play: async (tab, office) => {
      const call = await began(tab, office);
      await send(tab, 'user-long', 'ask');
      tab.server.transfers.fail(call, 'cancelled');
      await tab.see('[data-testid=hold-button][data-does="over.retrieve"]');
    },
  },
  {
    name: 'over-done',
    play: async (tab, office) => {
      const call = await began(tab, office);
      await send(tab, 'user-olga', 'now');
      tab.server.transfers.pickUp(call);
      await tab.see('[data-testid=done-button]');
    },
  },
  {
    name: 'over-recalled',
    play: async (tab, office) => {
      const call = await began(tab, office);
      await send(tab, 'user-long', 'now');
      tab.server.transfers.recall(call);
      await tab.see('[data-testid=recalled]');
    },
  },
  {
    name: 'over-keypad',
    fleeting: true,
    play: async (tab, office) => {
      await began(tab, office);
      await tab.page.click('[data-testid=keys-button]');
      await tab.page.keyboard.type('1204#');
      await tab.see('[data-testid=keypad-sent]');
    },
  },
  { name: 'over-handed', play: async (tab, office) => void (await handed(tab, office)) },
  {
    name: 'over-handed-long',
    play: async (tab, office) => {
      await tab.desk();
      handedTo(office, '+79035550123', { kind: 'attended', notes: `${NOTES}\n`.repeat(8) }).found(LONG_KNOWN);
      await tab.see('[data-testid=noted]');
    },
  },
  {
    name: 'over-consulted',
    play: async (tab, office) => {
      pickedUp(await handed(tab, office, 'attended'));
      await tab.see('[data-testid=consulted]');
    },
  },
  {
    name: 'over-taken',
    play: async (tab, office) => {
      given(pickedUp(await handed(tab, office, 'attended')));
      await tab.see('[data-testid=hold-button]');
    },
  },
  {
    name: 'live-transfer',
    play: async (tab, office) => {
      working(tab, office);
      await tab.desk('/live');
      await tab.see('[data-testid=live-agent][data-user-id=user-olga][data-doing=talking]');
      office.put(call({ call_id: 'call-h', user_id: 'user-ivan', state: 'held', number: VOLGA }, 64_000));
      const transfer = { kind: 'attended', stage: 'ringing', user_id: 'user-long', name: 'Вениамин-Аристарх Преображенский-Заболоцкий', number: null, by: 'user-gleb' } as const;
      office.put({ ...call({ call_id: 'call-t', user_id: 'user-gleb', state: 'held', number: '+79035550123' }, 184_000), transfer });
      await tab.see('[data-testid=live-agent][data-doing=handing]');
      await tab.see('[data-testid=live-agent][data-doing=held]');
    },
  },
];
