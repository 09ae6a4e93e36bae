// Whether somebody types or points right now: then nothing may take the focus or the place.

const TEXTUAL = new Set(['text', 'search', 'password', 'email', 'tel', 'url', 'number']);

export function isTextField(target: EventTarget | null): boolean {
  if (target instanceof HTMLTextAreaElement) return true;
  if (target instanceof HTMLInputElement) return TEXTUAL.has(target.type);
  return target instanceof HTMLElement && target.isContentEditable;
}

/** Whether somebody writes the note in the call panel. */
export function notesInPanel(): boolean {
  return someoneTypes() && document.activeElement?.closest('[data-testid=call-panel] textarea') !== null;
}

export function someoneTypes(): boolean {
  return isTextField(document.activeElement);
}

/** Whether somebody has just typed whom to call: the card of that call is what comes next. */
export function someoneDials(): boolean {
  return document.activeElement?.closest('[data-testid=dial-box]') != null;
}

/** So long after its last move a pointer still counts as busy. */
const POINTING_MS = 1_500;
let pointedAt = -Infinity;

/** Watches the pointer over the work area until the returned function is called. */
export function followPointer(): () => void {
  const moved = (event: Event): void => {
    if (event.target instanceof Element && event.target.closest('#work')) pointedAt = performance.now();
  };
  const kinds = ['pointermove', 'pointerdown', 'wheel'] as const;
  for (const kind of kinds) window.addEventListener(kind, moved, { passive: true });
  return () => kinds.forEach((kind) => window.removeEventListener(kind, moved));
}

/** Whether somebody points at something in the work area, and is about to press it. */
export function someonePoints(): boolean {
  return performance.now() - pointedAt < POINTING_MS;
}

/** Calls back once no button of the pointer is down any more: what comes of leaving a field must not move what is being pressed. */
export function onceReleased(then: () => void): void {
  if (!pressed) return then();
  window.addEventListener('pointerup', () => setTimeout(then), { once: true });
}

let pressed = false;
if (typeof window !== 'undefined') {
  window.addEventListener('pointerdown', () => (pressed = true), { capture: true });
  for (const kind of ['pointerup', 'pointercancel'] as const) window.addEventListener(kind, () => (pressed = false), { capture: true });
}
