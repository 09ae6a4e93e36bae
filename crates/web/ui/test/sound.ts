// How legs were heard, for tests.

import type { Grade, LegQuality, LegRecord, PathQuality, WindowQuality } from '../src/lib/wire.ts';

export function stretch(more: Partial<WindowQuality> = {}): WindowQuality {
  return { at: new Date(Date.now() - 30_000).toISOString(), mos: 2.4, loss_percent: 12.4, jitter_ms: 6.2, ...more };
}

export function path(grade: Grade, more: Partial<PathQuality> = {}): PathQuality {
  const [mos, loss_percent] = { good: [4.38, 0], fair: [3.72, 4.31], poor: [2.61, 13.4] }[grade] as [number, number];
  return {
    ...{ grade, mos, packets: 6_000, lost: Math.round(60 * loss_percent), loss_percent, burst_ratio: 1.2, bursts: 2, burst_longest: 9 },
    ...{ duplicates: 0, reordered: 1, jitter_ms: 2.4, jitter_max_ms: 18.2, worst: stretch(grade === 'good' ? { mos: 4.3, loss_percent: 0.2 } : {}), bad: null },
    ...more,
  };
}

export function leg(party: 'customer' | 'agent', received: PathQuality | null, sent: PathQuality | null): LegRecord {
  const quality: LegQuality = { codec: 'PCMA', received, sent, round_trip_ms: sent === null ? null : 43.5, round_trip_max_ms: sent === null ? null : 80.1 };
  return { leg_id: `leg-${party}`, party, quality };
}
