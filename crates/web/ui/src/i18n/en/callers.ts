import type { Message } from '../message.ts';

/** Who calls, as a person says it: one of several, somebody new, somebody known by another number. */
export const callers = {
  'caller.new_at': 'Someone new at {company}',
  'caller.new': 'Someone new',
  'caller.none': 'None of these',
  'caller.none.why': 'You said: none of these',
  'caller.unsaved': 'Not saved. Try again.',
  'caller.back': 'Back to the list',
  'caller.known': 'I know who this is',
  'caller.search': 'Name or another number',
  'caller.known.hint': 'The number is added to the contact, and the earlier calls with it.',
  'caller.known.failed': 'Not saved: the contact could not be changed. Choose it again.',
} satisfies Record<string, Message>;
