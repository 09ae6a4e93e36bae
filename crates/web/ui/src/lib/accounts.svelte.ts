// The users of the office as an administrator changes them.

import { api } from './api.ts';
import type { ListState } from './calls.svelte.ts';
import type { Account, NewPhone, UserDraft } from './wire.ts';

export class Accounts {
  state = $state<ListState>('loading');
  items = $state.raw<Account[]>([]);
  private reading = 0;

  async read(): Promise<void> {
    const turn = ++this.reading;
    if (this.state === 'failed') this.state = 'loading';
    try {
      const { items } = await api.users();
      if (turn !== this.reading) return;
      this.items = [...items].sort((a, b) => a.name.localeCompare(b.name));
      this.state = 'ready';
    } catch {
      if (turn === this.reading && this.state !== 'ready') this.state = 'failed';
    }
  }

  user(id: string): Account | null {
    return this.items.find((user) => user.id === id) ?? null;
  }

  async add(draft: UserDraft, password: string): Promise<Account> {
    const added = await api.addUser({ ...draft, password });
    this.items = [added, ...this.items];
    return added;
  }

  async change(user: Account, patch: Partial<UserDraft> & { password?: string }): Promise<Account> {
    return this.put(await api.changeUser(user, patch));
  }

  async remove(user: Account): Promise<void> {
    await api.deleteUser(user);
    this.items = this.items.filter(({ id }) => id !== user.id);
  }

  async addPhone(user: Account, uri: string): Promise<void> {
    const device = await api.addDevice(user.id, uri);
    const now = this.user(user.id) ?? user;
    this.put({ ...now, devices: [...now.devices, device] });
  }

  /** A telephone that registers here: what is to be entered on it. */
  async addOwnPhone(user: Account, name: string | null): Promise<NewPhone> {
    const shown = await api.addPhone(user.id, name);
    const { id, username, registrations, last_seen } = shown;
    const now = this.user(user.id) ?? user;
    this.put({ ...now, devices: [...now.devices, { id, kind: 'phone', name: shown.name, username, registrations, last_seen }] });
    return shown;
  }

  async rotatePhone(user: Account, deviceId: string): Promise<NewPhone> {
    const shown = await api.rotatePhone(user.id, deviceId);
    const now = this.user(user.id) ?? user;
    const gone = now.devices.map((device) => (device.id === deviceId && device.kind === 'phone' ? { ...device, registrations: [] } : device));
    this.put({ ...now, devices: gone });
    return shown;
  }

  async removePhone(user: Account, deviceId: string): Promise<void> {
    await api.deleteDevice(user.id, deviceId);
    const now = this.user(user.id) ?? user;
    this.put({ ...now, devices: now.devices.filter(({ id }) => id !== deviceId) });
  }

  private put(user: Account): Account {
    this.items = this.items.map((one) => (one.id === user.id ? user : one));
    return user;
  }
}
