// How a message becomes text: plural forms by `count`, values by `{name}`.

export type Lang = 'en' | 'ru';
export type Params = Readonly<Record<string, string | number>>;
export interface Plural {
  readonly one: string;
  readonly few?: string;
  readonly many?: string;
  readonly other: string;
}
export type Message = string | Plural;

const RULES: Record<Lang, Intl.PluralRules> = {
  en: new Intl.PluralRules('en'),
  ru: new Intl.PluralRules('ru'),
};

function form(lang: Lang, message: Plural, count: number): string {
  const category = RULES[lang].select(count);
  if (category === 'one') return message.one;
  if (category === 'few') return message.few ?? message.other;
  if (category === 'many') return message.many ?? message.other;
  return message.other;
}

export function render(lang: Lang, message: Message, params: Params = {}): string {
  const text = typeof message === 'string' ? message : form(lang, message, Number(params['count'] ?? 0));
  // A count and its noun stay on one line.
  const bound = text.replaceAll('{count} ', '{count}\u00a0');
  return bound.replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
}
