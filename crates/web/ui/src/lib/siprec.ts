// What an SBC told of the calls that it sends to be recorded.

/** Somebody who takes or took part in a recorded call, as the SBC tells. */
export interface RecordedParty {
  id: string;
  address: string | null;
  name: string | null;
  number: string | null;
  role: 'customer' | 'agent';
  user_id: string | null;
  associated_at: string | null;
  disassociated_at: string | null;
}

/** A session in which an SBC sent a call to be recorded. */
export interface RecordedSession {
  leg_id: string;
  started_at: string;
  ended_at: string | null;
  parties: RecordedParty[];
  voices: 'separate' | 'mixed';
  documents: { received_at: string; content: string }[];
}
