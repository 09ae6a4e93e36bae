// Who is in the fake office: short names, long ones, and one that tries to be markup.

import type { Candidate, Company, Contact, Level, Person, PhoneNumber, User } from '../../../src/lib/wire.ts';

export const ANNA: User = { id: 'user-anna', login: 'anna', name: 'Анна Соколова', role: 'agent', extension: '201' };
/** Everybody who works here. */
export const STAFF: Person[] = [
  { id: ANNA.id, name: ANNA.name },
  { id: 'user-olga', name: 'Ольга Вознесенская' },
  { id: 'user-gleb', name: 'Глеб Константинопольский-Задунайский' },
  { id: 'user-ivan', name: 'Иван <b>Ким</b>' },
  { id: 'user-long', name: 'Вениамин-Аристарх Преображенский-Заболоцкий' },
];
export const PASSWORD = 'a long password';

const number = (e164: string, label: string | null = null): PhoneNumber => ({ number: e164, e164, extension: null, label });

function company(id: string, name: string, more: Partial<Company> = {}): Company {
  return { id, name, numbers: [], region: null, industry: null, notes: null, custom: {}, contact_count: 0, created_at: '2026-03-02T08:00:00.000Z', version: 1, ...more };
}

export const COMPANIES: Company[] = [
  company('volga', 'ООО «Волга-Сервис»', { numbers: [number('+78312123456', 'main')], region: 'Нижний Новгород', industry: 'Ремонт лифтов' }),
  company('long', 'Федеральное государственное бюджетное учреждение «Центральная научно-исследовательская лаборатория водоснабжения»', {
    notes: 'Платят по договору, раз в квартал.',
  }),
];

function contact(id: string, name: string, numbers: PhoneNumber[], more: Partial<Contact> = {}): Contact {
  return {
    id,
    name,
    company_id: null,
    company_name: null,
    responsible_id: null,
    numbers,
    emails: [],
    source: null,
    region: null,
    industry: null,
    notes: null,
    custom: {},
    created_at: '2026-05-12T09:30:00.000Z',
    version: 1,
    ...more,
  };
}

export const MARIA = contact('maria', 'Мария Иванова', [number('+78312123456', 'work'), number('+79161234567', 'mobile')], {
  company_id: 'volga',
  responsible_id: ANNA.id,
  emails: ['maria.ivanova@volga-service.example'],
  source: 'Сайт',
  notes: 'Предпочитает звонки до обеда.\nДоговор № 48/2, лифты на Ильинской.',
});
export const LONG = contact('long', 'Константин-Александр Христорождественский-Воздвиженский', [number('+79035550123', 'mobile')], {
  company_id: 'long',
});
export const HOSTILE = contact('hostile', '<img src=x onerror=alert(1)>', [number('+74957654321', '<b>work</b>')]);
const colleague = (id: string, name: string, extension: string): Contact =>
  contact(id, name, [{ number: `+7 831 212-34-56 доб. ${extension}`, e164: '+78312123456', extension, label: 'work' }], { company_id: 'volga' });
export const COLLEAGUES = [
  colleague('petr', 'Пётр Сергеев', '12'),
  colleague('olga', 'Ольга Лебедева', '14'),
  colleague('gleb', 'Глеб Христорождественский-Воздвиженский', '7'),
];

export const CONTACTS: Contact[] = [MARIA, LONG, HOSTILE, ...COLLEAGUES];

export function candidateOf(of: Contact, level: Level, reasons: string[]): Candidate {
  const company_name = COMPANIES.find(({ id }) => id === of.company_id)?.name ?? null;
  return { contact: { id: of.id, name: of.name, company_name, responsible_id: of.responsible_id }, level, score: 0.9, reasons };
}

export const KNOWN = [
  candidateOf(MARIA, 'exact', [
    "The number is this contact's.",
    'The called user is responsible for this contact.',
    'Days since the last talk: 3.',
  ]),
];
export const LONG_KNOWN = [candidateOf(LONG, 'exact', ["The number is this contact's."])];
export const SWITCHBOARD = [MARIA, ...COLLEAGUES].map((of) =>
  candidateOf(of, 'company', [
    'Several contacts of the company have this number.',
    ...of.numbers.flatMap(({ extension }) => (extension === null ? [] : [`The contact is behind this number at extension ${extension}.`])),
    ...(of === MARIA ? ['The called user is responsible for this contact.'] : []),
  ]),
);
