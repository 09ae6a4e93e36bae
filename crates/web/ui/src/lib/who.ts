// Who calls and why it is thought so. The server ranks and gives reasons; here they only become words.

import type { Key } from '../i18n/en.ts';
import type { Params } from '../i18n/message.ts';
import { shownAs } from './withheld.ts';
import type { Candidate, ContactRef, Pop } from './wire.ts';

export interface Said {
  key: Key;
  params?: Params;
}

export type Caller =
  | { kind: 'withheld' }
  | { kind: 'not_a_number'; text: string }
  | { kind: 'searching' }
  | { kind: 'unknown' }
  | { kind: 'known'; candidate: Candidate; others: Candidate[]; chosen: boolean }
  | { kind: 'several'; candidates: Candidate[]; company: string | null }
  /** A person said that it is none of those who could fit. */
  | { kind: 'none_of'; candidates: Candidate[]; company: string | null };

/** Whom a person said it is, null for nobody of the candidates; the contact itself only when no pop names it. */
export interface Chosen {
  id: string | null;
  contact: ContactRef | null;
}

/** Only a sole own number settles who it is; everything else is for a person to pick. */
export function callerOf(pop: Pop, choice: Chosen | null): Caller {
  const { candidates } = pop;
  const known = (candidate: Candidate, chosen: boolean): Caller => ({
    kind: 'known',
    candidate,
    others: candidates.filter((other) => other !== candidate),
    chosen,
  });
  const own = candidates.filter(({ level }) => level === 'exact' || level === 'extension');
  const settled = own.length === 1 ? own[0] : undefined;
  const picked = candidates.find(({ contact }) => contact.id === choice?.id);
  if (picked) return known(picked, picked !== settled);
  if (choice?.contact) return known({ contact: choice.contact, level: 'exact', score: 1, reasons: [] }, true);
  if (settled && choice?.id !== null) return known(settled, false);
  if (candidates.length > 0) {
    const top = candidates.filter(({ level }) => level === (own[0] ?? candidates[0])?.level);
    const companies = new Set(top.map(({ contact }) => contact.company_name));
    const company = companies.size === 1 ? (top[0]?.contact.company_name ?? null) : null;
    return { kind: choice?.id === null ? 'none_of' : 'several', candidates, company };
  }
  if (pop.number === null) {
    const text = shownAs(pop.number_dialled);
    return text === null ? { kind: 'withheld' } : { kind: 'not_a_number', text };
  }
  return pop.lookup === 'pending' ? { kind: 'searching' } : { kind: 'unknown' };
}

/** The one line that says why. */
export function whyOf(pop: Pop, caller: Caller): Said {
  if (caller.kind === 'withheld') return { key: 'why.withheld' };
  if (caller.kind === 'not_a_number') return { key: 'why.not_a_number' };
  if (caller.kind === 'searching') return { key: 'why.searching' };
  if (caller.kind === 'none_of') return { key: 'caller.none.why' };
  if (caller.kind === 'unknown') return { key: pop.lookup === 'unavailable' ? 'why.unavailable' : 'why.nobody' };
  if (caller.kind === 'known') {
    if (caller.chosen) return { key: 'pop.chosen' };
    return { key: caller.candidate.level === 'extension' ? 'why.extension' : 'why.exact' };
  }
  const count = caller.candidates.length;
  const level = caller.candidates[0]?.level;
  if (level === 'suffix') return count === 1 ? { key: 'why.suffix.sole' } : { key: 'why.suffix', params: { count } };
  if (level === 'company') {
    return caller.company === null
      ? { key: 'why.company', params: { count } }
      : { key: 'why.switchboard', params: { count } };
  }
  return { key: 'why.shared', params: { count } };
}

const REASONS: [RegExp, Key][] = [
  [/^The number is this contact's\.$/, 'reason.same_number'],
  [/^The number and the extension are this contact's: (.+)\.$/, 'reason.same_both'],
  [/^The internal extension is this contact's: (.+)\.$/, 'reason.same_extension'],
  [/^The number is the company's\.$/, 'reason.company_number'],
  [/^Several contacts of the company have this number\.$/, 'reason.switchboard'],
  [/^The contact is behind this number at extension (.+)\.$/, 'reason.behind'],
  [/^The number is the same, the extension is not\.$/, 'reason.other_extension'],
  [/^Only the last digits are the same: (\d+)\.$/, 'reason.last_digits'],
  [/^Other contacts with this number: (\d+)\.$/, 'reason.shared'],
  [/^The called user is responsible for this contact\.$/, 'reason.responsible'],
  [/^Days since the last talk: 0\.$/, 'reason.recent_today'],
  [/^Days since the last talk: (\d+)\.$/, 'reason.recent_talk'],
  [/^The number is marked as personal\.$/, 'reason.personal'],
];

/** A reason of the server in the page's words; null when this page does not know it. */
export function reasonOf(sentence: string): Said | null {
  for (const [pattern, key] of REASONS) {
    const found = pattern.exec(sentence);
    if (!found) continue;
    const value = found[1];
    return value === undefined ? { key } : { key, params: { value, count: Number(value) } };
  }
  return null;
}

/** What tells candidates of one list apart, not what they share. */
export function tellingReasons(candidate: Candidate): string[] {
  return candidate.reasons.filter((sentence) => {
    const key = reasonOf(sentence)?.key;
    return key !== 'reason.switchboard' && key !== 'reason.company_number' && key !== 'reason.shared' && key !== 'reason.same_number';
  });
}

/** A display name worth showing: one that says more than the number. */
export function displayNameOf(pop: Pop): string | null {
  const name = pop.display_name?.trim() ?? '';
  const digits = (text: string | null): string => (text ?? '').replaceAll(/\D/g, '');
  if (name === '' || /^anonymous$/i.test(name)) return null;
  const onlyDigits = /^[\d\s()+-]+$/.test(name);
  return onlyDigits && (digits(name) === digits(pop.number) || digits(name) === digits(pop.number_dialled)) ? null : name;
}
