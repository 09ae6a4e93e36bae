// Numbers, times and callers in the page's language, for components.

import { isKey, lang, t } from '../i18n/index.svelte.ts';
import { homeCountry, phone } from './format.ts';
import { sentenceText } from './explain.ts';
import type { Interaction, Pop, Sentence } from './wire.ts';
import { callerOf, reasonOf } from './who.ts';
import type { Caller, Chosen, Said } from './who.ts';

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
      return caller.company ?? (pop.number === null ? t('pop.withheld') : sayPhone(pop.number));
    case 'withheld':
      return t('pop.withheld');
    case 'searching':
    case 'unknown':
      return pop.number === null ? t('pop.withheld') : sayPhone(pop.number);
  }
}

export function sayPop(pop: Pop, choice: Chosen | null): string {
  return sayCaller(pop, callerOf(pop, choice));
}

/** The customer's side of an interaction. */
export function customerNumber(interaction: Interaction): string | null {
  return interaction.direction === 'outbound' ? interaction.callee_number : interaction.caller_number;
}
