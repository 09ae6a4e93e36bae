import type { Message } from '../message.ts';

/** What all lists offer: order, columns, file, and a change for many at once. */
export const listing = {
  'order.title': 'Order',
  'order.newest': 'Newest first',
  'order.oldest': 'Oldest first',
  'order.longest': 'Longest first',
  'order.shortest': 'Shortest first',
  'order.name': 'By name',
  'list.export': 'CSV',
  'list.export.long': 'Download what is shown as a CSV table',

  'columns.title': 'Columns',
  'columns.left': 'No room in this window: {names}',
  'column.name': 'Name',
  'column.numbers': 'Numbers',
  'column.line': 'Line',
  'column.direction': 'Direction',
  'column.note': 'Note',
  'column.marks': 'Marks',
  'column.created': 'Added',

  'bulk.title': 'Selected contacts',
  'bulk.select': 'Select {name}',
  'bulk.select.all': 'Select all that are shown',
  'bulk.selected': { one: '{count} selected', other: '{count} selected' },
  'bulk.all': { one: 'Select {count} shown', other: 'Select all {count} shown' },
  'bulk.running': 'Changing: {done} of {of}',
  'bulk.assign': 'Set responsible',
  'bulk.export.long': 'Download the selected ones as a CSV table',
  'bulk.clear': 'Clear',
  'bulk.delete': { one: 'Delete {count} contact?', other: 'Delete {count} contacts?' },
  'bulk.delete.text': '{names}. The contacts and their numbers are deleted for everybody. Calls and recordings stay in the history.',
  'bulk.delete.more': { one: 'and {count} more', other: 'and {count} more' },
  'bulk.done.responsible': { one: '{count} contact changed.', other: '{count} contacts changed.' },
  'bulk.done.deleted': { one: '{count} contact deleted.', other: '{count} contacts deleted.' },
  'bulk.stale': {
    one: 'A colleague has just changed {count} contact: look at it again and repeat.',
    other: 'Colleagues have just changed {count} contacts: look at them again and repeat.',
  },
  'bulk.forbidden': { one: 'You may not change {count} contact.', other: 'You may not change {count} contacts.' },
  'bulk.gone': { one: '{count} contact had been deleted already.', other: '{count} contacts had been deleted already.' },
  'bulk.refused': { one: 'The server refused the change of {count} contact.', other: 'The server refused the change of {count} contacts.' },
  'bulk.failed': {
    one: 'The server did not answer: {count} contact is unchanged. Try again.',
    other: 'The server did not answer: {count} contacts are unchanged. Try again.',
  },
} as const satisfies Record<string, Message>;
