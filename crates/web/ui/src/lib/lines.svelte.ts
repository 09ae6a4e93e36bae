// The lines and those who own them: read when a page of the administrator wants them, brought up to date by events.

import { api } from './api.ts';
import type { ListState } from './calls.svelte.ts';
import type { Account, Line, LineDraft, Registration, RegistrationView } from './wire.ts';

export class Lines {
  state = $state<ListState>('loading');
  items = $state.raw<Line[]>([]);
  users = $state.raw<Account[]>([]);
  private reading = 0;
  /** What events said of lines, also of those whose answer is still on its way. */
  private readonly told = new Map<string, Registration>();

  async read(): Promise<void> {
    const turn = ++this.reading;
    if (this.state === 'failed') this.state = 'loading';
    try {
      const [lines, users] = await Promise.all([api.lines(), api.users()]);
      if (turn !== this.reading) return;
      this.items = lines.items.map((line) => this.upToDate(line));
      this.users = users.items;
      this.state = 'ready';
    } catch {
      if (turn === this.reading && this.state !== 'ready') this.state = 'failed';
    }
  }

  line(id: string): Line | null {
    return this.items.find((line) => line.id === id) ?? null;
  }

  /** The line that has this account already. */
  withAccount(server: string, username: string): Line | null {
    const same = (line: Line): boolean => line.username === username && line.server.toLowerCase() === server.toLowerCase();
    return this.items.find(same) ?? null;
  }

  userName(id: string | null): string | null {
    return this.users.find((user) => user.id === id)?.name ?? null;
  }

  /** A line's registration is another now. */
  stands({ line_id, user_id: _, ...registration }: RegistrationView): void {
    this.told.set(line_id, registration);
    this.items = this.items.map((line) => (line.id === line_id ? { ...line, registration } : line));
  }

  async add(draft: LineDraft, password: string): Promise<Line> {
    const { name, ...rest } = draft;
    return this.put(await api.addLine({ ...rest, ...(name === '' ? {} : { name }), password }));
  }

  async change(line: Line, patch: Partial<LineDraft> & { password?: string }): Promise<Line> {
    return this.put(await api.changeLine(line, patch));
  }

  async remove(line: Line): Promise<void> {
    await api.deleteLine(line);
    this.items = this.items.filter(({ id }) => id !== line.id);
  }

  /** Lets the desk phone be bound again that a line pushed out; the events tell what comes of it. */
  async putBack(line: Line): Promise<void> {
    await api.putBack(line);
  }

  /** The lines that ring for a user. */
  of(userId: string): Line[] {
    return this.items.filter(({ user_id }) => user_id === userId);
  }

  private put(answer: Line): Line {
    const line = this.upToDate(answer);
    const others = this.items.filter(({ id }) => id !== line.id);
    this.items = others.length === this.items.length ? [line, ...others] : this.items.map((one) => (one.id === line.id ? line : one));
    return line;
  }

  /** An event may have overtaken the answer. */
  private upToDate(line: Line): Line {
    const told = this.told.get(line.id);
    return told && (told.since ?? '') > (line.registration.since ?? '') ? { ...line, registration: told } : line;
  }
}
