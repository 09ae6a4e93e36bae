import type { live as words } from '../en/live.ts';
import type { Message } from '../message.ts';

export const live: Record<keyof typeof words, Message> = {
  'nav.live': 'Сейчас',
  'doing.talking': 'Разговор',
  'doing.ringing': 'Звонит',
  'doing.idle': 'Не в разговоре',
  'doing.lineless': 'Нет линии',
  'live.missed': 'Пропущенные ждут',
  'live.people': 'Сотрудники',
  'live.lines': 'Линии',
  'live.lines.well': { one: 'Все линии зарегистрированы: {count}.', few: 'Все линии зарегистрированы: {count}.', many: 'Все линии зарегистрированы: {count}.', other: 'Все линии зарегистрированы: {count}.' },
  'live.lines.none': 'Линий пока нет. Администратор добавит их в настройках.',
  'live.line.failed': '{name}: не зарегистрирована с {since}. Звонки на неё не доходят.',
  'live.line.trying': '{name}: регистрируется с {since}.',
  'live.line.new': '{name}: ещё не зарегистрирована.',
  'live.others': 'Звонки без сотрудника',
  'live.since': 'С {time}',
  'live.more': { one: 'ещё {count} звонок', few: 'ещё {count} звонка', many: 'ещё {count} звонков', other: 'ещё {count} звонка' },
};
