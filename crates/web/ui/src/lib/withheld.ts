// What came in the place of a number: nothing to show, or a name that a telephone system calls by.

// The words of the server (crates/crm/src/number/field.rs), which systems send when the number is kept back.
export const KEPT_BACK = new Set([
  'anonymous', 'anonym', 'аноним', 'анонимный', 'restricted', 'withheld', 'private', 'blocked', 'hidden', 'скрыт',
  'скрытый номер', 'unavailable', 'unknown', 'неизвестен', 'неизвестный',
]);

/** What came in the place of a number, if it names anybody. */
export function shownAs(dialled: string | null): string | null {
  const text = dialled?.trim() ?? '';
  return text === '' || KEPT_BACK.has(text.toLowerCase()) ? null : text;
}
