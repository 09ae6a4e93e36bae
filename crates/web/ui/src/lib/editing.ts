// Whether somebody types right now: then nothing may take the focus or the place.

const TEXTUAL = new Set(['text', 'search', 'password', 'email', 'tel', 'url', 'number']);

export function isTextField(target: EventTarget | null): boolean {
  if (target instanceof HTMLTextAreaElement) return true;
  if (target instanceof HTMLInputElement) return TEXTUAL.has(target.type);
  return target instanceof HTMLElement && target.isContentEditable;
}

/** Whether somebody writes the note in the call panel. */
export function notesInPanel(): boolean {
  return someoneTypes() && document.activeElement?.closest('[data-testid=call-panel]') !== null;
}

export function someoneTypes(): boolean {
  return isTextField(document.activeElement);
}
