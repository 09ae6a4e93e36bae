// What is typed about a line, new or changed.

import { t } from '../i18n/index.svelte.ts';
import { Entry, orNull } from './entry.svelte.ts';
import type { DialFormat, Line, LineDraft, LineMode, LineTransfer, Transport } from './wire.ts';

export interface Typed {
  server: string;
  username: string;
  password: string;
  name: string;
  auth_username: string;
  outbound_proxy: string;
  transport: '' | Transport;
  mode: LineMode;
  user_id: string;
  dial_format: DialFormat;
  dial_prefix: string;
  caller_id: string;
  transfer: LineTransfer;
}

export type LineField = keyof Typed;

/** Those that stand folded under "more". */
export const MORE: readonly LineField[] = ['name', 'auth_username', 'outbound_proxy', 'transport', 'mode', 'user_id', 'dial_format', 'dial_prefix', 'caller_id', 'transfer'];
const HOSTS: readonly LineField[] = ['server', 'outbound_proxy'];
const HOST = /^[A-Za-z0-9\-._:[\]]{1,255}$/;
/** A WebSocket stands in the field of its host as it is entered: `wss://pbx.example:8089/ws`. */
const WEBSOCKET = /^wss?:\/\/[A-Za-z0-9\-._:[\]]{1,255}(\/[!-~]*)?$/i;

const EMPTY: Typed = {
  server: '',
  username: '',
  password: '',
  name: '',
  auth_username: '',
  outbound_proxy: '',
  transport: '',
  mode: 'anchor',
  user_id: '',
  dial_format: 'plus',
  dial_prefix: '',
  caller_id: '',
  transfer: 'here',
};

function typedOf(line: Line): Typed {
  const { server, username, name, auth_username, outbound_proxy, transport, websocket_path, mode, user_id, dial_format, dial_prefix, caller_id, transfer } = line;
  const entered = (host: string): string => (websocket_path === null ? host : `${transport}://${host}${websocket_path}`);
  return {
    ...{ username, name, mode, dial_format, transfer, password: '' },
    server: outbound_proxy === null ? entered(server) : server,
    auth_username: auth_username ?? '',
    outbound_proxy: outbound_proxy === null ? '' : entered(outbound_proxy),
    transport: transport ?? '',
    user_id: user_id ?? '',
    dial_prefix: dial_prefix ?? '',
    caller_id: caller_id ?? '',
  };
}

export class LineEntry extends Entry<Typed> {
  constructor(private readonly line: Line | null) {
    super(`line.${line?.id ?? 'new'}`, line ? typedOf(line) : { ...EMPTY }, 'password');
  }

  /** It is saved, or given up: the form shows what the line is now. */
  settle(line: Line | null): void {
    this.become(line ? typedOf(line) : { ...EMPTY });
  }

  protected objection(): string {
    return t('form.wrong');
  }

  protected fault(field: LineField): string | null {
    const text = this.typed[field].trim();
    const needed = field === 'server' || field === 'username' || (field === 'password' && this.line === null && this.typed.mode !== 'siprec');
    if (needed && text === '') return t('form.empty');
    return HOSTS.includes(field) && text !== '' && !HOST.test(text) && !WEBSOCKET.test(text) ? t('line.wrong.server') : null;
  }

  get draft(): LineDraft {
    const { server, username, name, auth_username, outbound_proxy, transport, mode, user_id, dial_format, dial_prefix, caller_id, transfer } = this.typed;
    return {
      ...{ server: server.trim(), username: username.trim(), name: name.trim(), mode, dial_format, transfer },
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
    const { server, username, auth_username, outbound_proxy, transport, mode } = this.draft;
    return { server, username, auth_username, outbound_proxy, transport, mode, password: this.typed.password };
  }
}
