// The addresses of contacts and companies: lists, cards, forms.

import type { Sort } from './crm.ts';

export interface CardListPlace {
  q: string;
  sort: Sort;
  /** Only the own ones, or those of a company; of contacts alone. */
  mine: boolean;
  company: string | null;
}

export type CardRoute =
  | ({ name: 'contacts' | 'companies' } & CardListPlace)
  | { name: 'contact' | 'company'; id: string }
  | { name: 'import' }
  | { name: 'contact-form' | 'company-form'; id: string | null; given: Given };

/** What a new card begins with. */
export interface Given {
  name: string;
  number: string;
  company: string | null;
}

export function parseCardRoute(parts: string[], params: URLSearchParams): CardRoute | null {
  const [list, id, more] = parts;
  if (list !== 'contacts' && list !== 'companies') return null;
  const one = list === 'contacts' ? 'contact' : 'company';
  if (id === undefined) {
    return {
      name: list,
      q: params.get('q') ?? '',
      sort: params.get('sort') === 'newest' ? 'newest' : 'name',
      mine: params.get('mine') === 'true',
      company: params.get('company'),
    };
  }
  if (list === 'contacts' && id === 'import') return { name: 'import' };
  const given = { name: params.get('name') ?? '', number: params.get('number') ?? '', company: params.get('company') };
  if (id === 'new') return { name: `${one}-form`, id: null, given };
  if (more === 'edit') return { name: `${one}-form`, id: decodeURIComponent(id), given };
  return { name: one, id: decodeURIComponent(id) };
}

export function cardListPath(kind: 'contacts' | 'companies', place: Partial<CardListPlace>): string {
  const params = new URLSearchParams();
  if (place.q) params.set('q', place.q);
  if (place.sort === 'newest') params.set('sort', 'newest');
  if (place.mine) params.set('mine', 'true');
  if (place.company) params.set('company', place.company);
  const text = params.toString();
  return text === '' ? `/${kind}` : `/${kind}?${text}`;
}

export const contactPath = (id: string): string => `/contacts/${encodeURIComponent(id)}`;
export const companyPath = (id: string): string => `/companies/${encodeURIComponent(id)}`;

export function newContactPath(given: Partial<Given>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) if (value) params.set(name, value);
  const text = params.toString();
  return text === '' ? '/contacts/new' : `/contacts/new?${text}`;
}
