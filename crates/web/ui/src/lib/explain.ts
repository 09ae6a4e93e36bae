// The sentences of `/interactions/{id}/explain` as message keys; an unknown one keeps the server's English.

import type { Key } from '../i18n/en.ts';
import { duration } from './format.ts';
import type { Sentence } from './wire.ts';
import type { Said } from './who.ts';

/** Why a customer was not handed over. */
const MISSES: Record<string, Key> = {
  'the other was busy': 'cause.over_busy',
  'the other declined': 'cause.over_declined',
  'the other did not answer in time': 'cause.over_no_answer',
  'the other could not be reached': 'cause.over_unreachable',
  'the agent took the customer back': 'cause.over_given_up',
  'the other hung up while the agent asked': 'cause.over_left',
};

const CAUSES: Record<string, Key> = {
  'the caller gave up': 'cause.caller_gave_up',
  'another device was answered': 'cause.other_device',
  'the ring time was over': 'cause.ring_time',
  'the user declined on another device': 'cause.declined_elsewhere',
  'the caller had gone': 'cause.caller_gone',
  'a user hung up in the interface': 'cause.interface',
  'the user was not at the phone, or hung up': 'cause.agent_gone',
  'a fault': 'cause.fault',
  'its party hung up': 'cause.party',
  'the recording client ended it': 'cause.session_client',
  'the recording client was not there any more': 'cause.session_gone',
  'the server ended it': 'cause.server',
  'it was cancelled before an answer': 'cause.seen_cancelled',
  'it was refused': 'cause.seen_refused',
  'another dialog took its place': 'cause.seen_replaced',
  'the extension hung up': 'cause.seen_hung_up',
  'the other party hung up': 'cause.seen_other_hung_up',
  'it rang for too long': 'cause.seen_rang_out',
  'the reason is not told': 'cause.seen_untold',
  'the PBX tells of it no more': 'cause.seen_blind',
};

/** What a recording client tells of who called, and how the voices come. */
const TOLD: Record<string, Key> = {
  'an extension of its vendor tells who called': 'cause.direction_extension',
  'whoever takes part for longer called': 'cause.direction_first',
  'who called is known from the PBX': 'cause.direction_seen',
  'nothing tells who called, so it counts as a call that came in': 'cause.direction_nothing',
  'each voice comes in a stream of its own': 'cause.voices_separate',
  'all voices come in one stream, so that both channels are alike': 'cause.voices_mixed',
};

/** Sentences whose words name the side already. */
const SAYS_ITSELF = new Set(['leg_offered', 'leg_dialled', 'leg_progressed', 'leg_confirmed', 'bridged', 'callee_dialled', 'other_dialled', 'early_media', 'seen_ringing', 'seen_calling', 'seen_talking', 'seen_holding', 'seen_over', 'session_told', 'session_over']);

/** What only a technician wants to read; shown quieter. */
const TECHNICAL = new Set(['dialog_recorded', 'leg_confirmed', 'late_durable']);

export function isTechnical(sentence: Sentence): boolean {
  return TECHNICAL.has(sentence.key);
}

/** Whose leg a sentence is about; null when it is about the call, or says so itself. */
export function sideOf(sentence: Sentence, all: readonly Sentence[]): 'customer' | 'agent' | null {
  if (sentence.leg_id === null || SAYS_ITSELF.has(sentence.key)) return null;
  const customer = all.find(({ key }) => key.startsWith('leg_offered') || key === 'callee_dialled')?.leg_id;
  return sentence.leg_id === customer ? 'customer' : 'agent';
}

/** The sentence in the words of `say`, which is given the key and the texts to fill in. */
export function sentenceText(
  sentence: Sentence,
  say: (said: Said) => string,
  isKey: (key: string) => key is Key,
  number: (text: string) => string,
): string {
  const key = `explain.${sentence.key}`;
  const { params } = sentence;
  if (!isKey(key)) return sentence.text;
  switch (sentence.key) {
    case 'leg_offered': {
      const given = params['number'] ?? 'withheld';
      return say({ key, params: { number: given === 'withheld' ? say({ key: 'explain.withheld' }) : number(given) } });
    }
    case 'dial_requested':
    case 'party_named':
    case 'leg_redirected':
    case 'other_dialled':
      return say({ key, params: { number: number(params['number'] ?? '') } });
    case 'routed':
      if (!params['user']) return say({ key: 'explain.routed.nobody' });
      return say({ key, params: { count: Number(params['devices'] ?? 0) } });
    case 'routed_absent':
      return say({ key, params: { count: Number(params['devices'] ?? 0), absent: Number(params['absent'] ?? 0) } });
    case 'contact_looked_up': {
      const count = Number(params['candidates'] ?? 0);
      if (sentence.text.includes('could not be read')) return say({ key: 'why.unavailable' });
      return count === 0 ? say({ key: 'explain.contact_looked_up.nobody' }) : say({ key, params: { count } });
    }
    case 'seen_ringing':
    case 'seen_calling':
    case 'seen_talking': {
      const given = params['number'] ?? 'unknown';
      const { extension = '' } = params;
      return say({ key, params: { extension, number: given === 'unknown' ? say({ key: 'explain.unknown_number' }) : number(given) } });
    }
    case 'leg_cancelled':
    case 'leg_ended':
    case 'seen_over':
    case 'session_over': {
      const cause = CAUSES[params['by'] ?? params['how'] ?? ''];
      return cause ? say({ key, params: { why: say({ key: cause }) } }) : sentence.text;
    }
    case 'session_told': {
      const direction = TOLD[params['direction'] ?? ''];
      const voices = TOLD[params['voices'] ?? ''];
      if (!direction || !voices) return sentence.text;
      const parties = (params['parties'] ?? '').split(', ').map(number).join(', ');
      return say({ key, params: { parties, direction: say({ key: direction }), voices: say({ key: voices }) } });
    }
    case 'transfer_blind':
    case 'transfer_attended': {
      const to = params['to'];
      return to ? say({ key, params: { to: number(to) } }) : sentence.text;
    }
    case 'transfer_failed': {
      const cause = MISSES[params['why'] ?? ''];
      return cause ? say({ key, params: { why: say({ key: cause }) } }) : sentence.text;
    }
    case 'dtmf_sent':
      return say({ key, params: { count: Number(params['count'] ?? 0) } });
    case 'recording_closed':
      return say({ key, params: { time: duration(Number(params['duration_ms'] ?? 0)) } });
    default:
      return say({ key, params });
  }
}
