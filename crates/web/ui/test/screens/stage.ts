// One person's browser at the desk, and what a page must always keep.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { FakeServer } from './fake/server.ts';
import { faultsOfLayout } from './layout.ts';

export type Lang = 'ru' | 'en';
export type Theme = 'light' | 'dark';
export const WIDTHS = [360, 900, 1600];
const HEIGHTS: Record<number, number> = { 360: 740, 900: 800, 1600: 900 };
const PICTURES = fileURLToPath(new URL('../../pictures/', import.meta.url));
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

export interface Stage {
  server: FakeServer;
  browser: Browser;
}

/** Opens a server and a browser for the tests of one file. */
export function openStage(): Stage {
  const stage = {} as Stage;
  beforeAll(async () => {
    stage.server = await FakeServer.open();
    stage.browser = await launch();
  });
  afterAll(async () => {
    await stage.browser.close();
    await stage.server.close();
  });
  return stage;
}

function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--autoplay-policy=no-user-gesture-required',
    ],
  });
}

export async function person(browser: Browser, lang: Lang, width = 1600): Promise<BrowserContext> {
  const context = await browser.newContext({
    locale: lang === 'ru' ? 'ru-RU' : 'en-US',
    timezoneId: 'Europe/Moscow',
    viewport: { width, height: HEIGHTS[width] ?? 800 },
    serviceWorkers: 'block',
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  context.setDefaultTimeout(8_000);
  return context;
}

/** A tab, with everything that a healthy page never does written down. */
export class Tab {
  readonly problems: string[] = [];

  private constructor(
    readonly page: Page,
    readonly server: FakeServer,
  ) {
    page.on('console', (message) => {
      // A refusal that the test ordered is logged by the browser itself.
      const ordered = message.text().startsWith('Failed to load resource') || (server.refused > 0 && message.text().startsWith('WebSocket connection'));
      if (message.type() === 'error' && !ordered) this.note(`console: ${message.text()}`);
    });
    page.on('pageerror', (error) => this.note(`exception: ${error.message}`));
    page.on('dialog', (dialog) => {
      this.note(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
  }

  static async open(context: BrowserContext, server: FakeServer): Promise<Tab> {
    return new Tab(await context.newPage(), server);
  }

  /** Goes to a place of the desk with a session. */
  async desk(path = '/'): Promise<void> {
    await this.page.context().addCookies([this.server.sessionCookie]);
    await this.page.goto(this.server.url + path);
    await this.see('[data-testid=connection][data-state=online]');
  }

  async see(selector: string): Promise<void> {
    await this.page.locator(selector).first().waitFor();
  }

  async gone(selector: string): Promise<void> {
    await this.page.locator(selector).first().waitFor({ state: 'hidden' });
  }

  async say(text: string): Promise<void> {
    await this.page.getByText(text).first().waitFor();
  }

  async look(width: number, theme: Theme): Promise<void> {
    await this.page.emulateMedia({ colorScheme: theme });
    await this.page.setViewportSize({ width, height: HEIGHTS[width] ?? 800 });
    await this.settle();
  }

  /** Waits until nothing that ends by itself moves any more. */
  async settle(): Promise<void> {
    await this.page.evaluate(async () => {
      await document.fonts.ready;
      const ending = document.getAnimations().filter((one) => one.effect?.getComputedTiming().iterations !== Infinity);
      await Promise.allSettled(ending.map((one) => one.finished));
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    });
  }

  async picture(name: string): Promise<void> {
    mkdirSync(PICTURES, { recursive: true });
    await this.page.screenshot({ path: join(PICTURES, `${name}.png`) });
  }

  /** What is wrong with the layout. */
  layout(): Promise<string[]> {
    return this.page.evaluate(faultsOfLayout);
  }

  /** What axe finds. */
  async accessibility(): Promise<string[]> {
    await this.page.evaluate(axe.source);
    return this.page.evaluate(async (values) => {
      const { axe } = window as unknown as { axe: typeof import('axe-core') };
      const { violations } = await axe.run(document, { runOnly: { type: 'tag', values }, resultTypes: ['violations'] });
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 120)} ${failureSummary ?? ''}`).join(' | ')}`);
    }, RULES);
  }

  private note(problem: string): void {
    this.problems.push(problem);
  }
}
