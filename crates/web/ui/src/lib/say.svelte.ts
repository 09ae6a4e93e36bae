// Numbers, times and callers in the page's language, for components.

import { isKey, lang, t } from '../i18n/index.svelte.ts';
import { homeCountry, phone } from './format.ts';
import { sentenceText } from './explain.ts';
import type { Interaction, Pop, Sentence } from './wire.ts';
import { callerOf, reasonOf } from './who.ts';
import type { Caller, Chosen, Said } from './who.ts';
import { shownAs } from './withheld.ts';

export function say(said: Said): string {
  return t(said.key, said.params);
}

export function sayPhone(number: string): string {
  return phone(number, homeCountry(lang(), navigator.language));
}

export function sayReason(sentence: string): string {
  const said = reasonOf(sentence);
  return said ? say(said) : sentence;
}

export function saySentence(sentence: Sentence): string {
  return sentenceText(sentence, say, isKey, sayPhone);
}

/** The one name of a caller, for titles and announcements. */
export function sayCaller(pop: Pop, caller: Caller): string {
  switch (caller.kind) {
    case 'known':
      return caller.candidate.contact.name;
    case 'several':
      return caller.company ?? sayNumber(pop.number, pop.number_dialled);
    case 'withheld':
    case 'not_a_number':
    case 'searching':
    case 'unknown':
    case 'none_of':
      return sayNumber(pop.number, pop.number_dialled);
  }
}

export function sayPop(pop: Pop, choice: Chosen | null): string {
  return sayCaller(pop, callerOf(pop, choice));
}

/** A number, or what came in its place. */
export function sayNumber(number: string | null, dialled: string | null): string {
  return number === null ? (shownAs(dialled) ?? t('pop.withheld')) : sayPhone(number);
}

/** The number of the customer's side as it is shown. */
export function sayCustomer(interaction: Interaction): string {
  const dialled = interaction.direction === 'inbound' ? interaction.caller_dialled : null;
  return sayNumber(customerNumber(interaction), dialled);
}

/** Who was called, or called first. */
export function firstNumber(interaction: Interaction): string | null {
  return interaction.direction === 'inbound' ? interaction.caller_number : interaction.callee_number;
}

/** The number by which the customer is known: of somebody whom a colleague put through, not the colleague's. */
export function customerNumber(interaction: Interaction): string | null {
  return interaction.customer_number ?? firstNumber(interaction);
}
