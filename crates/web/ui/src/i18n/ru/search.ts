import type { search as words } from '../en/search.ts';
import type { Message } from '../message.ts';

export const search: Record<keyof typeof words, Message> = {
  'search.field': 'Искать везде: имя, компания, номер',
  'search.open': 'Поиск',
  'search.close': 'Закрыть поиск',
  'search.found': 'Найдено',
  'search.contacts': 'Контакты',
  'search.companies': 'Компании',
  'search.calls': 'Звонки',
  'search.all.contacts': {
    one: 'Показать {count} контакт',
    few: 'Показать все {count} контакта',
    many: 'Показать все {count} контактов',
    other: 'Показать все {count} контакта',
  },
  'search.all.companies': {
    one: 'Показать {count} компанию',
    few: 'Показать все {count} компании',
    many: 'Показать все {count} компаний',
    other: 'Показать все {count} компании',
  },
  'search.all.calls': 'Больше звонков в истории',
  'search.nothing': 'Ничего не нашлось. Попробуйте часть имени или номер в любом виде.',
  'search.failed': 'Поиск не сработал. Продолжайте печатать или попробуйте чуть позже.',
};
