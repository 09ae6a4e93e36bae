// Light, dark or as the system says.

import { store, stored } from './storage.ts';

export type Theme = 'light' | 'dark' | 'auto';

function read(): Theme {
  const chosen = stored('theme');
  return chosen === 'light' || chosen === 'dark' ? chosen : 'auto';
}

let current = $state<Theme>(read());

export function theme(): Theme {
  return current;
}

export function setTheme(next: Theme): void {
  current = next;
  store('theme', next === 'auto' ? null : next);
  if (next === 'auto') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = next;
}
