// The shapes on the wire, REST and events, as the outside contract names them.
import type { LegRecord, WindowQuality } from './heard.ts';
import type { DeviceView, OwnPhone } from './phones.ts';
export type { Grade, LegQuality, LegRecord, PathQuality, WindowQuality } from './heard.ts';
export type { RecordedParty, RecordedSession } from './siprec.ts';
export type { DeviceView, NewPhone, OwnPhone, PhoneRegistration } from './phones.ts';

export type Role = 'agent' | 'supervisor' | 'admin';
export type Direction = 'inbound' | 'outbound' | 'internal';
export type Level = 'exact' | 'extension' | 'company' | 'suffix';
export type Lookup = 'pending' | 'done' | 'unavailable';
export type PopState = 'ringing' | 'mine' | 'elsewhere' | 'missed' | 'ended';
export type CallState = 'created' | 'ringing' | 'answered' | 'held' | 'ended';
export const OUTCOMES = ['answered', 'abandoned', 'no_answer', 'busy', 'rejected', 'failed', 'canceled', 'interrupted'] as const;
export type Outcome = (typeof OUTCOMES)[number];
export type RecordingState = 'recording' | 'finished' | 'repaired' | 'truncated' | 'failed';

export interface User {
  id: string;
  login: string;
  name: string;
  role: Role;
  extension: string | null;
}

/** A colleague. */
export interface Person {
  id: string;
  name: string;
}

/** A colleague to whom a customer can be handed over. */
export interface Colleague extends Person {
  extension: string | null;
  state: AgentView['state'];
}

/** Where it rings for a user. */
export type Device = { id: string; kind: 'sip'; uri: string } | { id: string; kind: 'browser' } | OwnPhone;

export type Ring = 'together' | 'in_order';

/** What an administrator sets of a user. */
export interface UserDraft {
  login: string;
  name: string;
  role: Role;
  extension: string | null;
  ring: Ring;
  ring_timeout_ms: number;
  allow_call_waiting: boolean;
}

/** A user as an administrator sees it. */
export interface Account extends UserDraft {
  id: string;
  devices: Device[];
  version: number;
}

/** A log-in that was not ended. */
export interface OpenSession {
  id: string;
  created_at: string;
  expires_at: string;
  source: string;
  user_agent: string | null;
  current: boolean;
}

export interface AuditRow {
  id: string;
  at: string;
  action: string;
  user_id: string | null;
  login: string | null;
  subject: string | null;
  source: string;
}

export type Part = 'ready' | 'failed' | 'silent';

/** What runs on the server and how it stands. */
export interface ServerState {
  version: string;
  started_at: string;
  database: { kind: 'sqlite' | 'postgres'; state: Part };
  reactor: Part;
  alarms: { alarm: string; subject: string | null; text: string; since: string }[] | null;
  figures: {
    calls_live: number;
    lines_registered: number;
    lines_trying: number;
    lines_failed: number;
    signals_spooled: number;
    signals_late: number;
    recordings_open: number;
    recordings_incomplete: number;
    rtp_legs: number;
    rtp_legs_free: number;
    browsers_connected: number;
  } | null;
}

export interface ContactRef {
  id: string;
  name: string;
  company_name: string | null;
  responsible_id: string | null;
}

export interface Candidate {
  contact: ContactRef;
  level: Level;
  score: number;
  reasons: string[];
}

export interface Pop {
  pop_id: string;
  version: number;
  call_id: string;
  interaction_id: string;
  user_id: string;
  state: PopState;
  /** Whose call it is instead, once it is elsewhere. */
  taken_by: string | null;
  /** Who hands the customer over. */
  transferred_by: { user_id: string; name: string | null } | null;
  direction: Direction;
  number: string | null;
  number_dialled: string | null;
  display_name: string | null;
  line_id: string;
  did: string | null;
  /** Who called first and put the customer through. */
  put_through_by: string | null;
  /** Who is at the customer's end now, when that is another. */
  connected_number: string | null;
  /** What the caller's side handed over with the call. */
  user_to_user: string[];
  candidates: Candidate[];
  lookup: Lookup;
}

/** A customer on the way to somebody else; `recall` when nobody took over and the agent, who had left, is rung again. */
export interface Transfer {
  kind: 'blind' | 'attended' | 'recall';
  /** The other is rung, or talks with the agent while the customer waits. */
  stage: 'ringing' | 'talking';
  user_id: string | null;
  name: string | null;
  number: string | null;
  /** Who hands over. */
  by: string;
}

/** To whom a customer is handed over, by exactly one of both, and how; neither to complete what is under way. */
export interface TransferWish {
  to: string | null;
  user_id: string | null;
  kind: 'blind' | 'attended';
}

export interface CallView {
  call_id: string;
  interaction_id: string;
  direction: Direction;
  state: CallState;
  user_id: string | null;
  /** Everybody who takes part or took part. */
  user_ids: string[];
  /** It goes on elsewhere and is only seen. */
  watched: boolean;
  line_id: string;
  number: string | null;
  connected_number: string | null;
  contact_id: string | null;
  started_at: string;
  answered_at: string | null;
  outcome: Outcome | null;
  held_by: 'agent' | 'customer' | 'both' | null;
  transfer: Transfer | null;
  legs: CallLeg[];
}

export interface CallLeg {
  leg_id: string;
  party: 'customer' | 'agent';
  state: string;
  /** The stretch that makes what is heard of its party, or what its party hears, count as bad now; absent from older frames. */
  bad_received?: WindowQuality | null;
  bad_sent?: WindowQuality | null;
}

export interface RecordingView {
  recording_id: string;
  interaction_id: string;
  call_id: string;
  user_id: string | null;
  state: RecordingState;
}

export interface AgentView {
  user_id: string;
  state: 'available' | 'ringing' | 'busy';
  call_id: string | null;
}

export interface Interaction {
  id: string;
  call_id: string;
  direction: Direction;
  outcome: Outcome | null;
  state: 'live' | 'ended';
  caller_number: string | null;
  caller_dialled: string | null;
  callee_number: string | null;
  /** The number by which the customer is known. */
  customer_number: string | null;
  /** The number at the customer's end at last, where the PBX has connected the call with another party. */
  connected_number: string | null;
  user_to_user: string[];
  contact_id: string | null;
  user_id: string | null;
  line_id: string;
  started_at: string;
  answered_at: string | null;
  ended_at: string | null;
  ringing_ms: number | null;
  talk_ms: number | null;
  hold_ms: number | null;
  hangup_by: 'caller' | 'callee' | 'agent' | 'system' | 'interrupted' | null;
  sip_status: number | null;
  legs: LegRecord[];
  recording_ids: string[];
  notes: string | null;
  disposition: string | null;
}

export interface PhoneNumber {
  number: string;
  e164: string | null;
  extension: string | null;
  label: string | null;
}

export interface Contact {
  id: string;
  name: string;
  company_id: string | null;
  company_name: string | null;
  responsible_id: string | null;
  numbers: PhoneNumber[];
  emails: string[];
  source: string | null;
  region: string | null;
  industry: string | null;
  notes: string | null;
  custom: Record<string, unknown>;
  created_at: string;
  version: number;
}

export interface Company {
  id: string;
  name: string;
  numbers: PhoneNumber[];
  region: string | null;
  industry: string | null;
  notes: string | null;
  custom: Record<string, unknown>;
  contact_count: number;
  created_at: string;
  version: number;
}

/** What is marked in a recording. */
export interface Span {
  kind: 'hold' | 'loss' | 'masked' | 'transfer';
  from_ms: number;
  until_ms: number;
}

export interface Recording {
  id: string;
  interaction_id: string;
  state: RecordingState;
  duration_ms: number | null;
  spans: Span[];
}

export type MissedState = 'open' | 'claimed' | 'closed';

/** A caller whom nobody answered. */
export interface MissedItem {
  id: string;
  number: string | null;
  number_dialled: string | null;
  contact_id: string | null;
  attempts: number;
  first_at: string;
  last_at: string;
  owner_id: string | null;
  state: MissedState;
  closed_by: string | null;
  /** The last call that nobody answered. */
  interaction_id: string;
}

export type Transport = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss';
export type DialFormat = 'plus' | 'e164' | 'national' | 'as_typed';
export type LineStanding = 'registered' | 'trying' | 'failed';

/** How a line stands; `reason_key` is the sentence in `reason`, `advice` what to change. */
export interface Registration {
  state: LineStanding;
  since: string | null;
  reason: string | null;
  reason_key: string | null;
  reason_params: Record<string, string>;
  advice: string | null;
  expires_at: string | null;
  contacts: number;
  /** Of a line that records: when the last call was sent to it, since the server started. */
  last_session_at: string | null;
}

export interface RegistrationView extends Registration {
  line_id: string;
  user_id: string | null;
}

/** Whether a line's calls run through the server. */
export type LineMode = 'anchor' | 'shadow' | 'dialog_info' | 'siprec';

/** What an administrator gives of a line; the password goes one way only. */
export interface LineDraft {
  name: string;
  server: string;
  username: string;
  auth_username: string | null;
  outbound_proxy: string | null;
  transport: Transport | null;
  mode: LineMode;
  user_id: string | null;
  dial_format: DialFormat;
  dial_prefix: string | null;
  caller_id: string | null;
  transfer: LineTransfer;
}

/** Who connects a customer that is handed over to a number at once. */
export type LineTransfer = 'here' | 'pbx';

export interface Line extends LineDraft {
  id: string;
  /** What is asked for at a WebSocket's server; null for other transports. */
  websocket_path: string | null;
  registration: Registration;
  version: number;
}

/** What the doctor tells of an account, one line of JSON each. */
export interface CheckStep {
  type: 'step';
  name: string;
  state: 'good' | 'noted' | 'bad';
  key: string;
  params: Record<string, string>;
  text: string;
  advice: string | null;
  field: string | null;
}

export interface CheckMessage {
  type: 'message';
  number: number;
  at_ms: number;
  sent: boolean;
  text: string;
}

/** A place in the exchange that shows something; without a message, an address that was connected to. */
export interface Evidence {
  message: number | null;
  place: string;
  value: string;
}

/** One thing that the PBX does, or does not. */
export type CheckFact = { type: 'check'; name: string; key: string; params: Record<string, string>; text: string } & (
  | { outcome: 'seen'; evidence: Evidence[] }
  | { outcome: 'not_seen' | 'silent'; messages: number[] }
  | { outcome: 'not_asked' }
);

/** A part of a call, and how sure it is that it is seen. */
export type Sight = { name: string; key: string; text: string } & ({ view: 'proven'; message: number } | { view: 'expected' | 'hidden' | 'unknown' });

/** The mode that fits an account. */
export interface CheckPlan {
  type: 'plan';
  mode: LineMode;
  key: string;
  params: Record<string, string>;
  text: string;
  sights: Sight[];
  fields: { name: string; value: string }[];
}

export type Finding = CheckStep | CheckFact | CheckPlan | CheckMessage | { type: 'verdict'; healthy: boolean };

/** A line as every log-in knows it. */
export interface Standing {
  id: string;
  name: string;
  user_id: string | null;
  state: LineStanding;
  since: string | null;
}

export type By = 'hour' | 'weekday' | 'line' | 'agent';
/** What is counted; the list of calls takes the same names. */
export type Figure =
  | 'offered'
  | 'answered'
  | 'missed'
  | 'not_called_back'
  | 'in_time'
  | 'abandoned_late'
  | 'handled'
  | 'dialled'
  | 'reached';

export interface Load extends Record<Figure, number> {
  /** 0 to 1; null without a call that counts for it. */
  service_level: number | null;
  talk_ms: number;
  hold_ms: number;
  aht_ms: number | null;
  reached_talk_ms: number;
}

export interface LoadPart extends Load {
  key: number | string | null;
  name: string | null;
  peak: number | null;
  peak_at: string | null;
  /** Lists its calls, together with a figure. */
  query: string;
  /** Lists those under way at the peak. */
  peak_query: string | null;
}

export interface LoadReport {
  by: By;
  from: string;
  until: string;
  tz: string;
  service_level_s: number;
  total: LoadPart;
  previous: Load & { from: string; until: string };
  rows: LoadPart[];
}

export interface Sentence {
  at: string;
  source: string;
  leg_id: string | null;
  key: string;
  params: Record<string, string>;
  text: string;
}

export interface Explanation {
  interaction_id: string;
  sentences: Sentence[];
  outcome: Outcome | null;
  rule: string;
  verdict: string;
}

export interface Listing<T> {
  items: T[];
  total: number;
  next: string | null;
}

export interface Snapshot {
  calls: CallView[];
  pops: Pop[];
  agents: AgentView[];
  missed_open: number;
}

export interface Hello {
  type: 'hello';
  session: string;
  epoch: string;
  heartbeat_ms: number;
}

interface Placed<T extends string, D> {
  type: T;
  cursor: string;
  seq: number;
  data: D;
}

interface Numbered<T extends string, D> extends Placed<T, D> {
  timestamp: string;
}

export type SnapshotFrame = Placed<'snapshot', Snapshot>;
export type CallFrame = Numbered<
  | 'call.created'
  | 'call.ringing'
  | 'call.answered'
  | 'call.held'
  | 'call.retrieved'
  | 'call.transferred'
  | 'call.updated'
  | 'call.quality'
  | 'call.missed'
  | 'call.ended',
  CallView
>;
export type PopFrame = Numbered<'pop.shown' | 'pop.updated' | 'pop.retracted', Pop>;
export type RecordingFrame = Numbered<
  'recording.started' | 'recording.paused' | 'recording.resumed' | 'recording.finished',
  RecordingView
>;
export type AgentFrame = Numbered<'agent.state_changed', AgentView>;
export type MissedFrame = Numbered<'missed.opened' | 'missed.claimed' | 'missed.closed', MissedItem>;
export type RegistrationFrame = Numbered<'registration.changed', RegistrationView>;
export type ClosedFrame = Numbered<'interaction.closed', Interaction>;
/** A type that this page does not know yet; it only moves the cursor. */
export type OtherFrame = Numbered<'other', unknown>;

export type EventFrame = CallFrame | PopFrame | RecordingFrame | AgentFrame | MissedFrame | RegistrationFrame | Numbered<'device.changed', DeviceView> | ClosedFrame | OtherFrame;
export type StateFrame = SnapshotFrame | EventFrame;
export type ServerFrame = Hello | { type: 'heartbeat' } | StateFrame;

const KNOWN = new Set<string>([
  'call.created',
  'call.ringing',
  'call.answered',
  'call.held',
  'call.retrieved',
  'call.transferred',
  'call.updated',
  'call.quality',
  'call.missed',
  'call.ended',
  'pop.shown',
  'pop.updated',
  'pop.retracted',
  'recording.started',
  'recording.paused',
  'recording.resumed',
  'recording.finished',
  'agent.state_changed',
  'missed.opened',
  'missed.claimed',
  'missed.closed',
  'registration.changed',
  'device.changed',
  'interaction.closed',
]);

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads one frame; null for what is no frame of this protocol or not known and without a place in the stream. */
export function parseFrame(text: string): ServerFrame | null {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(raw) || typeof raw['type'] !== 'string') return null;
  if (raw['type'] === 'hello') return typeof raw['epoch'] === 'string' ? (raw as unknown as Hello) : null;
  if (raw['type'] === 'heartbeat') return { type: 'heartbeat' };
  if (typeof raw['cursor'] !== 'string' || !Number.isSafeInteger(raw['seq'])) return null;
  if (raw['type'] === 'snapshot') return isObject(raw['data']) ? (raw as unknown as SnapshotFrame) : null;
  if (KNOWN.has(raw['type']) && isObject(raw['data'])) return raw as unknown as EventFrame;
  return { ...raw, type: 'other' } as unknown as OtherFrame;
}

/** The epoch of a cursor `epoch:seq`. */
export function epochOf(cursor: string): string {
  return cursor.slice(0, Math.max(0, cursor.lastIndexOf(':')));
}
