import type { Message } from '../message.ts';

/** Everybody's own settings. */
export const own = {
  'own.password': 'Password',
  'own.password.old': 'Old password',
  'own.password.new': 'New password',
  'own.password.again': 'New password once more',
  'own.password.change': 'Change password',
  'own.password.changed': 'Changed. You stay logged in here; everywhere else you have been logged out.',
  'own.password.wrong': 'This is not your password.',
  'own.password.short': 'At least 8 characters.',
  'own.password.differs': 'The two are not the same.',
  'own.password.locked': 'Too many wrong passwords. Try again in 15 minutes at the latest.',
  'own.password.failed': 'The password was not changed. Try again.',

  'own.sessions': 'Where you are logged in',
  'own.sessions.this': 'This browser',
  'own.sessions.on': '{browser}, {system}',
  'own.sessions.other': 'Another program',
  'own.sessions.since': 'Logged in {time}',
  'own.sessions.end': 'Log out',
  'own.sessions.end.long': 'Log out there: {what}, {source}',
  'own.sessions.others': 'Log out everywhere else',
  'own.sessions.only': 'Only here.',
  'own.sessions.unread': 'The list could not be loaded.',
  'own.sessions.failed': 'That did not work. Try again.',

  'own.browser': 'This browser',
  'own.browser.hint': 'These settings are kept in this browser.',
} as const satisfies Record<string, Message>;
