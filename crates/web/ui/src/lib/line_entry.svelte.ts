// What is typed about a line, new or changed: kept over a reload but for the password, and looked at field by field.

import { t } from '../i18n/index.svelte.ts';
import { ApiError } from './api.ts';
import { store, stored } from './storage.ts';
import type { DialFormat, Line, LineDraft, Transport } from './wire.ts';

export interface Typed {
  server: string;
  username: string;
  password: string;
  name: string;
  auth_username: string;
  outbound_proxy: string;
  transport: '' | Transport;
  user_id: string;
  dial_format: DialFormat;
  dial_prefix: string;
  caller_id: string;
}

export type LineField = keyof Typed;

/** Those that stand folded under "more". */
export const MORE: readonly LineField[] = ['name', 'auth_username', 'outbound_proxy', 'transport', 'user_id', 'dial_format', 'dial_prefix', 'caller_id'];
const HOSTS: readonly LineField[] = ['server', 'outbound_proxy'];
const HOST = /^[A-Za-z0-9\-._:[\]]{1,255}$/;

const EMPTY: Typed = {
  server: '',
  username: '',
  password: '',
  name: '',
  auth_username: '',
  outbound_proxy: '',
  transport: '',
  user_id: '',
  dial_format: 'plus',
  dial_prefix: '',
  caller_id: '',
};

function typedOf(line: Line): Typed {
  const { server, username, name, auth_username, outbound_proxy, transport, user_id, dial_format, dial_prefix, caller_id } = line;
  return {
    ...{ server, username, name, dial_format, password: '' },
    auth_username: auth_username ?? '',
    outbound_proxy: outbound_proxy ?? '',
    transport: transport ?? '',
    user_id: user_id ?? '',
    dial_prefix: dial_prefix ?? '',
    caller_id: caller_id ?? '',
  };
}

export class LineEntry {
  typed = $state<Typed>({ ...EMPTY });
  /** What the server or the doctor objects to. */
  private blamed = $state.raw<{ field: string; text: string; value: string } | null>(null);
  private left = $state.raw<ReadonlySet<LineField>>(new Set());
  private readonly key: string;
  private before: Typed;

  constructor(line: Line | null) {
    this.key = `line.${line?.id ?? 'new'}`;
    this.before = line ? typedOf(line) : { ...EMPTY };
    this.typed = { ...this.before, ...this.kept() };
  }

  private kept(): Partial<Typed> {
    try {
      const kept: unknown = JSON.parse(stored(this.key) ?? '{}');
      return typeof kept === 'object' && kept !== null ? (kept as Partial<Typed>) : {};
    } catch {
      return {};
    }
  }

  private get isNew(): boolean {
    return this.key === 'line.new';
  }

  /** The fields that are not as they were. */
  get changed(): LineField[] {
    return (Object.keys(EMPTY) as LineField[]).filter((field) => this.typed[field] !== this.before[field]);
  }

  keep(): void {
    const kept = this.changed.filter((field) => field !== 'password').map((field) => [field, this.typed[field]]);
    store(this.key, kept.length === 0 ? null : JSON.stringify(Object.fromEntries(kept)));
  }

  /** It is saved, or given up: the form shows what the line is now. */
  settle(line: Line | null): void {
    store(this.key, null);
    this.before = line ? typedOf(line) : { ...EMPTY };
    this.typed = { ...this.before };
    this.left = new Set();
    this.blamed = null;
  }

  /** Somebody left a field; one that is still empty may be filled in later. */
  leave(field: LineField): void {
    if (this.typed[field] === '') return;
    this.left = new Set([...this.left, field]);
  }

  blame(field: string, text: string): void {
    this.blamed = { field, text, value: this.valueOf(field) };
  }

  /** What the server refused; null when it is not about a field. */
  refused(error: unknown): string | null {
    if (!(error instanceof ApiError) || error.field === null || !(error.field in EMPTY)) return null;
    this.blame(error.field, t('line.wrong.field'));
    return error.field;
  }

  forgive(): void {
    this.blamed = null;
  }

  /** What is wrong with a field, as far as it should be said by now. */
  wrong(field: LineField): string | null {
    if (this.blamed?.field === field && this.blamed.value === this.valueOf(field)) return this.blamed.text;
    return this.left.has(field) ? this.fault(field) : null;
  }

  private valueOf(field: string): string {
    return field in EMPTY ? this.typed[field as LineField] : '';
  }

  private fault(field: LineField): string | null {
    const text = this.typed[field].trim();
    const needed = field === 'server' || field === 'username' || (field === 'password' && this.isNew);
    if (needed && text === '') return t('line.wrong.empty');
    return HOSTS.includes(field) && text !== '' && !HOST.test(text) ? t('line.wrong.server') : null;
  }

  /** Looks at every field and tells whether all can be sent. */
  check(): boolean {
    const fields = Object.keys(EMPTY) as LineField[];
    this.left = new Set(fields);
    return fields.every((field) => this.fault(field) === null);
  }

  get draft(): LineDraft {
    const { server, username, name, auth_username, outbound_proxy, transport, user_id, dial_format, dial_prefix, caller_id } = this.typed;
    const orNull = (text: string): string | null => (text.trim() === '' ? null : text.trim());
    return {
      ...{ server: server.trim(), username: username.trim(), name: name.trim(), dial_format },
      transport: transport === '' ? null : transport,
      user_id: orNull(user_id),
      auth_username: orNull(auth_username),
      outbound_proxy: orNull(outbound_proxy),
      dial_prefix: orNull(dial_prefix),
      caller_id: orNull(caller_id),
    };
  }

  /** What is changed of a line; an empty password keeps the old one. */
  get patch(): Partial<LineDraft> & { password?: string } {
    const { draft } = this;
    const changed = this.changed.filter((field): field is keyof LineDraft => field !== 'password' && (field !== 'name' || draft.name !== ''));
    const patch: Partial<LineDraft> = Object.fromEntries(changed.map((field) => [field, draft[field]]));
    return { ...patch, ...(this.typed.password === '' ? {} : { password: this.typed.password }) };
  }

  /** The account as the doctor wants it. */
  get account(): object {
    const { server, username, auth_username, outbound_proxy, transport } = this.draft;
    return { server, username, auth_username, outbound_proxy, transport, password: this.typed.password };
  }
}
