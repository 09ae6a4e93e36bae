// Rows under a hand: they stay in their places until it is gone.

/**
 * The rows as they stood, each as it is now, and below them what was read since then. What would come in between, change
 * its place or go waits.
 */
export function heldRows<T extends { id: string }>(held: T[], items: T[]): T[] {
  const now = new Map(items.map((item) => [item.id, item]));
  const ids = new Set(held.map(({ id }) => id));
  const last = items.reduce((last, { id }, at) => (ids.has(id) ? at : last), -1);
  return [...held.map((item) => now.get(item.id) ?? item), ...items.slice(last + 1).filter(({ id }) => !ids.has(id))];
}
