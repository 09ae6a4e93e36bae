// The fake server: the built interface with the real server's page policy, REST and the events socket as the outside
// contract has them, and switches for what may go wrong.

import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import type { Interaction, Standing, User } from '../../../src/lib/wire.ts';
import { answerCards, problem } from './crm.ts';
import type { Answer } from './crm.ts';
import { FakeAdmin } from './admin.ts';
import { answerImport } from './import.ts';
import { FakeLines } from './lines.ts';
import { Office } from './office.ts';
import { ANNA, PASSWORD } from './people.ts';
import { answerRecordings } from './recordings.ts';
import { sorting } from './sorting.ts';
import { FakeTransfers } from './transfer.ts';
import { STANDINGS, inSlice, report, waitsOf } from './reports.ts';
import { wav } from './wav.ts';

const DIST = fileURLToPath(new URL('../../../dist/', import.meta.url));
const HEADERS = fileURLToPath(new URL('../../../../src/headers.rs', import.meta.url));
const COOKIE = 'linecard_session=anna';
const KINDS: Record<string, string> = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

/** The policy that the real server sends, read from its source. */
function policy(): string {
  const found = /const POLICY: &str = "([^"]+)"/.exec(readFileSync(HEADERS, 'utf8'))?.[1];
  if (found === undefined) throw new Error('headers.rs has no POLICY');
  return found.replaceAll(/\\\n\s*/g, '');
}

const ok = (body: unknown): Answer => ({ status: 200, body });
const SOUND = wav(12);
const GONE = problem(404, 'there is no such object');

export class FakeServer {
  office = new Office();
  lines = new FakeLines(this.office);
  admin = new FakeAdmin();
  transfers = new FakeTransfers(this.office);
  /** Whose cookie it is. */
  user: User = ANNA;
  standings: Standing[] = STANDINGS;
  /** Requests whose path fits get this status; 0 breaks the connection. */
  faults: { path: RegExp; status: number; method?: string }[] = [];
  /** Requests whose path fits wait so long. */
  delays: { path: RegExp; ms: number }[] = [];
  /** New sockets are refused. */
  deaf = false;
  /** Connections that it refused while it was deaf: each is told by the browser, perhaps only later. */
  refused = 0;
  /** How each socket came: its query. */
  connected: string[] = [];
  asked: string[] = [];
  private readonly policy = policy();
  /** The sound of every recording. */
  media = SOUND;
  /** The first byte of each request for sound; one from 0 is a listen to the server. */
  firstBytes: number[] = [];
  private readonly http: Server;
  private readonly sockets: WebSocketServer;

  private constructor() {
    this.http = createServer((request, response) => void this.serve(request, response));
    this.sockets = new WebSocketServer({ noServer: true });
    this.http.on('upgrade', (request, socket, head) => {
      const known = (request.headers.cookie ?? '').includes(COOKIE);
      if (this.deaf) this.refused += 1;
      if (this.deaf || !known) socket.destroy();
      else this.sockets.handleUpgrade(request, socket, head, (socket) => this.hear(socket, request));
    });
  }

  static async open(): Promise<FakeServer> {
    if (!existsSync(join(DIST, 'index.html'))) throw new Error('the interface is not built: npm run build');
    const server = new FakeServer();
    server.http.listen(0, '127.0.0.1');
    await once(server.http, 'listening');
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.http.address() as AddressInfo).port)}`;
  }

  get sessionCookie(): { name: string; value: string; url: string } {
    const [name = '', value = ''] = COOKIE.split('=');
    return { name, value, url: this.url };
  }

  /** An empty office, and nothing goes wrong. */
  reset(): Office {
    this.cut();
    this.user = ANNA;
    this.standings = STANDINGS;
    this.faults = [];
    this.delays = [];
    this.deaf = false;
    this.refused = 0;
    this.connected = [];
    this.asked = [];
    this.media = SOUND;
    this.firstBytes = [];
    this.office.onFrame = () => undefined;
    this.office = new Office();
    this.lines = new FakeLines(this.office);
    this.admin = new FakeAdmin();
    this.transfers = new FakeTransfers(this.office);
    this.user = ANNA;
    this.office.onFrame = (text) => this.sockets.clients.forEach((socket) => socket.send(text));
    return this.office;
  }

  /** The connections of the events break. */
  cut(): void {
    for (const socket of this.sockets.clients) socket.terminate();
  }

  async close(): Promise<void> {
    this.cut();
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, 'close');
  }

  private hear(socket: WebSocket, request: IncomingMessage): void {
    const { office } = this;
    const url = new URL(request.url ?? '', this.url);
    this.connected.push(url.search);
    socket.send(JSON.stringify({ type: 'hello', session: 's', epoch: office.epoch, heartbeat_ms: 15_000 }));
    const [epoch, after] = (url.searchParams.get('cursor') ?? '').split(':');
    if (epoch === office.epoch) office.sent.filter(({ seq }) => seq > Number(after)).forEach(({ text }) => socket.send(text));
    else socket.send(JSON.stringify(office.snapshot()));
    socket.on('message', (data: Buffer) => office.heard.push(JSON.parse(data.toString()) as { type: string }));
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    response.setHeader('Content-Security-Policy', this.policy);
    if (!url.pathname.startsWith('/api/v1/')) return this.file(url.pathname, response);
    const path = url.pathname.slice('/api/v1'.length);
    const method = request.method ?? 'GET';
    this.asked.push(`${method} ${path}${url.search}`);
    const wait = this.delays.find((delay) => delay.path.test(path));
    if (wait) await new Promise((resolve) => setTimeout(resolve, wait.ms));
    const fault = this.faults.find((one) => one.path.test(path) && (one.method ?? method) === method);
    if (fault?.status === 0) return void request.socket.destroy();
    const media = /^\/recordings\/([^/]+)\/media$/.exec(path)?.[1];
    if (media !== undefined && !fault) return this.play(media, request, response);
    if (/^\/lines(\/[^/]+)?\/check$/.test(path) && !fault) return this.lines.check(response, path, await read(request));
    const answer = fault
      ? problem(fault.status, 'as the test wishes')
      : path === '/contacts/import'
        ? await answerImport(this.office, request, url.searchParams)
        : this.answer(method, path, url.searchParams, await read(request), request, response);
    response.writeHead(answer.status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
    response.end(answer.body === undefined ? '' : JSON.stringify(answer.body));
  }

  private answer(method: string, path: string, query: URLSearchParams, body: Record<string, unknown>, request: IncomingMessage, response: ServerResponse): Answer {
    const { office } = this;
    if (method === 'POST' && path === '/session') {
      if (body['login'] !== ANNA.login || body['password'] !== PASSWORD) return problem(401, 'login or password is wrong');
      response.setHeader('Set-Cookie', `${COOKIE}; HttpOnly; SameSite=Strict; Path=/`);
      return ok({ token: 'anna', user: this.user });
    }
    if (!(request.headers.cookie ?? '').includes(COOKIE)) return problem(401, 'log in first');
    if (method === 'DELETE' && path === '/session') {
      response.setHeader('Set-Cookie', `${COOKIE.split('=')[0] ?? ''}=; Max-Age=0; Path=/`);
      return { status: 204 };
    }
    const [, kind, one = '', more] = path.split('/');
    if (kind === 'users' && one === 'colleagues') return ok(this.transfers.colleagues(this.user, query.get('q') ?? ''));
    const administered = this.admin.answer(method, path, query, body, request.headers['if-match']);
    if (administered) return administered;
    if (kind === 'session') return ok({ user: this.user, expires_at: new Date(Date.now() + 3_600_000).toISOString() });
    if (kind === 'lines' && one === 'standings') return ok({ items: this.standings, total: this.standings.length, next: null });
    if (kind === 'lines' && more === 'put-back') return this.lines.putBack(one);
    if (kind === 'lines') return this.lines.answer(method, one, body, request.headers['if-match']);
    if (kind === 'people') return ok(this.admin.colleagues());
    if (kind === 'reports') return this.user.role === 'agent' ? problem(403, 'your role does not allow this') : ok(report([...office.interactions.values()], query, waitsOf(office.missed.values())));
    if (kind === 'missed') return this.missed(one, more, query);
    if (kind === 'interactions') return this.interactions(method, one, more, query, body);
    if (kind === 'calls' && one === '' && method === 'POST') return this.dial(body);
    if (kind === 'contacts' || kind === 'companies') {
      const version = /"(\d+)"/.exec(request.headers['if-match'] ?? '')?.[1];
      return answerCards(office, kind, method, one, query, body, version === undefined ? null : Number(version));
    }
    if (kind === 'recordings') return answerRecordings(office, one, more, query);
    const handled = kind === 'calls' && method === 'POST' && more !== undefined ? this.transfers.answer(this.user, one, more, body) : null;
    if (handled) return handled;
    if (kind === 'calls' && more === 'hangup') {
      const call = office.calls.get(one);
      return call ? { status: 202, body: call } : GONE;
    }
    return GONE;
  }

  private dial(body: Record<string, unknown>): Answer {
    const { lines } = this.office;
    if (lines.length > 1 && body['line_id'] === null) {
      const asking = problem(409, 'there are several lines; choose one');
      return { status: 409, body: { ...(asking.body as object), field: 'line_id', choices: lines } };
    }
    const call = this.office.dial(String(body['to']));
    return { status: 202, body: { call_id: call.callId, interaction_id: call.interactionId } };
  }

  private missed(one: string, more: string | undefined, query: URLSearchParams): Answer {
    const { office } = this;
    if (one === '') {
      const items = [...office.missed.values()].filter(({ state }) => state === query.get('state'));
      return ok({ items, total: items.length, next: null });
    }
    const item = office.missed.get(one);
    if (!item) return GONE;
    if (more === 'claim') {
      if (item.state === 'closed' || (item.owner_id !== null && item.owner_id !== ANNA.id)) return problem(409, 'a colleague has it');
      return ok(office.tellMissed({ ...item, state: 'claimed', owner_id: ANNA.id }));
    }
    return ok(office.tellMissed({ ...item, state: 'closed', closed_by: ANNA.id }));
  }

  private interactions(method: string, one: string, more: string | undefined, query: URLSearchParams, body: Record<string, unknown>): Answer {
    const { office } = this;
    if (one === '') return ok(list([...office.interactions.values()].filter(inSlice(query, waitsOf(office.missed.values()))), query, (it, company) => office.contacts.some(({ id, company_id }) => id === it.contact_id && company_id === company)));
    const interaction = office.interactions.get(one);
    if (!interaction) return GONE;
    if (method === 'PATCH') return ok(office.amend(one, body as Partial<Interaction>));
    if (more === 'recorded-sessions') return ok({ items: this.office.recordedSessions.get(one) ?? [] });
    return more === 'explain' ? ok(explain(interaction)) : ok(interaction);
  }

  private play(recording: string, request: IncomingMessage, response: ServerResponse): void {
    const state = this.office.recordings.get(recording)?.state;
    if (state === undefined || state === 'recording') {
      response.writeHead(state === undefined ? 404 : 409).end();
      return;
    }
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const from = Number(range?.[1] ?? 0);
    const until = range?.[2] ? Number(range[2]) : this.media.length - 1;
    this.firstBytes.push(from);
    const part = this.media.subarray(from, until + 1);
    const headers = { 'Content-Type': 'audio/wav', 'Accept-Ranges': 'bytes', 'Cache-Control': 'no-store', 'Content-Length': part.length };
    if (range) response.writeHead(206, { ...headers, 'Content-Range': `bytes ${String(from)}-${String(until)}/${String(this.media.length)}` });
    else response.writeHead(200, headers);
    response.end(part);
  }

  private file(path: string, response: ServerResponse): void {
    const file = join(DIST, path);
    const known = file.startsWith(DIST) && extname(path) !== '' && existsSync(file);
    const name = known ? file : join(DIST, 'index.html');
    response.writeHead(200, { 'Content-Type': KINDS[extname(name)] ?? 'application/octet-stream' });
    response.end(readFileSync(name));
  }
}

async function read(request: IncomingMessage): Promise<Record<string, unknown>> {
  const parts: Buffer[] = [];
  try {
    for await (const part of request) parts.push(part as Buffer);
  } catch {
    return {};
  }
  const text = Buffer.concat(parts).toString();
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

function list(all: Interaction[], query: URLSearchParams, isOf: (one: Interaction, company: string) => boolean): { items: Interaction[]; total: number; next: string | null } {
  const number = query.get('number');
  const fits = all
    .filter((one) => query.get('outcome') === null || one.outcome === query.get('outcome'))
    .filter((one) => query.get('contact_id') === null || one.contact_id === query.get('contact_id'))
    .filter((one) => query.get('company_id') === null || isOf(one, query.get('company_id') ?? ''))
    .filter((one) => query.get('from') === null || one.started_at >= (query.get('from') ?? ''))
    .filter((one) => query.get('recorded') !== 'true' || one.recording_ids.length > 0)
    .filter((one) => number === null || one.caller_number === number)
    .sort(sorting(query, (one) => one.started_at, (one) => one.talk_ms));
  const start = Number(query.get('cursor') ?? 0);
  const end = start + Number(query.get('limit') ?? 50);
  return { items: fits.slice(start, end), total: fits.length, next: end < fits.length ? String(end) : null };
}

function explain(interaction: Interaction): object {
  const at = (ms: number): string => new Date(Date.parse(interaction.started_at) + ms).toISOString();
  const said = (ms: number, key: string, params: Record<string, string>, text: string, leg_id: string | null = null): object => ({ at: at(ms), source: 'sip', leg_id, key, params, text });
  const answered = interaction.outcome === 'answered';
  const sentences = [
    said(0, 'leg_offered', { number: interaction.caller_number ?? 'withheld' }, 'The line was called.', 'customer'),
    said(3, 'routed', { user: ANNA.id, devices: '2' }, 'The line has an owner.'),
    said(9, 'contact_looked_up', { candidates: '1' }, 'The number fits contacts: 1.'),
    said(20, 'leg_dialled', {}, 'A device was dialled.'),
    said(240, 'leg_progressed', { status: '180' }, 'The device rings.'),
    ...(answered
      ? [
          said(6_000, 'leg_answered', {}, 'It was answered.', 'agent'),
          said(6_005, 'leg_answered', {}, 'It was answered.', 'customer'),
          said(6_010, 'dialog_recorded', {}, 'The dialog was recorded.'),
          said(6_020, 'bridged', {}, 'Connected.'),
          said(6_030, 'recording_opened', {}, 'The recording began.'),
          said(193_000, 'leg_ended', { by: 'its party hung up' }, 'The leg ended.', 'customer'),
          said(193_100, 'leg_ended', { by: 'the server ended it' }, 'The leg ended.', 'agent'),
          said(193_200, 'recording_closed', { duration_ms: '187000' }, 'The recording is complete.'),
        ]
      : [said(6_000, 'leg_cancelled', { by: 'the caller gave up' }, 'The leg was cancelled.', 'customer')]),
    said(193_500, 'invented_later', {}, 'A sentence this page does not know.'),
  ];
  return { interaction_id: interaction.id, sentences, outcome: interaction.outcome, rule: answered ? 'connected' : 'caller_left', verdict: 'In English.' };
}
