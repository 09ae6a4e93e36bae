// REST of contacts and companies: lists, cards, changes by version.

import { ask, query } from './api.ts';
import type { Candidate, Company, Contact, Listing } from './wire.ts';

export const SORTS = ['name', 'newest'] as const;
export type Sort = (typeof SORTS)[number];

export interface ContactQuery {
  q?: string;
  sort?: Sort;
  company_id?: string | null;
  responsible_id?: string | null;
  limit?: number;
  cursor?: string | null;
}

export interface CompanyQuery {
  q?: string;
  sort?: Sort;
  limit?: number;
  cursor?: string | null;
}

export interface TypedNumber {
  number: string;
  label: string | null;
}

/** What a person writes of a company. */
export interface CompanyDraft {
  name: string;
  numbers: TypedNumber[];
  region: string | null;
  industry: string | null;
  notes: string | null;
  custom: Record<string, unknown>;
}

/** What a person writes of a contact. */
export interface ContactDraft extends CompanyDraft {
  company_id: string | null;
  responsible_id: string | null;
  emails: string[];
  source: string | null;
}

const id = encodeURIComponent;

export const crm = {
  contacts: (asked: ContactQuery) => ask<Listing<Contact>>('GET', `/contacts${query({ ...asked })}`),
  addContact: (draft: ContactDraft) => ask<Contact>('POST', '/contacts', draft),
  changeContact: (of: string, version: number, patch: Partial<ContactDraft>) =>
    ask<Contact>('PATCH', `/contacts/${id(of)}`, patch, version),
  deleteContact: (of: string, version: number) => ask<void>('DELETE', `/contacts/${id(of)}`, undefined, version),
  whoHas: (number: string) => ask<{ candidates: Candidate[] }>('GET', `/contacts/match${query({ number })}`),
  companies: (asked: CompanyQuery) => ask<Listing<Company>>('GET', `/companies${query({ ...asked })}`),
  addCompany: (draft: Partial<CompanyDraft>) => ask<Company>('POST', '/companies', draft),
  changeCompany: (of: string, version: number, patch: Partial<CompanyDraft>) =>
    ask<Company>('PATCH', `/companies/${id(of)}`, patch, version),
  deleteCompany: (of: string, version: number) => ask<void>('DELETE', `/companies/${id(of)}`, undefined, version),
};

/** Where the same list is read as a file. */
export function exportUrl(kind: 'contacts' | 'companies', asked: ContactQuery): string {
  return `/api/v1/${kind}${query({ ...asked, format: 'csv' })}`;
}
