// A talk that becomes bad is said quietly, in one place that is always there.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BrowserContext } from 'playwright-core';
import { stretch } from '../sound.ts';
import type { Office } from './fake/office.ts';
import { busy } from './scenes.ts';
import { turn } from './scenes_sound.ts';
import { talk } from './scenes_talk_over.ts';
import { Tab, openStage, person } from './stage.ts';

const stage = openStage();
let office: Office;
let context: BrowserContext;
let tab: Tab;

beforeEach(async () => {
  const server = stage.server;
  office = server.reset();
  busy(office);
  context = await person(stage.browser, 'ru');
  tab = await Tab.open(context, server);
  await tab.desk();
});

afterEach(async () => {
  await context.close();
  expect(tab.problems).toEqual([]);
});

const status = async (): Promise<string> => ((await tab.page.textContent('[data-testid=talk-status] [role=status]')) ?? '').trim().replaceAll('\u00a0', ' ');
const says = (text: string): Promise<void> => expect.poll(status, { timeout: 8_000 }).toBe(text);
const places = (): Promise<(number | undefined)[]> =>
  Promise.all(['hold-button', 'note-input', 'hangup-button'].map(async (id) => tab.page.locator(`[data-testid=call-panel] [data-testid=${id}]`).first().evaluate((element) => element.getBoundingClientRect().top)));

test('who hears badly is said where it moves nothing, and is gone when the sound is good again', async () => {
  const call = await talk(tab, office);
  const before = await places();
  turn(call, 'bad_sent');
  await says('Клиент плохо вас слышит: теряется 12 %');
  expect(await places()).toEqual(before);
  turn(call, 'bad_received', stretch({ loss_percent: 0.3, jitter_ms: 140 }));
  await says('Вы плохо слышите клиента: звук идёт рывками');
  call.hold();
  await says('Клиент на удержании');
  turn(call, null);
  call.retrieve();
  await says('');
  expect(await places()).toEqual(before);
});
