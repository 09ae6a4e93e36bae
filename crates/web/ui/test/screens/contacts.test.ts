// What people do with contacts and companies: nothing typed is lost, to a reload, a colleague or a refusal.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BrowserContext } from 'playwright-core';
import type { Office } from './fake/office.ts';
import { past } from './fake/office.ts';
import { ANNA, MARIA } from './fake/people.ts';
import type { FakeServer } from './fake/server.ts';
import { conflicting, known } from './scenes_contacts.ts';
import { Tab, openStage, person } from './stage.ts';

const at = (id: string): string => `[data-testid=${id}]`;
const stage = openStage();
let server: FakeServer;
let office: Office;
let context: BrowserContext;
let tab: Tab;

beforeEach(async () => {
  server = stage.server;
  office = server.reset();
  known(office);
  context = await person(stage.browser, 'ru');
  tab = await Tab.open(context, server);
});

afterEach(async () => {
  // Closed whatever is found, or the tab would take part in the next test.
  await context.close();
  expect(tab.problems).toEqual([]);
});

const maria = (): (typeof office.contacts)[number] => {
  const found = office.contacts.find(({ id }) => id === MARIA.id);
  if (!found) throw new Error('Maria is gone');
  return found;
};
const path = (): string => new URL(tab.page.url()).pathname;
const until = (what: () => unknown): Promise<void> => expect.poll(what, { timeout: 8_000, interval: 20 }).toBeTruthy();

async function edit(): Promise<void> {
  await tab.desk(`/contacts/${MARIA.id}/edit`);
  await tab.see(at('card-form'));
}

test('the search is the address, and the file has what is shown', async () => {
  await tab.desk('/contacts');
  await tab.page.fill(at('card-search'), '8 (831) 212-34');
  await tab.gone('[data-id=more-1]');
  await tab.see(`[data-id=${MARIA.id}]`);
  expect(new URL(tab.page.url()).searchParams.get('q')).toBe('8 (831) 212-34');
  await tab.page.click(at('chip-mine'));
  await until(() => new URL(tab.page.url()).searchParams.get('mine') === 'true');
  const file = new URL((await tab.page.getAttribute(at('export'), 'href')) ?? '', server.url);
  expect(Object.fromEntries(file.searchParams)).toEqual({ q: '8 (831) 212-34', sort: 'name', responsible_id: ANNA.id, format: 'csv' });
  const download = tab.page.waitForEvent('download');
  await tab.page.click(at('export'));
  expect((await download).suggestedFilename()).toBe('contacts.csv');
  expect(path()).toBe('/contacts');
  await tab.page.reload();
  await tab.see(`[data-id=${MARIA.id}]`);
  expect(await tab.page.inputValue(at('card-search'))).toBe('8 (831) 212-34');
  await tab.page.goBack();
  await until(() => new URL(tab.page.url()).searchParams.get('mine') === null);
});

test('who opens a card right after typing is not pulled back to the list', async () => {
  await tab.desk('/contacts');
  await tab.see('[data-testid=card-row] a');
  await tab.page.evaluate(() => {
    const field = document.querySelector<HTMLInputElement>('[data-testid=card-search]');
    if (!field) throw new Error('there is no search');
    field.value = 'М';
    field.dispatchEvent(new Event('input', { bubbles: true }));
    document.querySelector<HTMLAnchorElement>('[data-testid=card-row] a')?.click();
  });
  await until(() => path() !== '/contacts');
  const opened = path();
  await tab.page.waitForTimeout(500);
  expect(path()).toBe(opened);
});

test('a long list goes on as it is scrolled', async () => {
  await tab.desk('/contacts');
  await tab.see(at('card-row'));
  expect(await tab.page.locator(at('card-row')).count()).toBe(50);
  await tab.page.locator(at('card-row')).last().scrollIntoViewIfNeeded();
  await expect.poll(() => tab.page.locator(at('card-row')).count(), { timeout: 8_000 }).toBe(76);
});

test('what is wrong is said once the field is left, and nothing is sent', async () => {
  await tab.desk('/contacts/new');
  await tab.page.focus(at('form-name'));
  expect(await tab.page.locator('[aria-invalid=true]').count()).toBe(0);
  await tab.page.keyboard.press('Tab');
  await tab.see(`${at('form-name')}[aria-invalid=true]`);
  await tab.page.click(at('add-number'));
  await tab.page.fill(at('form-number'), 'позже');
  await tab.page.keyboard.press('Control+Enter');
  await tab.see(`${at('form-number')}[aria-invalid=true]`);
  expect(server.asked.filter((one) => one.startsWith('POST'))).toEqual([]);
  await expect.poll(() => tab.page.locator(at('form-name')).evaluate((field) => field === document.activeElement)).toBe(true);
});

test('a new contact is made with its numbers and a company that was not there', async () => {
  await tab.desk('/contacts/new?number=89160000001');
  await tab.page.fill(at('form-name'), 'Нина Ломова');
  await tab.page.fill(at('form-company'), 'ООО «Ока»');
  await tab.see('[role=option]');
  await tab.page.keyboard.press('ArrowDown');
  await tab.page.keyboard.press('Enter');
  await tab.page.click(at('add-number'));
  await tab.page.keyboard.type('105');
  await tab.page.keyboard.press('Control+Enter');
  await tab.see(at('contact-card'));
  const nina = office.contacts.find(({ name }) => name === 'Нина Ломова');
  expect(nina?.numbers.map(({ number }) => number)).toEqual(['89160000001', '105']);
  expect(office.companies.find(({ id }) => id === nina?.company_id)?.name).toBe('ООО «Ока»');
  expect(path()).toBe(`/contacts/${nina?.id ?? ''}`);
});

test('a key pressed right after a number was added is not lost', async () => {
  await edit();
  const focused = await tab.page.evaluate(async (add) => {
    // As between two frames: what waits for the next one has not happened yet.
    globalThis.requestAnimationFrame = () => 0;
    document.querySelector<HTMLElement>(add)?.click();
    await new Promise((done) => setTimeout(done));
    return document.activeElement?.getAttribute('data-testid');
  }, at('add-number'));
  expect(focused).toBe('form-number');
  await tab.page.keyboard.type('105');
  expect(await tab.page.locator(at('form-number')).last().inputValue()).toBe('105');
});

test('what is typed survives a reload and is offered again', async () => {
  await edit();
  await tab.page.fill(at('form-notes'), 'Новый договор');
  await tab.page.click(at('add-number'));
  await tab.page.keyboard.type('105');
  await tab.page.reload();
  await tab.see(at('restored'));
  expect(await tab.page.inputValue(at('form-notes'))).toBe('Новый договор');
  expect(await tab.page.locator(at('form-number')).last().inputValue()).toBe('105');
  await tab.page.click(`${at('restored')} button`);
  expect(await tab.page.inputValue(at('form-notes'))).toBe(MARIA.notes);
  await tab.page.reload();
  await tab.see(at('card-form'));
  expect(await tab.page.locator(at('restored')).count()).toBe(0);
});

test('a colleague’s change is shown, taken where only theirs, and mine stays where both', async () => {
  office = server.reset();
  await conflicting(tab, office);
  expect(await tab.page.inputValue(at('form-notes'))).toBe('Звонить только утром.');
  expect(await tab.page.inputValue(at('form-region'))).toBe('Казань');
  await tab.see('[data-field=notes][data-both=true]');
  await tab.see('[data-field=region][data-both=false]');
  expect(maria().notes).toBe('Уходит в отпуск до 12-го.');
  await tab.page.click(at('form-save'));
  await tab.see(at('contact-card'));
  expect({ notes: maria().notes, region: maria().region }).toEqual({ notes: 'Звонить только утром.', region: 'Казань' });
});

test('the colleague’s text can be taken', async () => {
  office = server.reset();
  await conflicting(tab, office);
  await tab.page.click(at('take-theirs'));
  expect(await tab.page.inputValue(at('form-notes'))).toBe('Уходит в отпуск до 12-го.');
  await tab.see('[data-field=notes][data-both=false]');
});

test('a contact that was deleted meanwhile is made anew from what is typed', async () => {
  await edit();
  await tab.page.fill(at('form-notes'), 'Важно');
  office.contacts.splice(0, office.contacts.length, ...office.contacts.filter(({ id }) => id !== MARIA.id));
  await tab.page.click(at('form-save'));
  await tab.see(at('refused'));
  expect(await tab.page.inputValue(at('form-notes'))).toBe('Важно');
  await tab.page.click(at('form-save'));
  await tab.see(at('contact-card'));
  const anew = office.contacts.find(({ name }) => name === MARIA.name);
  expect({ notes: anew?.notes, numbers: anew?.numbers.length }).toEqual({ notes: 'Важно', numbers: 2 });
});

test('a server that does not answer loses nothing', async () => {
  await edit();
  await tab.page.fill(at('form-notes'), 'Важно');
  server.faults.push({ path: /^\/contacts\/maria$/, status: 503, method: 'PATCH' });
  await tab.page.keyboard.press('Control+Enter');
  await tab.see(at('refused'));
  server.faults = [];
  await tab.page.focus(at('form-notes'));
  await tab.page.keyboard.press('Control+Enter');
  await tab.see(at('contact-card'));
  expect(maria().notes).toBe('Важно');
});

test('only what was changed is sent', async () => {
  await edit();
  const at_ = office.contacts.findIndex(({ id }) => id === MARIA.id);
  office.contacts[at_] = { ...maria(), custom: { size: 40 } };
  await tab.page.reload();
  await tab.page.fill(at('form-region'), 'Казань');
  const sent = tab.page.waitForRequest((request) => request.method() === 'PATCH');
  await tab.page.keyboard.press('Control+Enter');
  expect((await sent).postDataJSON()).toEqual({ region: 'Казань' });
  expect((await sent).headers()['if-match']).toBe('"1"');
});

test('deleting asks, and the harmless answer has the focus', async () => {
  await tab.desk(`/contacts/${MARIA.id}`);
  await tab.page.click(at('delete-button'));
  await tab.see(at('confirm'));
  await tab.page.keyboard.press('Enter');
  await tab.gone(at('confirm'));
  expect(maria().name).toBe(MARIA.name);
  await tab.page.click(at('delete-button'));
  await tab.page.click(at('confirm-yes'));
  await tab.see(at('contacts-page'));
  expect(office.contacts.some(({ id }) => id === MARIA.id)).toBe(false);
});

test('a card shows the calls and plays one in the row; a new one comes in by itself', async () => {
  await tab.desk(`/contacts/${MARIA.id}`);
  await tab.see(at('activity-row'));
  expect(await tab.page.locator(at('activity-row')).count()).toBe(3);
  await tab.page.locator(at('play-button')).first().click();
  await tab.see('[data-testid=player][data-paused=false]');
  const newest = past({ contact_id: MARIA.id, notes: 'Ещё раз' }, 1_000);
  office.add(newest);
  office.emit('interaction.closed', newest);
  await tab.see(`${at('activity-row')}[data-interaction-id="${newest.id}"]`);
});

test('a company shows its people and their calls', async () => {
  await tab.desk('/companies/volga');
  await tab.see(at('activity-row'));
  expect(await tab.page.locator(at('activity-row')).count()).toBe(4);
  await tab.page.locator(`${at('company-people')} a`).first().click();
  await tab.see(at('contact-card'));
  await tab.page.click(at('company-link'));
  await tab.see(at('company-card'));
});
