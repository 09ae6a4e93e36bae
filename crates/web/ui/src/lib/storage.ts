// localStorage under one prefix; a browser that forbids it only forgets.

const PREFIX = 'linecard.';

export function stored(key: string): string | null {
  try {
    return localStorage.getItem(PREFIX + key);
  } catch {
    return null;
  }
}

export function store(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(PREFIX + key);
    else localStorage.setItem(PREFIX + key, value);
  } catch {
    // A full or forbidden storage: the value lives as long as the page.
  }
}

/** The key of a storage event without the prefix; null when it is not ours. */
export function ownKey(key: string | null): string | null {
  return key?.startsWith(PREFIX) ? key.slice(PREFIX.length) : null;
}

export function storedKeys(under: string): string[] {
  try {
    const keys = Array.from({ length: localStorage.length }, (_, i) => localStorage.key(i) ?? '');
    return keys.filter((key) => key.startsWith(PREFIX + under)).map((key) => key.slice(PREFIX.length));
  } catch {
    return [];
  }
}
