// What those who lead see: the load report and the calls behind its numbers.

import { mark } from './fake/recordings.ts';
import { wav } from './fake/wav.ts';
import { past, waiting } from './fake/office.ts';
import { call } from './fake/live.ts';
import { STANDINGS } from './fake/reports.ts';
import type { Office } from './fake/office.ts';
import { ANNA, LONG, MARIA } from './fake/people.ts';
import type { Scene } from './scenes.ts';
import type { Tab } from './stage.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Two whole days in a small call centre, for those who lead it: before today, whose calls of the afternoon are not yet there in the morning. */
export function led(tab: Tab, office: Office): void {
  tab.server.user = { ...ANNA, role: 'supervisor' };
  const day = new Date().setHours(0, 0, 0, 0) - DAY;
  const users = ['user-anna', 'user-olga', 'user-gleb', 'user-ivan', null];
  for (let i = 0; i < 260; i += 1) {
    const at = day - (i % 2) * DAY + 9 * HOUR + ((i * 7_919) % (9 * 3600)) * 1000;
    const [outcome, ringing_ms] = i % 6 === 0 ? (['abandoned', 9_000 + i * 100] as const) : (['answered', 2_000 + ((i * 331) % 28_000)] as const);
    const direction = i % 5 === 4 ? 'outbound' : 'inbound';
    const more = { outcome, ringing_ms, direction, talk_ms: ((i * 101) % 600) * 1000, user_id: users[i % 5] ?? null } as const;
    office.add(past({ ...more, line_id: i % 3 === 0 ? 'line-2' : 'line-1', caller_number: `+7916${String(1_000_000 + i)}` }, Date.now() - at));
  }
  for (let i = 0; i < 12; i += 1) {
    const item = waiting({ number: `+7916${String(1_000_000 + i * 12)}` }, HOUR);
    office.missed.set(item.id, item);
  }
}

/** Talks with recordings of every state and mark. */
export function recorded(office: Office): void {
  const talks = [
    past({ contact_id: MARIA.id, recording_ids: ['rec-a'], talk_ms: 12_000 }, 20 * 60_000),
    past({ contact_id: LONG.id, caller_number: '+79035550123', user_id: 'user-olga', recording_ids: ['rec-b'], talk_ms: 3_729_000 }, 2 * HOUR),
    past({ caller_number: '+79219876543', user_id: 'user-gleb', outcome: 'interrupted', recording_ids: ['rec-c'], talk_ms: 12_000 }, DAY),
    past({ caller_number: null, caller_dialled: null, user_id: null, recording_ids: ['rec-d'], talk_ms: 45_000 }, 3 * DAY),
    past({ direction: 'outbound', callee_number: '+442071838750', user_id: 'user-ivan', recording_ids: ['rec-e'], talk_ms: 400_000 }, 9 * DAY),
  ];
  office.add(...talks);
  const marks = {
    'rec-a': [mark('hold', 2_000, 4_000), mark('hold', 6_000, 7_500), mark('masked', 9_000, 10_000)],
    'rec-b': [mark('transfer', 900_000, 900_500), mark('loss', 2_000_000, 2_050_000)],
  };
  for (const [id, spans] of Object.entries(marks)) {
    const found = office.recordings.get(id);
    if (found) office.recordings.set(id, { ...found, spans });
  }
  const [live, failed] = ['rec-c', 'rec-d'].map((id) => office.recordings.get(id));
  if (live) office.recordings.set('rec-c', { ...live, state: 'recording', duration_ms: null });
  if (failed) office.recordings.set('rec-d', { ...failed, state: 'failed', duration_ms: null });
  for (let i = 0; i < 12; i += 1) office.add(past({ caller_number: `+7916${String(1_000_000 + i * 7_919)}`, recording_ids: [`rec-n${String(i)}`] }, (10 + i) * DAY));
}

const RECORDINGS: Scene[] = [
  {
    name: 'recordings',
    play: async (tab, office) => {
      led(tab, office);
      recorded(office);
      await tab.desk('/recordings');
      await tab.page.locator('[data-recording-id=rec-a] [data-testid=play-button]').click();
      await tab.see('[data-testid=waveform][data-parts="2000"]');
      await tab.page.locator('[data-testid=player] .round').click();
      await tab.page.locator('[data-testid=waveform] input').evaluate((input: HTMLInputElement) => {
        input.value = '1.2';
        input.dispatchEvent(new Event('input', { bubbles: true }));
      });
      await tab.see('[data-recording-id=rec-n11] [data-testid=sparkline]');
    },
  },
  {
    name: 'recordings-silence',
    play: async (tab, office) => {
      led(tab, office);
      recorded(office);
      tab.server.media = wav(400);
      await tab.desk('/recordings');
      await tab.page.locator('[data-recording-id=rec-e] [data-testid=play-button]').click();
      await tab.see('[data-testid=waveform][data-parts="2000"]');
      await tab.page.locator('[data-testid=skip-silence]').click();
      await tab.see('[data-testid=skipped-span]');
      await tab.page.locator('[data-testid=player] .round').click();
    },
  },
  {
    name: 'recordings-own',
    play: async (tab, office) => {
      recorded(office);
      await tab.desk('/recordings?length=m10');
      await tab.see('[data-testid=recording-row]');
    },
  },
  {
    name: 'recordings-nothing',
    play: async (tab, office) => {
      recorded(office);
      await tab.desk('/recordings?q=%D0%AF%D1%89%D0%B5%D1%80');
      await tab.see('.empty .button');
    },
  },
  {
    name: 'recordings-empty',
    play: async (tab) => {
      await tab.desk('/recordings');
      await tab.see('main .empty');
    },
  },
  {
    name: 'recordings-failed',
    play: async (tab) => {
      tab.server.faults.push({ path: /^\/recordings/, status: 503 });
      await tab.desk('/recordings');
      await tab.see('main [role=alert]');
    },
  },
];

const REPORTS: Scene[] = [
  {
    name: 'reports',
    play: async (tab, office) => {
      led(tab, office);
      await tab.desk('/reports?period=7d');
      await tab.see('[data-testid=load-total]');
    },
  },
  {
    name: 'reports-agents',
    play: async (tab, office) => {
      led(tab, office);
      await tab.desk('/reports?period=7d&by=agent&target=15');
      await tab.see('[data-testid=load-total]');
      await tab.page.locator('[data-testid=load-figures] li button').nth(2).click();
    },
  },
  {
    name: 'reports-weekdays',
    play: async (tab, office) => {
      led(tab, office);
      await tab.desk('/reports?by=weekday&period=30d');
      await tab.see('[data-testid=load-total]');
    },
  },
  {
    name: 'reports-empty',
    play: async (tab) => {
      tab.server.user = { ...ANNA, role: 'supervisor' };
      await tab.desk('/reports');
      await tab.see('[data-testid=reports] .empty');
    },
  },
  {
    name: 'reports-too-long',
    play: async (tab) => {
      tab.server.user = { ...ANNA, role: 'supervisor' };
      await tab.desk('/reports?from=2025-01-01&until=2026-12-31');
      await tab.see('[data-testid=reports] [role=alert]');
    },
  },
  {
    name: 'leaders-only',
    play: async (tab) => {
      await tab.desk('/reports');
      await tab.see('main .empty');
    },
  },
  {
    name: 'reports-failed',
    play: async (tab) => {
      tab.server.user = { ...ANNA, role: 'supervisor' };
      tab.server.faults.push({ path: /^\/reports/, status: 503 });
      await tab.desk('/reports');
      await tab.see('[data-testid=reports] [role=alert]');
    },
  },
  {
    name: 'history-slice',
    play: async (tab, office) => {
      led(tab, office);
      await tab.desk('/reports?period=7d&by=line');
      await tab.page.locator('[data-testid=load-row]').last().getByRole('link').first().click();
      await tab.see('[data-testid=history-row]');
    },
  },
];

/** Somebody talks, somebody is rung, a line is down, a call comes in that is nobody's. */
export function working(tab: Tab, office: Office): void {
  tab.server.user = { ...ANNA, role: 'supervisor' };
  tab.server.standings = [
    ...STANDINGS,
    { id: 'line-3', name: 'Филиал', user_id: 'user-gleb', state: 'failed', since: new Date(Date.now() - 2 * HOUR).toISOString() },
    { id: 'line-4', name: 'Склад', user_id: null, state: 'trying', since: new Date().toISOString() },
  ];
  office.put(call({ call_id: 'call-a', user_id: 'user-olga', state: 'answered', contact_id: LONG.id, number: '+79035550123' }, 187_000));
  office.put(call({ call_id: 'call-b', user_id: ANNA.id, state: 'ringing', number: '+79219876543' }, 7_000));
  office.put(call({ call_id: 'call-c', user_id: null, state: 'ringing', number: null, line_id: 'line-4' }, 3_000));
  const item = waiting({}, HOUR);
  office.missed.set(item.id, item);
}

const LIVE: Scene[] = [
  {
    name: 'live',
    play: async (tab, office) => {
      working(tab, office);
      await tab.desk('/live');
      await tab.see('[data-testid=live-agent][data-doing=talking]');
    },
  },
  {
    name: 'live-quiet',
    play: async (tab) => {
      tab.server.user = { ...ANNA, role: 'supervisor' };
      await tab.desk('/live');
      await tab.see('[data-testid=live-agent]');
    },
  },
];

export const LEADING: Scene[] = [...RECORDINGS, ...LIVE, ...REPORTS];
