import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { EventStream } from '../../src/lib/events.ts';
import type { Connection, Socket, StreamOptions } from '../../src/lib/events.ts';
import type { StateFrame } from '../../src/lib/wire.ts';
import { numbered, pop, snapshot } from '../fixtures.ts';

let server: WebSocketServer;
let url: string;
let urls: string[];
let frames: StateFrame[];
let connections: Connection[];
let logIns: number;
let stream: EventStream;

const say = (socket: WebSocket, ...said: object[]): void => said.forEach((frame) => socket.send(JSON.stringify(frame)));
const hello = (epoch = 'e', heartbeat_ms = 15_000): object => ({ type: 'hello', session: 's', epoch, heartbeat_ms });
const until = (check: () => boolean): Promise<void> => vi.waitFor(() => expect(check()).toBe(true), { timeout: 5_000, interval: 5 });
const shown = (seq: number, version = seq): object => numbered(seq, { type: 'pop.shown', data: pop({ version }) });

function serve(each: (socket: WebSocket, nth: number, request: IncomingMessage) => void): void {
  server.on('connection', (socket, request) => {
    urls.push(request.url ?? '');
    each(socket, urls.length, request);
  });
}

function connect(more: Partial<StreamOptions> = {}): EventStream {
  stream = new EventStream({
    url,
    open: (address) => new WebSocket(address) as unknown as Socket,
    onFrame: (frame) => frames.push(frame),
    onConnection: (connection) => connections.push(connection),
    onLogInNeeded: () => (logIns += 1),
    firstWaitMs: 10,
    longestWaitMs: 40,
    graceMs: 1_000,
    ...more,
  });
  stream.start();
  return stream;
}

beforeEach(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  url = `ws://127.0.0.1:${String((server.address() as AddressInfo).port)}/events`;
  urls = [];
  frames = [];
  connections = [];
  logIns = 0;
});

afterEach(() => {
  stream.stop();
  for (const socket of server.clients) socket.terminate();
  server.close();
});

test('after a snapshot each frame is handed on once and in order', async () => {
  serve((socket) => say(socket, hello(), snapshot(4), shown(5), shown(5), shown(3), { type: 'new.thing' }, shown(8)));
  connect();
  await until(() => frames.some(({ seq }) => seq === 8));
  expect(frames.map(({ seq }) => seq)).toEqual([4, 5, 8]);
  expect(connections).toEqual(['online']);
});

test('a broken connection resumes with the cursor, and a blink is not shown', async () => {
  serve((socket, nth) => {
    if (nth === 1) {
      say(socket, hello(), snapshot(4), shown(5));
      setTimeout(() => socket.terminate(), 20);
    } else say(socket, hello(), shown(5), shown(6));
  });
  connect();
  await until(() => frames.some(({ seq }) => seq === 6));
  expect(urls).toEqual(['/events', '/events?cursor=e%3A5']);
  expect(frames.map(({ seq }) => seq)).toEqual([4, 5, 6]);
  expect(connections).toEqual(['online']);
});

test('a longer absence is shown, and being back too, though nothing was missed', async () => {
  serve((socket, nth) => {
    if (nth === 1) {
      say(socket, hello(), snapshot(4));
      setTimeout(() => socket.terminate(), 10);
    } else if (nth < 4) socket.terminate();
    else say(socket, hello());
  });
  connect({ graceMs: 15, firstWaitMs: 40 });
  await until(() => connections.length === 3);
  expect(connections).toEqual(['online', 'offline', 'online']);
});

test.each([4001, 4002, 4003])('code %i asks for a log-in and stops', async (code) => {
  serve((socket) => {
    say(socket, hello());
    socket.close(code);
  });
  connect();
  await until(() => logIns === 1);
  await new Promise((resolve) => setTimeout(resolve, 80));
  expect(urls.length).toBe(1);
});

test('a frame of another epoch without a snapshot is not mixed in: everything is asked anew', async () => {
  serve((socket, nth) => {
    if (nth === 1) say(socket, hello(), snapshot(4), numbered(5, { type: 'pop.shown', data: pop() }, 'other'));
    else say(socket, hello('other'), snapshot(1, {}, 'other'));
  });
  connect();
  await until(() => frames.length === 2);
  expect(urls).toEqual(['/events', '/events']);
  expect(frames.map(({ cursor }) => cursor)).toEqual(['e:4', 'other:1']);
});

test('a refused cursor is not sent again', async () => {
  serve((socket, nth) => {
    if (nth === 1) {
      say(socket, hello(), snapshot(4));
      setTimeout(() => socket.close(4008), 10);
    } else if (nth === 2) socket.close(4004);
    else say(socket, hello(), snapshot(9));
  });
  connect();
  await until(() => frames.length === 2);
  expect(urls).toEqual(['/events', '/events?cursor=e%3A4', '/events']);
});

test('a heartbeat is answered', async () => {
  const heard: string[] = [];
  serve((socket) => {
    socket.on('message', (data: Buffer) => heard.push(data.toString()));
    say(socket, hello(), snapshot(1), { type: 'heartbeat' });
  });
  connect();
  await until(() => heard.length === 1);
  expect(JSON.parse(heard[0] ?? '')).toEqual({ type: 'heartbeat' });
});

test('a silent server is given up when the page wakes', async () => {
  serve((socket, nth) => (nth === 1 ? say(socket, hello('e', 1_000), snapshot(1)) : say(socket, hello(), shown(2))));
  connect();
  await until(() => frames.length === 1);
  vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 5_000);
  stream.wake();
  vi.restoreAllMocks();
  await until(() => frames.length === 2);
  expect(urls).toEqual(['/events', '/events?cursor=e%3A1']);
});

test('the waits between tries grow and stay below their limit', async () => {
  const waits: number[] = [];
  const real = setTimeout;
  vi.stubGlobal('setTimeout', (run: () => void, ms: number) => {
    waits.push(ms);
    return real(run, Math.min(ms, 5));
  });
  serve((socket) => socket.terminate());
  connect({ firstWaitMs: 300, longestWaitMs: 5_000, graceMs: 99_999, random: () => 1 });
  await until(() => urls.length > 7);
  vi.unstubAllGlobals();
  const tries = waits.filter((ms) => ms !== 99_999 && ms >= 300);
  expect(tries.slice(0, 7)).toEqual([300, 600, 1_200, 2_400, 4_800, 5_000, 5_000]);
});

test('nothing is sent into a closed connection', () => {
  serve(() => undefined);
  expect(connect().send({ type: 'heartbeat' })).toBe(false);
});
