import { expect, test } from 'vitest';
import { EMPTY, isOver, isRecording, livePops, reduce } from '../../src/lib/state.ts';
import type { DeskState } from '../../src/lib/state.ts';
import { parseFrame } from '../../src/lib/wire.ts';
import type { StateFrame } from '../../src/lib/wire.ts';
import { ME, call, numbered, pop, snapshot } from '../fixtures.ts';

const fold = (...frames: StateFrame[]): DeskState => frames.reduce(reduce, EMPTY);
const shown = numbered(2, { type: 'pop.shown', data: pop() });

test('nothing is taken in before the first snapshot', () => {
  expect(fold(shown)).toBe(EMPTY);
});

test('a duplicate frame changes nothing', () => {
  const once = fold(snapshot(1), shown);
  expect(reduce(once, shown)).toBe(once);
});

test('a frame with a lower number changes nothing, whatever its time', () => {
  const after = fold(snapshot(1), numbered(9, { type: 'pop.shown', data: pop() }));
  expect(reduce(after, numbered(5, { type: 'pop.retracted', data: pop({ version: 7, state: 'ended' }) }))).toBe(after);
});

test('an older version of a pop is ignored, the highest version wins', () => {
  const state = fold(
    snapshot(1),
    numbered(2, { type: 'pop.updated', data: pop({ version: 3, lookup: 'done' }) }),
    numbered(3, { type: 'pop.shown', data: pop({ version: 1 }) }),
    numbered(4, { type: 'pop.updated', data: pop({ version: 3, lookup: 'unavailable' }) }),
  );
  expect(state.pops['pop-1']).toMatchObject({ version: 3, lookup: 'done' });
  expect(state.seq).toBe(4);
});

test('a withdrawn pop never comes back', () => {
  const state = fold(
    snapshot(1),
    shown,
    numbered(3, { type: 'pop.retracted', data: pop({ version: 2, state: 'elsewhere' }) }),
    numbered(4, { type: 'pop.updated', data: pop({ version: 3, state: 'ringing' }) }),
  );
  expect(livePops(state, ME)).toEqual([]);
  expect(state.pops['pop-1']?.state).toBe('elsewhere');
});

test.each(['elsewhere', 'missed', 'ended'] as const)('a pop that is %s is withdrawn', (over) => {
  const state = fold(snapshot(1), shown, numbered(3, { type: 'pop.retracted', data: pop({ version: 2, state: over }) }));
  expect(livePops(state, ME)).toEqual([]);
  expect(isOver(pop({ state: over }))).toBe(true);
});

test('a snapshot replaces everything, also of a new epoch with lower numbers', () => {
  const before = fold(
    snapshot(1, { missed_open: 3 }),
    shown,
    numbered(8, { type: 'call.ringing', data: call() }),
    numbered(9, { type: 'recording.started', data: { recording_id: 'r', interaction_id: 'i', call_id: 'call-1', user_id: ME, state: 'recording' } }),
  );
  const fresh = snapshot(4, { pops: [pop({ pop_id: 'pop-2', call_id: 'call-2' })] }, 'other');
  expect(reduce(before, fresh)).toEqual(reduce(EMPTY, fresh));
});

test('a frame of another epoch without its snapshot is no part of the state', () => {
  const state = fold(snapshot(1), shown);
  expect(reduce(state, numbered(50, { type: 'pop.retracted', data: pop({ version: 2, state: 'missed' }) }, 'other'))).toBe(state);
});

test('an unknown type only moves the cursor', () => {
  const frame = parseFrame('{"type":"quality.measured","cursor":"e:7","seq":7,"timestamp":"2026-01-01T00:00:00.000Z","data":{"x":1}}');
  const before = fold(snapshot(1), shown);
  const after = reduce(before, frame as StateFrame);
  expect(after).toEqual({ ...before, cursor: 'e:7', seq: 7 });
});

test('what is no frame is refused by the reader', () => {
  for (const text of ['', 'null', '[]', '{"type":1}', '{"type":"pop.shown"}', '{"type":"snapshot","cursor":"e:1","seq":1,"data":null}']) {
    expect(parseFrame(text), text).toBeNull();
  }
});

test('the talk stands before what rings, and pops of others are not mine', () => {
  const state = fold(
    snapshot(1, { pops: [pop({ pop_id: 'a' }), pop({ pop_id: 'b', state: 'mine' }), pop({ pop_id: 'c', user_id: 'other' })] }),
  );
  expect(livePops(state, ME).map(({ pop_id }) => pop_id)).toEqual(['b', 'a']);
});

test('a call is recorded from the start of its recording to the end', () => {
  const view = { recording_id: 'r', interaction_id: 'i', call_id: 'call-1', user_id: ME, state: 'recording' } as const;
  const during = fold(snapshot(1, { calls: [call({ state: 'answered' })] }), numbered(2, { type: 'recording.started', data: view }));
  expect(isRecording(during, 'call-1')).toBe(true);
  const after = reduce(during, numbered(3, { type: 'recording.finished', data: { ...view, state: 'finished' } }));
  expect(isRecording(after, 'call-1')).toBe(false);
});

test('the end of a call takes it away', () => {
  const state = fold(snapshot(1, { calls: [call()] }), numbered(2, { type: 'call.ended', data: call({ state: 'ended' }) }));
  expect(state.calls).toEqual({});
});

test('a day of withdrawn pops does not grow the state', () => {
  let state = fold(snapshot(0));
  for (let i = 1; i <= 400; i += 1) {
    const of = { pop_id: `pop-${String(i)}`, call_id: `call-${String(i)}` };
    state = reduce(state, numbered(i * 2, { type: 'pop.shown', data: pop(of) }));
    state = reduce(state, numbered(i * 2 + 1, { type: 'pop.retracted', data: pop({ ...of, version: 2, state: 'ended' }) }));
  }
  expect(Object.keys(state.pops).length).toBeLessThanOrEqual(20);
  expect(Object.keys(state.shownAt).length).toBeLessThanOrEqual(20);
});
