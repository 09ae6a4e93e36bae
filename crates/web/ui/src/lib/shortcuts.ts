// Keys without a modifier, by their place on the keyboard, so that they work in any layout. Silent while somebody types.

import { isTextField } from './editing.ts';

export type Shortcut = 'Escape' | '/' | '?' | 'D' | 'H' | 'N' | 'L' | 'T' | 'K' | 'Space' | 'ArrowLeft' | 'ArrowRight';

const LETTERS: Readonly<Record<string, Shortcut>> = { KeyD: 'D', KeyH: 'H', KeyN: 'N', KeyL: 'L', KeyT: 'T', KeyK: 'K' };

/** Which shortcut a key press is; null for none. */
export function shortcutOf(event: Pick<KeyboardEvent, 'code' | 'key' | 'shiftKey'>): Shortcut | null {
  const { code, key, shiftKey } = event;
  if (key === 'Escape') return 'Escape';
  if (key === '?' || (code === 'Slash' && shiftKey)) return '?';
  if (key === '/' || (code === 'Slash' && !shiftKey)) return '/';
  if (shiftKey) return null;
  const letter = LETTERS[code];
  if (letter) return letter;
  if (code === 'Space' || code === 'ArrowLeft' || code === 'ArrowRight') return code;
  return null;
}

/** Space and arrows mean something of their own on these. */
function hasOwnKeys(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('button, a, input, select, summary, [role=slider]') !== null;
}

/** Calls the action of a shortcut; several listeners may share the keyboard, each for its keys. */
export function onShortcut(actions: Partial<Record<Shortcut, () => void>>): () => void {
  const pressed = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    const shortcut = shortcutOf(event);
    const action = shortcut === null ? undefined : actions[shortcut];
    if (!shortcut || !action) return;
    if (isTextField(event.target)) {
      if (shortcut === 'Escape' && event.target instanceof HTMLElement) event.target.blur();
      return;
    }
    if (event.repeat && shortcut !== 'ArrowLeft' && shortcut !== 'ArrowRight') return;
    // A question that is open takes every key, and closes itself by Escape.
    if (document.querySelector('dialog[open]')) return;
    const moves = shortcut === 'Space' || shortcut === 'ArrowLeft' || shortcut === 'ArrowRight';
    if (moves && hasOwnKeys(event.target)) return;
    event.preventDefault();
    action();
  };
  window.addEventListener('keydown', pressed);
  return () => window.removeEventListener('keydown', pressed);
}
