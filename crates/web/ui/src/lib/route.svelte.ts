// Where in the desk the page is; the address is the whole truth of it.

import { parseCardRoute } from './card_route.ts';
import type { CardRoute } from './card_route.ts';
import { callOrderOf, saidOrder } from './order.ts';
import type { CallOrder } from './order.ts';
import { recordingSearchOf } from './recordings.ts';
import type { RecordingSearch } from './recordings.ts';
import { askedOf } from './report.ts';
import type { Asked } from './report.ts';
import { SLICED, WHOLE, sliceOf } from './slice.ts';
import type { Slice } from './slice.ts';

export type Route =
  | { name: 'desk' }
  | { name: 'history'; q: string; outcome: string | null; recorded: boolean; slice: Slice; sort: CallOrder }
  | { name: 'reports'; asked: Asked }
  | { name: 'live' }
  | { name: 'recordings'; search: RecordingSearch }
  | { name: 'detail'; id: string }
  | { name: 'settings'; part: SettingsPart; id: string | null; search: string }
  | CardRoute;

/** What can be set; all but `own` is an administrator's. */
export type SettingsPart = 'own' | 'lines' | 'users' | 'audit' | 'server';
const PARTS: readonly string[] = ['lines', 'users', 'audit', 'server'] satisfies SettingsPart[];
const isPart = (text: string | undefined): text is SettingsPart => text !== undefined && PARTS.includes(text);

export function parseRoute(path: string, search: string): Route {
  const parts = path.split('/').filter((part) => part !== '');
  const params = new URLSearchParams(search);
  const cards = parseCardRoute(parts, params);
  if (cards) return cards;
  if (parts[0] === 'live') return { name: 'live' };
  if (parts[0] === 'recordings') return { name: 'recordings', search: recordingSearchOf(params) };
  if (parts[0] === 'reports') return { name: 'reports', asked: askedOf(params) };
  if (parts[0] === 'settings') {
    const id = parts[2] === undefined ? null : decodeURIComponent(parts[2]);
    return isPart(parts[1]) ? { name: 'settings', part: parts[1], id, search } : { name: 'settings', part: 'own', id: null, search };
  }
  if (parts[0] !== 'history') return { name: 'desk' };
  if (parts[1] !== undefined) return { name: 'detail', id: decodeURIComponent(parts[1]) };
  return {
    name: 'history',
    q: params.get('q') ?? '',
    outcome: params.get('outcome'),
    recorded: params.get('recorded') === 'true',
    slice: sliceOf(params),
    sort: callOrderOf(params),
  };
}

export function historyPath(filter: { q: string; outcome: string | null; recorded: boolean; slice?: Slice; sort?: CallOrder }): string {
  const params = new URLSearchParams();
  if (filter.q !== '') params.set('q', filter.q);
  if (filter.outcome !== null) params.set('outcome', filter.outcome);
  if (filter.recorded) params.set('recorded', 'true');
  const slice = filter.slice ?? WHOLE;
  for (const key of SLICED) if (slice[key] !== undefined) params.set(key, slice[key]);
  const sort = saidOrder(filter.sort ?? 'newest');
  if (sort !== null) params.set('sort', sort);
  const text = params.toString();
  return text === '' ? '/history' : `/history?${text}`;
}

type List = 'history' | 'contacts' | 'companies';
const isList = (name: string): name is List => name === 'history' || name === 'contacts' || name === 'companies';

const read = (): Route => parseRoute(window.location.pathname, window.location.search);

let current = $state.raw<Route>(read());
/** The lists as they were last seen, to go back to from what was opened there. */
const lists: Record<List, string> = { history: '/history', contacts: '/contacts', companies: '/companies' };

export function route(): Route {
  return current;
}

export function lastListPath(list: List = 'history'): string {
  return lists[list];
}

/** Where Escape leads from a place; null where it stays. A form is left by its own buttons alone. */
export function upFrom(place: Route): string | null {
  if (place.name === 'detail') return lists.history;
  if (place.name === 'contact' || place.name === 'import') return lists.contacts;
  return place.name === 'company' ? lists.companies : null;
}

function noteList(): void {
  if (isList(current.name)) lists[current.name] = window.location.pathname + window.location.search;
}

export function go(path: string, how: 'push' | 'replace' = 'push'): void {
  if (path !== window.location.pathname + window.location.search) {
    if (how === 'push') history.pushState(null, '', path);
    else history.replaceState(null, '', path);
  }
  current = read();
  noteList();
}

/** Follows the browser's buttons and turns clicks on links of this page into steps without loading. */
export function followLinks(): () => void {
  const back = (): void => {
    current = read();
    noteList();
  };
  const click = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || link.origin !== window.location.origin || link.target !== '' || link.hash !== '' || link.hasAttribute('download')) return;
    event.preventDefault();
    go(link.pathname + link.search);
  };
  noteList();
  window.addEventListener('popstate', back);
  document.addEventListener('click', click);
  return () => {
    window.removeEventListener('popstate', back);
    document.removeEventListener('click', click);
  };
}
