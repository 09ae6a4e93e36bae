// What an administrator changes and sees at the fake server beside lines: users, the audit, how the server stands; and
// everybody's own sessions.

import type { Account, AuditRow, Device, NewPhone, OpenSession, OwnPhone, Person, ServerState, UserDraft } from '../../../src/lib/wire.ts';
import { problem } from './crm.ts';
import type { Answer } from './crm.ts';
import { id } from './office.ts';
import { ANNA, PASSWORD, STAFF } from './people.ts';

const ok = (body: unknown): Answer => ({ status: 200, body });
const GONE = problem(404, 'there is no such object');
const stamp = (agoMs: number): string => new Date(Date.now() - agoMs).toISOString();
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const BOSS: Account = account({ id: 'user-boss', login: 'boss', name: 'Ольга Начальникова', role: 'admin' });

function account(more: Partial<Account>): Account {
  return {
    ...{ id: id('user'), login: 'x', name: 'X', role: 'agent', extension: null, ring: 'together', ring_timeout_ms: 20_000 },
    ...{ allow_call_waiting: false, devices: [], version: 1, ...more },
  };
}

const phone = (uri: string): Device => ({ id: id('device'), kind: 'sip', uri });

/** Telephones that register here: one is there, one is not, one never was. */
export const DESK_PHONE: OwnPhone = {
  ...{ id: 'device-desk', kind: 'phone', name: 'На столе у окна в приёмной второго этажа', username: 'tk7m2x9qwb', last_seen: stamp(MINUTE) },
  registrations: [
    {
      ...{ contact: 'sip:tk7m2x9qwb@10.0.0.31:5060', user_agent: 'Yealink SIP-T46U 108.86.0.90', since: stamp(3 * HOUR), expires_at: stamp(-MINUTE) },
      ...{ address: '10.0.0.31:5060', transport: 'udp' },
    },
  ],
};
const AWAY_PHONE: OwnPhone = { id: 'device-away', kind: 'phone', name: null, username: 'tp4w8zc3ne', registrations: [], last_seen: stamp(2 * DAY) };
const SHOWN: NewPhone = {
  ...{ id: 'device-new', kind: 'phone', name: null, username: 'th3v9k2mxd', registrations: [], last_seen: null },
  ...{ password: 'w8dk3mzq7xhc5rtb', realm: 'linecard', server: '192.168.10.5', port: 5060, transports: ['udp', 'tcp'] },
};

const ACCOUNTS: Account[] = [
  BOSS,
  account({ ...ANNA, devices: [phone('201'), phone('sip:anna@10.0.0.21:5062'), DESK_PHONE, AWAY_PHONE], ring: 'in_order' }),
  account({ id: 'user-olga', login: 'olga', name: 'Ольга Вознесенская', extension: '202', devices: [phone('sip:a-very-long-account-name@branch-office.telephony.provider.example.net:5080')] }),
  account({ id: 'user-long', login: 'v.preobrazhensky', name: 'Вениамин-Аристарх Преображенский-Заболоцкий', role: 'supervisor' }),
];

const CHROME = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36';
const SAFARI = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1';

export function sessions(): OpenSession[] {
  const open = (more: Partial<OpenSession>, agoMs: number): OpenSession => ({
    ...{ id: id('session'), created_at: stamp(agoMs), expires_at: stamp(agoMs - DAY), source: '10.0.0.21', user_agent: CHROME, current: false },
    ...more,
  });
  return [
    open({ current: true }, 20 * MINUTE),
    open({ source: '2001:db8:85a3:1234:5678:8a2e:370:7334', user_agent: SAFARI }, 5 * HOUR),
    open({ source: '192.0.2.77', user_agent: 'curl/8.9.1' }, 20 * HOUR),
  ];
}

export function auditRows(): AuditRow[] {
  const row = (agoMs: number, action: string, user_id: string | null, login: string | null, subject: string | null = null): AuditRow => ({
    ...{ id: id('audit'), at: stamp(agoMs), action, user_id, login, subject, source: '10.0.0.21' },
  });
  return [
    row(2 * MINUTE, 'login', BOSS.id, 'boss'),
    row(3 * MINUTE, 'login_failed', null, null),
    row(4 * MINUTE, 'recording_played', 'user-olga', 'olga', 'recording-1'),
    row(HOUR, 'user_changed', BOSS.id, 'boss', ANNA.id),
    row(2 * HOUR, 'password_changed', BOSS.id, 'boss', 'user-olga'),
    row(3 * HOUR, 'line_changed', BOSS.id, 'boss', 'line-1'),
    row(4 * HOUR, 'call_dialled', ANNA.id, 'anna', 'interaction-1'),
    row(5 * HOUR, 'call_barred', ANNA.id, 'anna', '+375291234567'),
    row(DAY, 'line_checked', BOSS.id, 'boss', 'warehouse-with-a-very-long-account-name@branch-office.telephony.provider.example.net:5080'),
    row(2 * DAY, 'login_locked', 'user-of-yesterday', 'petrov'),
    row(40 * DAY, 'session_ended', 'user-long', 'v.preobrazhensky'),
  ];
}

export function sound(): ServerState {
  return {
    ...{ version: '0.1.0', started_at: stamp(3 * DAY), database: { kind: 'sqlite', state: 'ready' }, reactor: 'ready', alarms: [] },
    figures: {
      ...{ calls_live: 3, lines_registered: 5, lines_trying: 0, lines_failed: 0, signals_spooled: 0, signals_late: 0, recordings_open: 2 },
      ...{ recordings_incomplete: 0, rtp_legs: 6, rtp_legs_free: 8184, browsers_connected: 12 },
    },
  };
}

export class FakeAdmin {
  users: Account[] = ACCOUNTS;
  sessions = sessions();
  audit = auditRows();
  server = sound();
  password = PASSWORD;
  /** The bodies of what was asked of users. */
  readonly asked: { method: string; path: string; body: Record<string, unknown>; version: string | undefined }[] = [];

  answer(method: string, path: string, query: URLSearchParams, body: Record<string, unknown>, version: string | undefined): Answer | null {
    const [, kind, one = '', more] = path.split('/');
    if (path === '/session/password') return this.changePassword(body);
    if (kind === 'sessions') return this.own(method, one);
    if (kind === 'audit') return this.rows(query);
    if (kind === 'server') return ok(this.server);
    if (kind !== 'users') return null;
    this.asked.push({ method, path, body, version });
    return more === 'devices' ? this.devices(method, one, path.split('/')[4] ?? '', body) : this.people(method, one, body, version);
  }

  /** Everybody by name, as colleagues see them. */
  colleagues(): { items: Person[]; total: number; next: null } {
    const added = this.users.filter(({ id }) => STAFF.every((one) => one.id !== id)).map(({ id, name }) => ({ id, name }));
    const items = [...STAFF, ...added];
    return { items, total: items.length, next: null };
  }

  private changePassword({ old_password, new_password }: Record<string, unknown>): Answer {
    if (old_password !== this.password) return problem(403, 'this is not your password', 'old_password');
    this.password = String(new_password);
    this.sessions = this.sessions.filter(({ current }) => current);
    return { status: 204 };
  }

  private own(method: string, one: string): Answer {
    if (method === 'GET') return ok({ items: this.sessions, total: this.sessions.length, next: null });
    this.sessions = this.sessions.filter(({ id, current }) => (one === '' ? current : id !== one));
    return { status: 204 };
  }

  private rows(query: URLSearchParams): Answer {
    const is = (key: string, value: string | null): boolean => query.get(key) === null || query.get(key) === value;
    const fits = this.audit.filter(
      ({ at, user_id, action }) => is('user_id', user_id) && is('action', action) && at >= (query.get('from') ?? '') && at < (query.get('until') ?? '9'),
    );
    return ok({ items: fits, total: fits.length, next: null });
  }

  private people(method: string, one: string, body: Record<string, unknown>, version: string | undefined): Answer {
    if (method === 'GET' && one === '') return ok({ items: this.users, total: this.users.length, next: null });
    if (method === 'POST') {
      const { password: _, ...draft } = body;
      if (this.users.some(({ login }) => login === draft['login'])) return problem(409, 'login is already in use', 'login');
      const made = account(draft as Partial<UserDraft>);
      this.users = [made, ...this.users];
      return { status: 201, body: made };
    }
    const known = this.users.find((user) => user.id === one);
    if (!known) return GONE;
    if (version !== `"${String(known.version)}"`) return problem(412, 'changed meanwhile');
    const admins = this.users.filter(({ role }) => role === 'admin').length;
    const endsAdmin = method === 'DELETE' || (body['role'] ?? 'admin') !== 'admin';
    if (known.role === 'admin' && admins === 1 && endsAdmin) return problem(409, 'this is the last administrator', 'role');
    if (method === 'DELETE') {
      this.users = this.users.filter(({ id }) => id !== one);
      return { status: 204 };
    }
    const { password: _, ...patch } = body;
    return ok(this.put({ ...known, ...(patch as Partial<UserDraft>), version: known.version + 1 }));
  }

  /** Whether telephones may register here. */
  registrar = true;

  private devices(method: string, one: string, device: string, body: Record<string, unknown>): Answer {
    const known = this.users.find((user) => user.id === one);
    if (!known) return GONE;
    if (method === 'DELETE') {
      this.put({ ...known, devices: known.devices.filter(({ id }) => id !== device) });
      return { status: 204 };
    }
    const kept = known.devices.find(({ id }) => id === device);
    if (kept?.kind === 'phone') return ok({ ...SHOWN, ...kept, registrations: [], password: 'another-one-5rtb' });
    if (body['kind'] === 'phone') {
      if (!this.registrar) return { status: 409, body: { title: 'Conflict', status: 409, detail: 'off', key: 'registrar_off' } };
      const shown = { ...SHOWN, name: body['name'] as string | null };
      const { password: _, realm: __, server: ___, port: ____, transports: _____, ...own } = shown;
      this.put({ ...known, devices: [...known.devices, own] });
      return { status: 201, body: shown };
    }
    const uri = String(body['uri']);
    if (!/^(\d+|sips?:\S+)$/.test(uri)) return problem(422, 'write an extension', 'uri');
    const made = phone(uri);
    this.put({ ...known, devices: [...known.devices, made] });
    return { status: 201, body: made };
  }

  private put(user: Account): Account {
    this.users = this.users.map((one) => (one.id === user.id ? user : one));
    return user;
  }
}
