// Sound and desktop notifications of a ringing phone: only what the person switched on, in one tab only.

import type { Leader } from './leader.ts';
import { store, stored } from './storage.ts';

let sound = $state(stored('sound') === 'on');
let notify = $state(stored('notify') === 'on');
let denied = $state(false);
let audio: AudioContext | null = null;

export const alerts = {
  get sound(): boolean {
    return sound;
  },
  get notify(): boolean {
    return notify;
  },
  get denied(): boolean {
    return denied;
  },
  get canNotify(): boolean {
    return typeof Notification !== 'undefined' && window.isSecureContext;
  },
  setSound(on: boolean): void {
    sound = on;
    store('sound', on ? 'on' : null);
    if (on) void ready()?.resume().then(tone);
  },
  async setNotify(on: boolean): Promise<void> {
    denied = on && (await Notification.requestPermission()) !== 'granted';
    notify = on && !denied;
    store('notify', notify ? 'on' : null);
  },
};

function ready(): AudioContext | null {
  if (typeof AudioContext === 'undefined') return null;
  audio ??= new AudioContext();
  return audio;
}

/** Two soft notes. */
function tone(): void {
  const context = ready();
  if (!context || context.state !== 'running') return;
  for (const [at, hertz] of [
    [0, 523.25],
    [0.22, 659.25],
  ] as const) {
    const start = context.currentTime + at;
    const note = context.createOscillator();
    const volume = context.createGain();
    note.frequency.value = hertz;
    volume.gain.setValueAtTime(0, start);
    volume.gain.linearRampToValueAtTime(0.09, start + 0.03);
    volume.gain.exponentialRampToValueAtTime(0.0005, start + 0.5);
    note.connect(volume).connect(context.destination);
    note.start(start);
    note.stop(start + 0.55);
  }
}

/** Rings until the returned function is called. */
export function ringTone(leader: Leader): () => void {
  const once = (): void => {
    if (sound && leader.isLeader) void ready()?.resume().then(tone);
  };
  once();
  const timer = setInterval(once, 3_000);
  return () => clearInterval(timer);
}

/** Shows a desktop notification when no tab is in sight; the returned function takes it away. */
export function notifyCall(leader: Leader, popId: string, title: string, body: string): () => void {
  let shown: Notification | null = null;
  let over = false;
  const show = async (): Promise<void> => {
    if (!notify || !leader.isLeader || Notification.permission !== 'granted' || (await leader.anyVisible())) return;
    if (over) return;
    shown = new Notification(title, { body, tag: popId, silent: true });
    shown.onclick = () => {
      window.focus();
      shown?.close();
    };
  };
  void show().catch(() => undefined);
  return () => {
    over = true;
    shown?.close();
  };
}
