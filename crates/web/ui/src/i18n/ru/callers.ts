import type { callers as words } from '../en/callers.ts';
import type { Message } from '../message.ts';

export const callers: Record<keyof typeof words, Message> = {
  'caller.new_at': 'Новый человек из {company}',
  'caller.new': 'Новый человек',
  'caller.none': 'Никто из них',
  'caller.none.why': 'Вы указали: никто из них',
  'caller.unsaved': 'Не сохранилось. Попробуйте ещё раз.',
  'caller.back': 'Назад к списку',
  'caller.known': 'Я знаю, кто это',
  'caller.search': 'Имя или другой номер',
  'caller.known.hint': 'Номер добавится в контакт, а с ним и прежние звонки.',
  'caller.known.failed': 'Не сохранилось: контакт не удалось изменить. Выберите его ещё раз.',
};
