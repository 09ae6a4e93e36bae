// REST: one function per call that the desk makes. The cookie is the browser's; no token is kept here.

import type { CallOrder } from './order.ts';
import type { Slice } from './slice.ts';
import type {
  Account,
  AuditRow,
  By,
  CallView,
  Colleague,
  Company,
  Contact,
  Device,
  NewPhone,
  Explanation,
  Interaction,
  Line,
  LineDraft,
  Listing,
  LoadReport,
  MissedItem,
  MissedState,
  OpenSession,
  Person,
  RecordedSession,
  Recording,
  ServerState,
  Standing,
  TransferWish,
  User,
  UserDraft,
} from './wire.ts';

const BASE = '/api/v1';
const WAIT_MS = 15_000;

/** One of several that the server lets a person choose from. */
export interface Choice {
  id: string;
  name: string;
}

/** A refusal of the server, or no answer at all (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly field: string | null = null,
    /** What may stand in the field. */
    readonly choices: Choice[] = [],
    /** The reason as one word, where the contract names one. */
    readonly key: string | null = null,
  ) {
    super(message);
  }
}

let logInNeeded: () => void = () => undefined;
let serverTime: (ms: number) => void = () => undefined;

/** Whom to tell of an expired session, and of the server's time. */
export function listen(hooks: { logInNeeded: () => void; serverTime: (ms: number) => void }): void {
  logInNeeded = hooks.logInNeeded;
  serverTime = hooks.serverTime;
}

interface Request {
  /** JSON, or a file as it is. */
  body?: object | undefined;
  /** The version that is changed or deleted. */
  version?: number;
  signal?: AbortSignal;
}

async function answered(method: string, path: string, { body, version, signal }: Request): Promise<Response> {
  let response: Response;
  const headers: Record<string, string> = {};
  const file = body instanceof Blob ? body : null;
  if (body) headers['Content-Type'] = file ? 'application/octet-stream' : 'application/json';
  if (version !== undefined) headers['If-Match'] = `"${String(version)}"`;
  try {
    response = await fetch(BASE + path, {
      method,
      headers,
      credentials: 'same-origin',
      signal: signal ?? AbortSignal.timeout(WAIT_MS),
      ...(body ? { body: file ?? JSON.stringify(body) } : {}),
    });
  } catch (error) {
    throw new ApiError(0, String(error));
  }
  const date = Date.parse(response.headers.get('Date') ?? '');
  if (Number.isFinite(date)) serverTime(date);
  if (response.ok) return response;
  const error = await refusal(response);
  if (response.status === 401 && path !== '/session') logInNeeded();
  throw error;
}

/** Asks the server; `version` is the one that was read of what is changed. */
export async function ask<T>(method: string, path: string, body?: object, version?: number): Promise<T> {
  const response = await answered(method, path, { body, ...(version === undefined ? {} : { version }) });
  return response.status === 204 ? (undefined as T) : ((await response.json()) as T);
}

/** Sends a file and waits for what becomes of it, however long that takes. */
export async function upload<T>(path: string, file: Blob): Promise<T> {
  const response = await answered('POST', path, { body: file, signal: new AbortController().signal });
  return (await response.json()) as T;
}

/** The lines of JSON of an answer that takes its time, each as soon as it is there. */
export async function* stream<T>(path: string, body: object | undefined, signal: AbortSignal): AsyncGenerator<T> {
  const response = await answered('POST', path, { body, signal });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
    const lines = (rest + part.value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') yield JSON.parse(line) as T;
  }
}

async function refusal(response: Response): Promise<ApiError> {
  try {
    const problem = (await response.json()) as { detail?: unknown; field?: unknown; choices?: Choice[]; key?: unknown };
    const field = typeof problem.field === 'string' ? problem.field : null;
    const key = typeof problem.key === 'string' ? problem.key : null;
    return new ApiError(response.status, String(problem.detail ?? response.statusText), field, problem.choices ?? [], key);
  } catch {
    return new ApiError(response.status, response.statusText);
  }
}

export function query(params: Record<string, string | number | boolean | null | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== '') search.set(name, String(value));
  }
  const text = search.toString();
  return text === '' ? '' : `?${text}`;
}

/** Which rows of the audit; times are RFC 3339. */
export interface AuditFilter {
  user_id: string | null;
  action: string | null;
  from: string | null;
  until: string | null;
}

export interface LoadQuery {
  from: string;
  until: string;
  compare_from: string;
  by: By;
  service_level_s: number;
  tz: string;
}

export interface InteractionFilter extends Slice {
  outcome?: string | null;
  recorded?: boolean | null;
  contact_id?: string | null;
  company_id?: string | null;
  number?: string | null;
  /** Newest first when left out. */
  sort?: CallOrder | null;
  limit?: number;
  cursor?: string | null;
}

const id = encodeURIComponent;

export const api = {
  logIn: (login: string, password: string) => ask<{ user: User }>('POST', '/session', { login, password }),
  session: () => ask<{ user: User; expires_at: string }>('GET', '/session'),
  logOut: () => ask<void>('DELETE', '/session'),
  dial: (call: { to: string; contact_id: string | null; line_id: string | null }) =>
    ask<{ call_id: string; interaction_id: string }>('POST', '/calls', call),
  hangUp: (callId: string) => ask<CallView>('POST', `/calls/${id(callId)}/hangup`),
  hold: (callId: string) => ask<CallView>('POST', `/calls/${id(callId)}/hold`, {}),
  retrieve: (callId: string) => ask<CallView>('POST', `/calls/${id(callId)}/retrieve`, {}),
  transfer: (callId: string, wish: TransferWish) => ask<CallView>('POST', `/calls/${id(callId)}/transfer`, wish),
  dtmf: (callId: string, digits: string) => ask<CallView>('POST', `/calls/${id(callId)}/dtmf`, { digits }),
  /** Everybody but the user who asks. */
  colleagues: (q: string) => ask<Listing<Colleague>>('GET', `/users/colleagues${query({ q, limit: 500 })}`),
  contact: (contactId: string) => ask<Contact>('GET', `/contacts/${id(contactId)}`),
  contacts: (q: string, limit: number) => ask<Listing<Contact>>('GET', `/contacts${query({ q, limit })}`),
  addContact: (contact: { name: string; company_id: string | null; numbers: { number: string; label: string | null }[] }) =>
    ask<Contact>('POST', '/contacts', contact),
  companies: (q: string, limit: number) => ask<Listing<Company>>('GET', `/companies${query({ q, limit })}`),
  addCompany: (company: { name: string }) => ask<Company>('POST', '/companies', company),
  company: (companyId: string) => ask<Company>('GET', `/companies/${id(companyId)}`),
  interactions: (filter: InteractionFilter) => ask<Listing<Interaction>>('GET', `/interactions${query({ ...filter })}`),
  interaction: (interactionId: string) => ask<Interaction>('GET', `/interactions/${id(interactionId)}`),
  amend: (interactionId: string, patch: { notes?: string; contact_id?: string | null; disposition?: string | null }) =>
    ask<Interaction>('PATCH', `/interactions/${id(interactionId)}`, patch),
  recordedSessions: async (interactionId: string) => (await ask<{ items: RecordedSession[] }>('GET', `/interactions/${id(interactionId)}/recorded-sessions`)).items,
  explain: (interactionId: string) => ask<Explanation>('GET', `/interactions/${id(interactionId)}/explain`),
  missed: (state: MissedState, limit: number) => ask<Listing<MissedItem>>('GET', `/missed${query({ state, limit })}`),
  claimMissed: (itemId: string) => ask<MissedItem>('POST', `/missed/${id(itemId)}/claim`),
  closeMissed: (itemId: string) => ask<MissedItem>('POST', `/missed/${id(itemId)}/close`),
  lines: () => ask<Listing<Line>>('GET', `/lines${query({ limit: 500 })}`),
  addLine: (line: Partial<LineDraft> & { password: string }) => ask<Line>('POST', '/lines', line),
  changeLine: (line: Line, patch: Partial<LineDraft> & { password?: string }) =>
    ask<Line>('PATCH', `/lines/${id(line.id)}`, patch, line.version),
  /** Lets the desk phone be bound again that the line pushed out. */
  putBack: (line: Line) => ask<Line>('POST', `/lines/${id(line.id)}/put-back`),
  deleteLine: (line: Line) => ask<void>('DELETE', `/lines/${id(line.id)}`, undefined, line.version),
  users: () => ask<Listing<Account>>('GET', `/users${query({ limit: 500 })}`),
  addUser: (user: Partial<UserDraft> & { password: string }) => ask<Account>('POST', '/users', user),
  changeUser: (user: Account, patch: Partial<UserDraft> & { password?: string }) =>
    ask<Account>('PATCH', `/users/${id(user.id)}`, patch, user.version),
  deleteUser: (user: Account) => ask<void>('DELETE', `/users/${id(user.id)}`, undefined, user.version),
  addDevice: (userId: string, uri: string) => ask<Device>('POST', `/users/${id(userId)}/devices`, { kind: 'sip', uri }),
  addPhone: (userId: string, name: string | null) => ask<NewPhone>('POST', `/users/${id(userId)}/devices`, { kind: 'phone', name }),
  /** Another password for a telephone. */
  rotatePhone: (userId: string, deviceId: string) => ask<NewPhone>('POST', `/users/${id(userId)}/devices/${id(deviceId)}/rotate`),
  deleteDevice: (userId: string, deviceId: string) => ask<void>('DELETE', `/users/${id(userId)}/devices/${id(deviceId)}`),
  changePassword: (old_password: string, new_password: string) =>
    ask<void>('POST', '/session/password', { old_password, new_password }),
  sessions: () => ask<Listing<OpenSession>>('GET', `/sessions${query({ limit: 500 })}`),
  endSession: (sessionId: string) => ask<void>('DELETE', `/sessions/${id(sessionId)}`),
  endOtherSessions: () => ask<void>('DELETE', '/sessions'),
  audit: (filter: AuditFilter & { limit: number; cursor: string | null }) => ask<Listing<AuditRow>>('GET', `/audit${query({ ...filter })}`),
  server: () => ask<ServerState>('GET', '/server'),
  load: (asked: LoadQuery) => ask<LoadReport>('GET', `/reports/load${query({ ...asked })}`),
  standings: () => ask<Listing<Standing>>('GET', `/lines/standings${query({ limit: 500 })}`),
  people: (limit: number, cursor: string | null) => ask<Listing<Person>>('GET', `/people${query({ limit, cursor })}`),
  recording: (recordingId: string) => ask<Recording>('GET', `/recordings/${id(recordingId)}`),
};

/** The audit as a file, as it is filtered. */
export function auditUrl(filter: AuditFilter): string {
  return `${BASE}/audit${query({ ...filter, format: 'csv' })}`;
}

export function interactionsSheetUrl(filter: InteractionFilter): string {
  return `${BASE}/interactions${query({ ...filter, format: 'csv' })}`;
}

export function loadSheetUrl(asked: LoadQuery): string {
  return `${BASE}/reports/load${query({ ...asked, format: 'csv' })}`;
}

export function mediaUrl(recordingId: string): string {
  return `${BASE}/recordings/${id(recordingId)}/media`;
}

/** Why a recording cannot be played: the status of a request for its first byte, 0 without an answer. */
export async function mediaStatus(recordingId: string): Promise<number> {
  try {
    const response = await fetch(mediaUrl(recordingId), { headers: { Range: 'bytes=0-0' }, credentials: 'same-origin' });
    await response.body?.cancel();
    return response.status;
  } catch {
    return 0;
  }
}
