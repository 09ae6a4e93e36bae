// The scenes of talks that are heard well and badly: in the panel, on the board, on a call's page and at recordings.

import { leg, path, stretch } from '../sound.ts';
import { call } from './fake/live.ts';
import { past } from './fake/office.ts';
import type { Call, Office } from './fake/office.ts';
import { LONG, MARIA } from './fake/people.ts';
import { busy } from './scenes.ts';
import type { Scene } from './scenes.ts';
import { working } from './scenes_leading.ts';
import { talk } from './scenes_talk_over.ts';
import type { Tab } from './stage.ts';

const HOUR = 3_600_000;

/** The relay has found a direction of Anna's talk bad; `null`: good again. */
export function turn(of: Call, bad: 'bad_received' | 'bad_sent' | null, more = stretch()): void {
  const turned = of.view.legs.map((known) => ({ ...known, bad_received: null, bad_sent: null, ...(bad !== null && known.party === 'customer' ? { [bad]: more } : {}) }));
  of.say('call.quality', { legs: turned });
}

/** A call whose customer has heard badly, and one of whose phones nothing is known. */
function heard(office: Office): void {
  office.add(
    past({ contact_id: MARIA.id, recording_ids: ['rec-s'], talk_ms: 372_000, legs: [leg('customer', path('good'), path('poor')), leg('agent', path('fair'), path('good'))] }, 20 * 60_000),
    past({ contact_id: LONG.id, caller_number: '+79035550123', recording_ids: ['rec-t'], talk_ms: 61_000, legs: [leg('customer', path('good'), null)] }, HOUR),
    past({ caller_number: '+79219876543', recording_ids: ['rec-u'], talk_ms: 95_000, legs: [leg('customer', path('fair'), null), leg('agent', path('good'), path('good'))] }, 2 * HOUR),
  );
}

async function page(tab: Tab, office: Office, who: string): Promise<void> {
  heard(office);
  await tab.desk('/history');
  await tab.page.getByRole('link', { name: who }).first().click();
  await tab.see('[data-testid=sound]');
}

export const SOUND: Scene[] = [
  {
    name: 'sound-panel',
    play: async (tab, office) => {
      busy(office);
      await tab.desk();
      turn(await talk(tab, office), 'bad_sent');
      await tab.see('[data-testid=talk-status].bad');
    },
  },
  {
    name: 'sound-board',
    play: async (tab, office) => {
      working(tab, office);
      const bad = [{ leg_id: 'c', party: 'customer' as const, state: 'answered', bad_received: stretch(), bad_sent: null }];
      office.put(call({ call_id: 'call-a', user_id: 'user-olga', state: 'answered', contact_id: LONG.id, number: '+79035550123', legs: bad }, 187_000));
      await tab.desk('/live');
      await tab.see('[data-testid=live-sound]');
    },
  },
  {
    name: 'sound-detail',
    play: async (tab, office) => {
      await page(tab, office, MARIA.name);
      await tab.page.click('[data-testid=sound] summary');
    },
  },
  { name: 'sound-detail-unknown', play: async (tab, office) => page(tab, office, LONG.name) },
  {
    name: 'sound-recordings',
    play: async (tab, office) => {
      heard(office);
      await tab.desk('/recordings');
      await tab.see('[data-testid=recording-row] [data-grade=poor]');
      await tab.page.locator('[data-testid=play-button]').first().click();
      await tab.see('[data-testid=player][data-paused=false]');
    },
  },
];
