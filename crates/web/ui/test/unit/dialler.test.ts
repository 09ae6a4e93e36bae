// Why a call was not started: the server's own sentences, read from its source, become the page's words.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ApiError } from '../../src/lib/api.ts';
import { refusalOf } from '../../src/lib/dialler.svelte.ts';
import { dialStepOf } from '../../src/lib/state.ts';
import { call } from '../fixtures.ts';

const source = (path: string): string => readFileSync(fileURLToPath(new URL(`../../../../${path}`, import.meta.url)), 'utf8');
const sentence = (rust: string, variant: string): string => {
  const found = new RegExp(`#\\[error\\(\\s*"([^"]+)"\\s*\\)\\]\\s*${variant},`).exec(rust)?.[1];
  if (found === undefined) throw new Error(`no sentence for ${variant}`);
  return found;
};

test('each refusal of the server has its own words', () => {
  const barring = source('crm/src/dialling.rs');
  const port = source('web/src/port.rs');
  const dial = source('web/src/dial.rs');
  const noLine = /"(there is no line[^"]+)"/.exec(dial)?.[1] ?? '';
  expect(noLine).not.toBe('');
  const cases: [ApiError, string][] = [
    [new ApiError(403, sentence(barring, 'Denied'), 'to'), 'dial.refused.denied'],
    [new ApiError(403, sentence(barring, 'Premium'), 'to'), 'dial.refused.premium'],
    [new ApiError(403, sentence(barring, 'International'), 'to'), 'dial.refused.abroad'],
    [new ApiError(409, sentence(port, 'InAnotherCall')), 'dial.refused.in_call'],
    [new ApiError(409, sentence(port, 'NoDevice')), 'dial.refused.no_phone'],
    [new ApiError(409, noLine), 'dial.refused.no_line'],
    [new ApiError(422, 'no telephone number', 'to'), 'dial.refused.number'],
    [new ApiError(429, 'too many'), 'dial.refused.too_many'],
    [new ApiError(503, 'busy'), 'dial.refused.failed'],
    [new ApiError(0, ''), 'dial.refused.failed'],
  ];
  for (const [error, key] of cases) expect(refusalOf(error), error.message).toBe(key);
});

test('the legs tell how far a call has come', () => {
  const legs = (agent: string, customer: string) =>
    call({ direction: 'outbound', legs: [{ leg_id: 'c', party: 'customer', state: customer }, { leg_id: 'a', party: 'agent', state: agent }] });
  expect(dialStepOf(undefined)).toBe('phone');
  expect(dialStepOf(call({ direction: 'outbound', watched: true })), 'dialled on the desk phone').toBe('ringing');
  expect(dialStepOf(legs('ringing', 'offered'))).toBe('phone');
  expect(dialStepOf(legs('answered', 'offered'))).toBe('dialling');
  expect(dialStepOf(legs('answered', 'ringing'))).toBe('ringing');
});
