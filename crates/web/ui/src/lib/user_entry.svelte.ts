// What is typed about a user, new or changed.

import { t } from '../i18n/index.svelte.ts';
import type { ApiError } from './api.ts';
import { Entry, orNull } from './entry.svelte.ts';
import type { Account, Ring, Role, UserDraft } from './wire.ts';

export interface Typed {
  name: string;
  login: string;
  role: Role;
  password: string;
  extension: string;
  ring: Ring;
  seconds: string;
  waiting: 'no' | 'yes';
}

const EMPTY: Typed = { name: '', login: '', role: 'agent', password: '', extension: '', ring: 'together', seconds: '20', waiting: 'no' };
const PASSWORD_MIN = 8;

function typedOf({ name, login, role, extension, ring, ring_timeout_ms, allow_call_waiting }: Account): Typed {
  return {
    ...{ name, login, role, ring, password: '' },
    extension: extension ?? '',
    seconds: String(ring_timeout_ms / 1000),
    waiting: allow_call_waiting ? 'yes' : 'no',
  };
}

export class UserEntry extends Entry<Typed> {
  constructor(private readonly user: Account | null) {
    super(`user.${user?.id ?? 'new'}`, user ? typedOf(user) : { ...EMPTY }, 'password');
  }

  /** It is saved, or given up: the form shows what the user is now. */
  settle(user: Account | null): void {
    this.become(user ? typedOf(user) : { ...EMPTY });
  }

  protected objection({ status, field }: ApiError): string {
    if (status !== 409) return t('form.wrong');
    return field === 'role' ? t('user.last') : t('user.taken');
  }

  protected fault(field: keyof Typed): string | null {
    const text = this.typed[field].trim();
    switch (field) {
      case 'login':
        return text === '' ? t('form.empty') : null;
      case 'password':
        if (this.user !== null && this.typed.password === '') return null;
        return this.typed.password.length < PASSWORD_MIN ? t('user.wrong.password') : null;
      case 'extension':
        return /^\d{0,16}$/.test(text) ? null : t('user.wrong.extension');
      case 'seconds':
        return /^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 600 ? null : t('user.wrong.timeout');
      default:
        return null;
    }
  }

  get draft(): UserDraft {
    const { name, login, role, extension, ring, seconds, waiting } = this.typed;
    return {
      ...{ login: login.trim(), role, ring },
      name: orNull(name) ?? login.trim(),
      extension: orNull(extension),
      ring_timeout_ms: Number(seconds) * 1000,
      allow_call_waiting: waiting === 'yes',
    };
  }

  /** What is changed of a user; an empty password keeps the old one. */
  get patch(): Partial<UserDraft> & { password?: string } {
    const sent: Record<keyof Typed, keyof UserDraft | null> = {
      ...{ name: 'name', login: 'login', role: 'role', extension: 'extension', ring: 'ring', password: null },
      ...{ seconds: 'ring_timeout_ms', waiting: 'allow_call_waiting' },
    };
    const { draft } = this;
    const names = this.changed.map((field) => sent[field]).filter((name) => name !== null);
    const patch: Partial<UserDraft> = Object.fromEntries(names.map((name) => [name, draft[name]]));
    return { ...patch, ...(this.typed.password === '' ? {} : { password: this.typed.password }) };
  }
}
