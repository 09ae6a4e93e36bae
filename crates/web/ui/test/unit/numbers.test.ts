import { expect, test } from 'vitest';
import { customerNumber, firstNumber } from '../../src/lib/say.svelte.ts';
import { interaction } from '../fixtures.ts';

test('a customer who was put through is known by the own number', () => {
  const put = interaction({ caller_number: '101', caller_dialled: '101', customer_number: '+79161234567' });
  expect([firstNumber(put), customerNumber(put)]).toEqual(['101', '+79161234567']);
  const asked = interaction({ direction: 'outbound', caller_number: '+74951234501', callee_number: '102', customer_number: '+79161234567' });
  expect([firstNumber(asked), customerNumber(asked)]).toEqual(['102', '+79161234567']);
  expect(customerNumber(interaction({ caller_number: '101', customer_number: null })), 'saved by an earlier version').toBe('101');
});
