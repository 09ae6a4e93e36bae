// Contacts and companies as forms hold them, what is wrong with what is typed, and back as the server takes them.

import type { Key } from '../i18n/en.ts';
import type { CompanyDraft, ContactDraft, TypedNumber } from './crm.ts';
import type { Company, Contact, PhoneNumber } from './wire.ts';

export interface CustomField {
  name: string;
  text: string;
}

/** A company as it was picked; one without an id is made with the contact. */
export interface Picked {
  id: string | null;
  name: string;
}

export interface CompanyForm {
  name: string;
  numbers: { number: string; label: string }[];
  region: string;
  industry: string;
  notes: string;
  custom: CustomField[];
}

export interface ContactForm extends CompanyForm {
  company: Picked | null;
  responsible_id: string;
  emails: string[];
  source: string;
}

export const EMPTY_COMPANY: CompanyForm = { name: '', numbers: [], region: '', industry: '', notes: '', custom: [] };
export const EMPTY_CONTACT: ContactForm = { ...EMPTY_COMPANY, company: null, responsible_id: '', emails: [], source: '' };

const typed = ({ number, label }: PhoneNumber): { number: string; label: string } => ({ number, label: label ?? '' });
const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
const fields = (custom: Record<string, unknown>): CustomField[] => Object.entries(custom).map(([name, value]) => ({ name, text: shown(value) }));

export function companyForm(company: Company): CompanyForm {
  const { name, numbers, region, industry, notes, custom } = company;
  return { name, numbers: numbers.map(typed), region: region ?? '', industry: industry ?? '', notes: notes ?? '', custom: fields(custom) };
}

export function contactForm(contact: Contact): ContactForm {
  const { name, numbers, region, industry, notes, custom, company_id, company_name, responsible_id, emails, source } = contact;
  return {
    ...companyForm({ name, numbers, region, industry, notes, custom } as Company),
    company: company_id === null ? null : { id: company_id, name: company_name ?? '' },
    responsible_id: responsible_id ?? '',
    emails,
    source: source ?? '',
  };
}

const orNull = (text: string): string | null => (text.trim() === '' ? null : text.trim());

function numbersOf(numbers: CompanyForm['numbers']): TypedNumber[] {
  return numbers.filter(({ number }) => number.trim() !== '').map(({ number, label }) => ({ number: number.trim(), label: orNull(label) }));
}

/** A value that was not touched stays what it was, be it text or not. */
function customOf(custom: CustomField[], before: Record<string, unknown>): Record<string, unknown> {
  const named = custom.filter(({ name }) => name.trim() !== '');
  return Object.fromEntries(
    named.map(({ name, text }) => {
      const was = before[name.trim()];
      return [name.trim(), was !== undefined && shown(was) === text ? was : text];
    }),
  );
}

export function companyDraft(form: CompanyForm, before: Record<string, unknown>): CompanyDraft {
  return {
    name: form.name.trim(),
    numbers: numbersOf(form.numbers),
    region: orNull(form.region),
    industry: orNull(form.industry),
    notes: orNull(form.notes),
    custom: customOf(form.custom, before),
  };
}

export function contactDraft(form: ContactForm, before: Record<string, unknown>): ContactDraft {
  return {
    ...companyDraft(form, before),
    company_id: form.company?.id ?? null,
    responsible_id: orNull(form.responsible_id),
    emails: form.emails.map((email) => email.trim()).filter((email) => email !== ''),
    source: orNull(form.source),
  };
}

/** The part of a draft that the changed fields of a form are about. */
export function patchOf<D extends object>(draft: D, changed: string[]): Partial<D> {
  const names = new Set(changed.map((field) => (field === 'company' ? 'company_id' : field)));
  return Object.fromEntries(Object.entries(draft).filter(([name]) => names.has(name))) as Partial<D>;
}

/** What is wrong, by field; a place in a list is `numbers.0`. */
export function faultsOf(form: CompanyForm & Partial<ContactForm>): Record<string, Key> {
  const faults: Record<string, Key> = {};
  if (form.name.trim() === '') faults['name'] = 'form.fault.name';
  form.numbers.forEach(({ number }, place) => {
    if (number.trim() !== '' && !/\d/.test(number)) faults[`numbers.${String(place)}`] = 'form.fault.number';
  });
  form.emails?.forEach((email, place) => {
    if (email.trim() !== '' && !/^[^\s@]+@[^\s@]+$/.test(email.trim())) faults[`emails.${String(place)}`] = 'form.fault.email';
  });
  const names = form.custom.map(({ name }) => name.trim());
  form.custom.forEach(({ text }, place) => {
    const name = names[place] ?? '';
    if (name === '' && text.trim() !== '') faults[`custom.${String(place)}`] = 'form.fault.custom';
    else if (name !== '' && names.indexOf(name) < place) faults[`custom.${String(place)}`] = 'form.fault.custom.twice';
  });
  return faults;
}
