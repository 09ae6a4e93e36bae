import type { people as words } from '../en/people.ts';
import type { Message } from '../message.ts';

export const people: Record<keyof typeof words, Message> = {
  'panel.elsewhere.by': 'У коллеги: {who}',
  'missed.taken.by': 'Перезванивает {who}',
};
