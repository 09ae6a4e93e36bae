import type { Message } from '../message.ts';

export const live = {
  'nav.live': 'Live',
  'doing.talking': 'Talking',
  'doing.ringing': 'Ringing',
  'doing.idle': 'Not in a call',
  'doing.lineless': 'No line',
  'live.missed': 'Missed, waiting',
  'live.people': 'People',
  'live.lines': 'Lines',
  'live.lines.well': { one: '{count} line, registered.', other: 'All {count} lines are registered.' },
  'live.lines.none': 'No lines yet. An administrator adds them in the settings.',
  'live.line.failed': '{name}: not registered since {since}. Calls to it do not arrive.',
  'live.line.trying': '{name}: being registered since {since}.',
  'live.line.new': '{name}: not registered yet.',
  'live.others': 'Calls of nobody on the list',
  'live.since': 'Since {time}',
  'live.more': { one: '{count} more call', other: '{count} more calls' },
} as const satisfies Record<string, Message>;
