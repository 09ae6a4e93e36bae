// How well the two of a talk hear each other: of the ways that sound takes, the worst one counts. Pure.

import type { CallView, Grade, Interaction, LegRecord, PathQuality, WindowQuality } from './wire.ts';

export type Listener = 'agent' | 'customer';
export const LISTENERS: readonly Listener[] = ['agent', 'customer'];

/** One of the ways to a listener: over whose leg it leads. */
export interface Way {
  side: 'customer' | 'agent';
  legId: string;
  path: PathQuality;
  roundTripMs: number | null;
}

export interface Hearing {
  /** Of the worst way; null when nothing is known. */
  grade: Grade | null;
  ways: Way[];
}

const RANK: Record<Grade, number> = { poor: 0, fair: 1, good: 2 };

const worseOf = (a: Grade | null, b: Grade): Grade => (a === null || RANK[b] < RANK[a] ? b : a);

/** Sound comes in over the leg of who speaks, and goes out over the leg of who listens. */
function pathTo(listener: Listener, leg: LegRecord): PathQuality | null {
  return (leg.party === listener ? leg.quality?.sent : leg.quality?.received) ?? null;
}

/** What a listener heard in a call, over both legs as far as it is known. */
export function hearing({ legs }: Pick<Interaction, 'legs'>, listener: Listener): Hearing {
  const ways = legs.flatMap((leg): Way[] => {
    const path = pathTo(listener, leg);
    return path === null ? [] : [{ side: leg.party, legId: leg.leg_id, path, roundTripMs: leg.quality?.round_trip_ms ?? null }];
  });
  return { grade: ways.reduce<Grade | null>((worst, { path }) => worseOf(worst, path.grade), null), ways };
}

/** The word for a whole call: of the worse direction; null when nothing is known. */
export function gradeOf(interaction: Pick<Interaction, 'legs'>): Grade | null {
  const grades = LISTENERS.flatMap((listener) => hearing(interaction, listener).grade ?? []);
  return grades.reduce<Grade | null>(worseOf, null);
}

/** Who hears badly in a call that goes on, and the worst stretch that shows it. */
export interface SoundTrouble {
  who: Listener | 'both';
  window: WindowQuality;
}

export function troubleOf({ legs }: Pick<CallView, 'legs'>): SoundTrouble | null {
  const bad = legs.flatMap(({ party, bad_received, bad_sent }) => {
    const other: Listener = party === 'customer' ? 'agent' : 'customer';
    const found: [Listener, WindowQuality][] = [];
    if (bad_received) found.push([other, bad_received]);
    if (bad_sent) found.push([party, bad_sent]);
    return found;
  });
  const [first] = bad.sort(([, a], [, b]) => a.mos - b.mos);
  if (!first) return null;
  const whos = new Set(bad.map(([who]) => who));
  return { who: whos.size > 1 ? 'both' : first[0], window: first[1] };
}

/** Below this share, losses are not what makes a stretch bad. */
const UNEVEN_BELOW_PERCENT = 3;

export const isUneven = ({ loss_percent }: WindowQuality): boolean => loss_percent < UNEVEN_BELOW_PERCENT;
