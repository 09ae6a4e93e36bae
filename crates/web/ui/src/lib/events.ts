// One socket to `GET /api/v1/events`: log-in by cookie, resume by cursor, heartbeats, reconnecting. What frames mean is state.ts's.

import { epochOf, parseFrame } from './wire.ts';
import type { StateFrame } from './wire.ts';

export type Connection = 'connecting' | 'online' | 'offline';

/** The part of a WebSocket that is used; the browser's and the one of tests both fit. */
export interface Socket {
  readyState: number;
  addEventListener(type: 'message', heard: (event: { data: unknown }) => void): void;
  addEventListener(type: 'close', closed: (event: { code: number }) => void): void;
  addEventListener(type: 'error', failed: () => void): void;
  send(text: string): void;
  close(): void;
}

export interface StreamOptions {
  url: string;
  /** Makes the socket. */
  open: (url: string) => Socket;
  /** Each frame once, in order, with the moment it arrived (`performance.now`). */
  onFrame: (frame: StateFrame, arrivedAt: number) => void;
  onConnection: (connection: Connection) => void;
  /** The session is over: somebody has to log in. */
  onLogInNeeded: () => void;
  random?: () => number;
  firstWaitMs?: number;
  longestWaitMs?: number;
  graceMs?: number;
}

const OPEN = 1;
const NO_LOGIN = new Set([4001, 4002, 4003]);
const PROTOCOL = 4004;
const DEFAULT_HEARTBEAT_MS = 15_000;
const SILENT_HEARTBEATS = 2.2;

export class EventStream {
  private socket: Socket | null = null;
  private cursor: string | null = null;
  private lastSeq = -1;
  private tries = 0;
  private heartbeatMs = DEFAULT_HEARTBEAT_MS;
  private heardAt = 0;
  private stopped = true;
  private connection: Connection = 'connecting';
  private retry: ReturnType<typeof setTimeout> | undefined;
  private grace: ReturnType<typeof setTimeout> | undefined;
  private watch: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly options: StreamOptions) {}

  start(): void {
    this.stopped = false;
    this.watch = setInterval(() => this.checkSilence(SILENT_HEARTBEATS), 5_000);
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.retry);
    clearTimeout(this.grace);
    clearInterval(this.watch);
    this.drop();
  }

  /** Sends an object when connected and tells whether it left. */
  send(frame: object): boolean {
    if (this.socket?.readyState !== OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  /** The page woke up or the network came back: no more waiting. */
  wake(): void {
    if (this.stopped) return;
    if (this.socket) this.checkSilence(1.2);
    else this.connect();
  }

  /** The network went away: the old socket may hang for minutes, so it is given up. */
  networkLost(): void {
    if (this.stopped || !this.socket) return;
    this.drop();
    this.lost();
  }

  private connect(): void {
    clearTimeout(this.retry);
    if (this.stopped) return;
    const query = this.cursor === null ? '' : `?cursor=${encodeURIComponent(this.cursor)}`;
    let socket: Socket;
    try {
      socket = this.options.open(this.options.url + query);
    } catch {
      this.lost();
      return;
    }
    this.socket = socket;
    this.heardAt = performance.now();
    socket.addEventListener('message', (event) => this.heard(socket, event.data));
    socket.addEventListener('close', (event) => this.closed(socket, event.code));
    // The close that follows says everything; some sockets throw an error that nobody hears.
    socket.addEventListener('error', () => undefined);
  }

  private heard(socket: Socket, data: unknown): void {
    if (socket !== this.socket || typeof data !== 'string') return;
    const arrivedAt = performance.now();
    this.heardAt = arrivedAt;
    const frame = parseFrame(data);
    if (frame === null) return;
    switch (frame.type) {
      case 'hello':
        if (frame.heartbeat_ms >= 1_000) this.heartbeatMs = frame.heartbeat_ms;
        // With a cursor of this epoch only what was missed follows, perhaps nothing: this is the moment of being back.
        if (this.cursor !== null && epochOf(this.cursor) === frame.epoch) this.online();
        return;
      case 'heartbeat':
        this.send({ type: 'heartbeat' });
        this.online();
        return;
      case 'snapshot':
        this.place(frame.cursor, frame.seq);
        this.options.onFrame(frame, arrivedAt);
        this.online();
        return;
      default:
        this.event(frame, arrivedAt);
    }
  }

  private event(frame: Exclude<StateFrame, { type: 'snapshot' }>, arrivedAt: number): void {
    if (this.cursor === null || epochOf(this.cursor) !== epochOf(frame.cursor)) {
      // A frame of another numbering without its snapshot would make a mixture: everything anew.
      this.cursor = null;
      this.drop();
      this.lost();
      return;
    }
    if (frame.seq <= this.lastSeq) return;
    this.place(frame.cursor, frame.seq);
    this.options.onFrame(frame, arrivedAt);
    this.online();
  }

  private place(cursor: string, seq: number): void {
    this.cursor = cursor;
    this.lastSeq = seq;
  }

  private online(): void {
    this.tries = 0;
    clearTimeout(this.grace);
    this.grace = undefined;
    this.tell('online');
  }

  private closed(socket: Socket, code: number): void {
    if (socket !== this.socket) return;
    this.socket = null;
    if (NO_LOGIN.has(code)) {
      this.stop();
      this.options.onLogInNeeded();
      return;
    }
    if (code === PROTOCOL) this.cursor = null;
    this.lost();
  }

  private lost(): void {
    if (this.stopped) return;
    const { firstWaitMs = 300, longestWaitMs = 5_000, random = Math.random, graceMs = 1_000 } = this.options;
    const ceiling = Math.min(longestWaitMs, firstWaitMs * 2 ** this.tries);
    this.tries += 1;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.connect(), ceiling / 2 + (random() * ceiling) / 2);
    // A blink of the network is nobody's business; only a longer absence is shown.
    this.grace ??= setTimeout(() => this.tell('offline'), graceMs);
  }

  private checkSilence(heartbeats: number): void {
    if (this.socket && performance.now() - this.heardAt > this.heartbeatMs * heartbeats) {
      this.drop();
      this.lost();
    }
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  private tell(connection: Connection): void {
    if (connection === this.connection) return;
    this.connection = connection;
    this.options.onConnection(connection);
  }
}
