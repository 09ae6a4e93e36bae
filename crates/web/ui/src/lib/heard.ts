// How the legs of a call were heard, as the server tells it.

export type Grade = 'good' | 'fair' | 'poor';

/** A stretch of one direction of a leg. */
export interface WindowQuality {
  at: string;
  mos: number;
  loss_percent: number;
  jitter_ms: number;
}

/** One direction of a leg; what is only reported by its phone has null in the middle. */
export interface PathQuality {
  grade: Grade;
  mos: number;
  packets: number;
  lost: number;
  loss_percent: number;
  burst_ratio: number | null;
  bursts: number | null;
  burst_longest: number | null;
  duplicates: number | null;
  reordered: number | null;
  jitter_ms: number;
  jitter_max_ms: number;
  worst: WindowQuality | null;
  bad: WindowQuality | null;
}

export interface LegQuality {
  codec: string | null;
  /** What came from its party. */
  received: PathQuality | null;
  /** What its party heard, by its own reports. */
  sent: PathQuality | null;
  round_trip_ms: number | null;
  round_trip_max_ms: number | null;
}

/** A leg of an interaction, as far as a page shows it. */
export interface LegRecord {
  leg_id: string;
  party: 'customer' | 'agent';
  quality: LegQuality | null;
}
