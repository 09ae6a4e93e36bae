// A table as a file, written as the server writes its own: for rows that no question to it names.

const BREAKS = /[;\t\r\n]/;
const BLANK = /[\s\p{Cc}]/u;
const FORMULA = /[=+\-@＝＋－＠]/;

/** Puts an apostrophe before everything that a spreadsheet would take for the beginning of a formula. */
export function harmless(text: string): string {
  const first = [...text].find((letter) => !BLANK.test(letter)) ?? '';
  let safe = FORMULA.test(first) || /^[\t\r\n]/.test(text) ? "'" : '';
  let mayBegin = false;
  for (const letter of text) {
    if (mayBegin && FORMULA.test(letter)) safe += "'";
    mayBegin = BREAKS.test(letter) || (mayBegin && BLANK.test(letter));
    safe += letter;
  }
  return safe;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** A part of a list as people write it: a text, or a telephone number with its label. */
function short(part: unknown): string | null {
  const text = typeof part === 'string' ? part : isObject(part) ? part['number'] : null;
  if (typeof text !== 'string') return null;
  const label = isObject(part) ? part['label'] : null;
  return typeof label === 'string' ? `${text} (${label})` : text;
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return harmless(value);
  if (Array.isArray(value)) {
    const parts = value.map(short);
    return harmless(parts.includes(null) ? JSON.stringify(value) : parts.join('; '));
  }
  if (isObject(value)) return Object.keys(value).length === 0 ? '' : harmless(JSON.stringify(value));
  return JSON.stringify(value);
}

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

export function sheetOf(columns: readonly string[], rows: readonly object[]): string {
  const lines = rows.map((row) => columns.map((column) => cell((row as Record<string, unknown>)[column])));
  return `\ufeff${[columns, ...lines].map((line) => `${line.map(quoted).join(',')}\r\n`).join('')}`;
}

/** The columns of the server's own files. */
export const SHEETS = {
  contacts: ['id', 'name', 'company_id', 'company_name', 'responsible_id', 'numbers', 'emails', 'source', 'region', 'industry', 'notes', 'custom', 'created_at', 'version'],
  interactions: [
    ...['id', 'call_id', 'direction', 'outcome', 'state', 'caller_number', 'caller_dialled', 'callee_number', 'customer_number', 'connected_number', 'user_to_user', 'contact_id', 'user_id', 'line_id'],
    ...['started_at', 'answered_at', 'ended_at', 'ringing_ms', 'talk_ms', 'hold_ms', 'hangup_by', 'sip_status', 'legs', 'recording_ids', 'notes', 'disposition'],
  ],
} as const;

export function saveSheet(name: keyof typeof SHEETS, rows: readonly object[]): void {
  const url = URL.createObjectURL(new Blob([sheetOf(SHEETS[name], rows)], { type: 'text/csv;charset=utf-8' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `${name}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
