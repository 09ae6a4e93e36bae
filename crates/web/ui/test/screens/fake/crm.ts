// Contacts and companies of the fake server: lists, cards, changes by version, as the outside contract has them.

import type { Company, Contact, PhoneNumber } from '../../../src/lib/wire.ts';
import { id } from './office.ts';
import type { Office } from './office.ts';
import { candidateOf } from './people.ts';

export type Answer = { status: number; body?: unknown };
type Body = Record<string, unknown>;

const ok = (body: unknown): Answer => ({ status: 200, body });
export const problem = (status: number, detail: string, field?: string): Answer => ({
  status,
  body: { type: 'about:blank', title: detail, status, detail, field: field ?? null },
});

const digits = (text: string): string => text.replaceAll(/\D/g, '').replace(/^8(?=\d{10}$)/, '7');

function readNumbers(typed: unknown): PhoneNumber[] {
  return (typed as { number: string; label: string | null }[]).map(({ number, label }) => {
    const read = digits(number);
    return { number, e164: read.length > 9 ? `+${read}` : null, extension: read.length < 6 ? read : null, label };
  });
}

/** A contact with the name of its company as it is now. */
export function shapeContact(office: Office, contact: Contact): Contact {
  return { ...contact, company_name: office.companies.find((one) => one.id === contact.company_id)?.name ?? null };
}

function shapeCompany(office: Office, company: Company): Company {
  return { ...company, contact_count: office.contacts.filter(({ company_id }) => company_id === company.id).length };
}

function page<T extends { name: string; created_at: string; numbers: PhoneNumber[] }>(all: T[], query: URLSearchParams): Answer {
  const q = (query.get('q') ?? '').toLowerCase();
  const part = digits(q).replace(/^8/, '');
  const fits = (one: T): boolean =>
    q === '' ||
    one.name.toLowerCase().includes(q) ||
    (part.length > 2 && one.numbers.some(({ number, e164 }) => digits(e164 ?? number).includes(part)));
  const found = all.filter(fits);
  if (query.get('sort') === 'name') found.sort((a, b) => a.name.localeCompare(b.name));
  else found.sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  const from = Number(query.get('cursor') ?? 0);
  const until = from + Number(query.get('limit') ?? 50);
  return ok({ items: found.slice(from, until), total: found.length, next: until < found.length ? String(until) : null });
}

export function answerCards(office: Office, kind: 'contacts' | 'companies', method: string, one: string, query: URLSearchParams, body: Body, version: number | null): Answer {
  if (kind === 'contacts' && one === 'match') {
    const number = digits(query.get('number') ?? '');
    const found = office.contacts.filter(({ numbers }) => numbers.some((own) => digits(own.e164 ?? own.number) === number));
    return ok({ candidates: found.map((contact) => candidateOf(contact, 'exact', [])) });
  }
  if (one === '') return method === 'GET' ? listed(office, kind, query) : added(office, kind, body);
  const cards: (Contact | Company)[] = office[kind];
  const at = cards.findIndex((card) => card.id === one);
  const card = cards[at];
  if (!card) return problem(404, 'there is no such object');
  if (method === 'GET') return ok(kind === 'contacts' ? shapeContact(office, card as Contact) : shapeCompany(office, card as Company));
  if (version !== card.version) return problem(412, 'somebody else changed it; read it again');
  if (method === 'DELETE') {
    cards.splice(at, 1);
    return { status: 204 };
  }
  const numbers = body['numbers'] === undefined ? card.numbers : readNumbers(body['numbers']);
  const changed = { ...card, ...body, numbers, version: card.version + 1 };
  cards[at] = changed;
  return ok(kind === 'contacts' ? shapeContact(office, changed as Contact) : shapeCompany(office, changed as Company));
}

function listed(office: Office, kind: 'contacts' | 'companies', query: URLSearchParams): Answer {
  if (kind === 'companies') return page(office.companies.map((one) => shapeCompany(office, one)), query);
  const of = (name: 'company_id' | 'responsible_id') => (contact: Contact) => query.get(name) === null || contact[name] === query.get(name);
  const wanted = office.contacts.filter(of('company_id')).filter(of('responsible_id'));
  return page(wanted.map((one) => shapeContact(office, one)), query);
}

function added(office: Office, kind: 'contacts' | 'companies', body: Body): Answer {
  if (String(body['name'] ?? '').trim() === '') return problem(422, 'write 1 to 300 characters', 'name');
  const blank = { region: null, industry: null, notes: null, custom: {}, created_at: new Date().toISOString(), version: 1 };
  const numbers = readNumbers(body['numbers'] ?? []);
  if (kind === 'companies') {
    const company = { ...blank, ...body, numbers, id: id('company'), contact_count: 0 } as unknown as Company;
    office.companies.push(company);
    return { status: 201, body: company };
  }
  const person = { company_id: null, company_name: null, responsible_id: null, emails: [], source: null };
  const contact = { ...blank, ...person, ...body, numbers, id: id('contact') } as unknown as Contact;
  office.contacts.push(contact);
  return { status: 201, body: shapeContact(office, contact) };
}
