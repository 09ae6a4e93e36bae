// What a doctor says who has called the account: a PBX that rings both, one that rings the desk phone alone, one that refuses.

import type { CheckFact, CheckPlan, Evidence, Finding, LineMode, Sight } from '../../../src/lib/wire.ts';
import { REACHED, REGISTER, message, step } from './lines.ts';

const seen = (name: string, key: string, params: Record<string, string>, ...evidence: [number | null, string, string][]): CheckFact => ({
  ...{ type: 'check' as const, name, key, params, text: 'In English.', outcome: 'seen' as const },
  evidence: evidence.map(([at, place, value]): Evidence => ({ message: at, place, value })),
});
const notSeen = (name: string, key: string, params: Record<string, string>, ...messages: number[]): CheckFact => ({ type: 'check', name, key, params, text: 'In English.', outcome: 'not_seen', messages });
const silent = (name: string, key: string, params: Record<string, string>, ...messages: number[]): CheckFact => ({ type: 'check', name, key, params, text: 'In English.', outcome: 'silent', messages });
const notAsked = (name: string): CheckFact => ({ type: 'check', name, key: 'ask_by_call', params: {}, text: 'In English.', outcome: 'not_asked' });

const sight = (name: string, key: string, view: 'expected' | 'hidden' | 'unknown' | number): Sight =>
  typeof view === 'number' ? { name, key, text: 'In English.', view: 'proven', message: view } : { name, key, text: 'In English.', view };

const plan = (mode: LineMode, key: string, sights: Sight[], fields: Record<string, string>): CheckPlan => ({
  ...{ type: 'plan' as const, mode, key, params: {}, text: 'In English.', sights },
  fields: Object.entries({ server: 'pbx.example.com', username: '102', mode, ...fields }).map(([name, value]) => ({ name, value })),
});

const INVITE = `INVITE sip:102@pbx.example.com SIP/2.0
From: "Linecard: проверка" <sip:102@pbx.example.com>;tag=41d0
To: <sip:102@pbx.example.com>
Call-ID: 0f3b7f4c1e9a53fa
CSeq: 2 INVITE
Proxy-Authorization: (left out)
Call-Info: <sip:pbx.example.com>;purpose=x-linecard-test`;
const FORK = `INVITE sip:doctor5a8e93c0b1d2f347@192.0.2.10:5060 SIP/2.0
From: "Linecard: проверка" <sip:102@198.51.100.7>;tag=as5e1f
To: <sip:doctor5a8e93c0b1d2f347@192.0.2.10:5060>
Call-ID: 7c1d@198.51.100.7
P-Asserted-Identity: "Сергей Кузнецов" <sip:102@198.51.100.7>
CSeq: 102 INVITE`;

const ANSWERED: Finding[] = [
  step('register', 'good', 'registered', { user: '102', transport: 'UDP', took_ms: '14' }),
  step('server', 'good', 'server_named', { name: 'Asterisk PBX 20.6.0' }),
  step('abilities', 'good', 'abilities_told', { status: '200' }),
];
const STAYED = step('bindings', 'good', 'contacts_stayed', { count: '2', place: '2', others: 'sip:102@192.0.2.21:5062' });

/** What any look at such a PBX finds. */
const ALWAYS: CheckFact[] = [
  seen('events', 'events', { events: 'presence, dialog, message-summary, refer' }, [6, 'Allow-Events', 'presence, dialog, message-summary, refer']),
  seen('refer', 'announced', {}, [6, 'Allow', 'OPTIONS, REGISTER, SUBSCRIBE, NOTIFY, PUBLISH, INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, INFO, MESSAGE, REFER']),
  seen('replaces', 'announced', {}, [6, 'Supported', '100rel, timer, replaces, norefersub']),
  seen('session_timers', 'announced', {}, [6, 'Supported', '100rel, timer, replaces, norefersub']),
  seen('reliable', 'announced', {}, [6, 'Supported', '100rel, timer, replaces, norefersub']),
  seen('expiry', 'expiry', { granted_s: '60', asked_s: '60' }, [4, 'Contact', 'expires=60']),
  seen('nat', 'nat', { own: '192.0.2.10', seen: '203.0.113.7' }, [4, 'Via', 'received=203.0.113.7;rport=40122']),
  notSeen('tls', 'tls_refused', { address: '198.51.100.7:5061' }),
  notSeen('paths', 'not_announced', { header: 'Supported' }, 6),
  notSeen('own_numbers', 'numbers_untold', {}, 2, 4),
];

const exchange: Finding[] = [message(1, true, REGISTER), message(2, false, 'SIP/2.0 401 Unauthorized'), message(3, true, REGISTER), message(4, false, 'SIP/2.0 200 OK\nContact: <sip:102@192.0.2.21:5062>;expires=1800')];
const call: Finding[] = [message(5, true, 'OPTIONS sip:pbx.example.com SIP/2.0'), message(6, false, 'SIP/2.0 200 OK\nAllow-Events: presence, dialog, message-summary, refer'), message(7, true, INVITE), message(8, false, FORK), message(9, false, 'SIP/2.0 180 Ringing\nCSeq: 2 INVITE'), message(10, false, 'NOTIFY sip:doctor5a8e93c0b1d2f347@192.0.2.10:5060 SIP/2.0\nEvent: dialog\nContent-Type: application/dialog-info+xml')];

/** The desk phone and Linecard ring together. */
export const BOTH: Finding[] = [
  ...REACHED,
  ...exchange,
  ...ANSWERED,
  ...call,
  step('dialogs', 'good', 'dialogs', { count: '1' }),
  step('call', 'good', 'call_both', { fork_ms: '38', rang_ms: '61' }),
  STAYED,
  seen('ringing', 'rang', { took_ms: '61' }, [9, 'status', '180 Ringing']),
  seen('fork', 'forked', { took_ms: '38' }, [8, 'INVITE', 'sip:doctor5a8e93c0b1d2f347@192.0.2.10:5060']),
  seen('caller', 'caller_kept', { number: '102', display: 'Linecard: проверка' }, [8, 'From', '"Linecard: проверка" <sip:102@198.51.100.7>;tag=as5e1f']),
  seen('caller_asserted', 'asserted', {}, [8, 'P-Asserted-Identity', '"Сергей Кузнецов" <sip:102@198.51.100.7>']),
  notSeen('diversion', 'diversion_not', {}, 8),
  notSeen('reason', 'reason_not', {}, 8),
  notSeen('auto_answer', 'wish_not_passed', {}, 8),
  seen('dialog_events', 'dialogs_named', {}, [10, 'Event', 'dialog'], [10, 'Content-Type', 'application/dialog-info+xml']),
  ...ALWAYS,
  seen('codecs', 'codecs_offered', { codecs: 'PCMA/8000, PCMU/8000, G722/8000' }, [8, 'm=audio', 'PCMA/8000, PCMU/8000, G722/8000; 20 ms a packet']),
  notSeen('srtp', 'srtp_not', {}, 8),
  plan(
    'shadow',
    'plan_shadow',
    [
      sight('ringing', 'sight_came', 8),
      sight('caller', 'sight_caller_came', 8),
      sight('answered_where', 'sight_told_part', 'expected'),
      sight('end', 'sight_told', 10),
      sight('dialled_on_phone', 'sight_told_part', 'expected'),
      sight('recording', 'sight_no_sound', 'hidden'),
    ],
    { 'sip.external_address': '203.0.113.7' },
  ),
  step('outlook', 'good', 'outlook_shared_told'),
  { type: 'verdict', healthy: true },
];

/** The desk phone rings alone, and nothing is told of calls. */
export const ELSEWHERE: Finding[] = [
  ...REACHED,
  ...exchange,
  ...ANSWERED,
  ...call,
  step('dialogs', 'noted', 'dialogs_none'),
  step('call', 'noted', 'call_elsewhere', { rang_ms: '61' }),
  STAYED,
  seen('ringing', 'rang', { took_ms: '61' }, [9, 'status', '180 Ringing']),
  notSeen('fork', 'unforked', {}, 9),
  ...['caller', 'caller_asserted', 'diversion', 'reason', 'auto_answer', 'codecs', 'srtp'].map((name) => silent(name, 'no_fork', {}, 7)),
  notSeen('dialog_events', 'dialogs_none', {}, 6),
  ...ALWAYS,
  plan(
    'anchor',
    'plan_anchor_unforked',
    [
      sight('ringing', 'sight_once_alone', 'unknown'),
      sight('caller', 'sight_once_alone', 'unknown'),
      sight('answered_where', 'sight_own_answer', 'expected'),
      sight('end', 'sight_own_end', 'expected'),
      sight('dialled_on_phone', 'sight_own_phone', 'expected'),
      sight('recording', 'sight_own_sound', 'expected'),
    ],
    {},
  ),
  step('outlook', 'bad', 'outlook_unforked'),
  { type: 'verdict', healthy: false },
];

/** What a look without a call says of the things that only a call shows. */
export const UNCALLED: Finding[] = [
  ...['ringing', 'fork', 'caller', 'caller_asserted', 'diversion', 'reason', 'auto_answer', 'srtp', 'codecs'].map(notAsked),
  silent('dialog_events', 'dialogs_silent', {}, 5),
  ...ALWAYS,
  plan(
    'anchor',
    'plan_anchor',
    [
      sight('ringing', 'sight_only_contact', 'expected'),
      sight('caller', 'sight_ask_call', 'unknown'),
      sight('answered_where', 'sight_own_answer', 'expected'),
      sight('end', 'sight_own_end', 'expected'),
      sight('dialled_on_phone', 'sight_own_phone', 'expected'),
      sight('recording', 'sight_own_sound', 'expected'),
    ],
    {},
  ),
];
