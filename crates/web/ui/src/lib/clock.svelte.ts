// The moment, by the server's clock, for timers and relative times. It ticks only while something shows it.

import { createSubscriber } from 'svelte/reactivity';

/** How far this browser's clock is ahead; every frame can only overstate it, so the least is the best. */
let aheadMs: number | null = null;

export function noteServerTime(serverMs: number): void {
  const ahead = Date.now() - serverMs;
  if (aheadMs === null || ahead < aheadMs) aheadMs = ahead;
}

export function serverNow(): number {
  return Date.now() - (aheadMs ?? 0);
}

function ticking(everyMs: number): () => void {
  return createSubscriber((update) => {
    const timer = setInterval(update, everyMs);
    return () => clearInterval(timer);
  });
}

const eachSecond = ticking(250);
const eachMinute = ticking(15_000);

/** The moment, read again four times a second so that no shown second is skipped. */
export function nowBySecond(): number {
  eachSecond();
  return serverNow();
}

/** The moment, read again every quarter of a minute. */
export function nowByMinute(): number {
  eachMinute();
  return serverNow();
}
