import type { Message } from '../message.ts';

export const people = {
  'panel.elsewhere.by': 'With {who}',
  'missed.taken.by': '{who} has it',
} as const satisfies Record<string, Message>;
