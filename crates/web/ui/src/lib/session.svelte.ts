// Who is logged in. The cookie is the browser's; here is only what it opened.

import { api, ApiError } from './api.ts';
import type { User } from './wire.ts';

export type Session =
  | { status: 'asking' }
  | { status: 'unreachable' }
  | { status: 'out'; expired: boolean; login: string }
  | { status: 'in'; user: User };

let current = $state.raw<Session>({ status: 'asking' });
let lastLogin = '';
let retry: ReturnType<typeof setTimeout> | undefined;

export function session(): Session {
  return current;
}

/** Asks the server whom the cookie belongs to; without an answer it asks again by itself. */
export async function restore(): Promise<void> {
  clearTimeout(retry);
  try {
    enter((await api.session()).user);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) current = { status: 'out', expired: false, login: '' };
    else {
      current = { status: 'unreachable' };
      retry = setTimeout(() => void restore(), 3_000);
    }
  }
}

export async function logIn(login: string, password: string): Promise<void> {
  enter((await api.logIn(login, password)).user);
}

export async function logOut(): Promise<void> {
  try {
    await api.logOut();
  } catch {
    // Without an answer the cookie stays; the page forgets the user all the same.
  }
  current = { status: 'out', expired: false, login: '' };
}

/** The server no longer knows the session; the person logs in again where the page stands. */
export function expire(): void {
  if (current.status === 'in') current = { status: 'out', expired: true, login: lastLogin };
}

function enter(user: User): void {
  lastLogin = user.login;
  current = { status: 'in', user };
}
