import type { own as english } from '../en/own.ts';
import type { Message } from '../message.ts';

export const own: Record<keyof typeof english, Message> = {
  'own.password': 'Пароль',
  'own.password.old': 'Старый пароль',
  'own.password.new': 'Новый пароль',
  'own.password.again': 'Новый пароль ещё раз',
  'own.password.change': 'Сменить пароль',
  'own.password.changed': 'Пароль сменён. Здесь вы остаётесь в системе, на остальных устройствах нужно войти заново.',
  'own.password.wrong': 'Это не ваш пароль.',
  'own.password.short': 'Не короче 8 знаков.',
  'own.password.differs': 'Пароли не совпадают.',
  'own.password.locked': 'Слишком много неверных паролей. Попробуйте снова самое позднее через 15 минут.',
  'own.password.failed': 'Пароль не сменился. Попробуйте ещё раз.',

  'own.sessions': 'Где вы вошли',
  'own.sessions.this': 'Этот браузер',
  'own.sessions.on': '{browser} на {system}',
  'own.sessions.other': 'Другая программа',
  'own.sessions.since': 'Вход: {time}',
  'own.sessions.end': 'Выйти',
  'own.sessions.end.long': 'Выйти там: {what}, {source}',
  'own.sessions.others': 'Выйти на всех остальных',
  'own.sessions.only': 'Только здесь.',
  'own.sessions.unread': 'Не удалось загрузить список.',
  'own.sessions.failed': 'Не получилось. Попробуйте ещё раз.',

  'own.browser': 'Этот браузер',
  'own.browser.hint': 'Эти настройки хранятся в этом браузере.',
};
