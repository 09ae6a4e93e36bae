// Contacts from a file: what the server would make of it, and what it made.

import type { Key } from '../i18n/en.ts';
import { ApiError, query, upload } from './api.ts';

export type RowResult = 'added' | 'known' | 'refused';

export interface ImportedRow {
  place: number;
  result: RowResult;
  name: string | null;
  company: string | null;
  numbers: string[];
  refusal: 'nobody' | 'too_long' | 'too_many_numbers' | 'too_many_cells' | 'broken' | null;
  reason: string | null;
}

export interface ImportReport {
  dry_run: boolean;
  added: number;
  companies: number;
  known: number;
  refused: number;
  rows: ImportedRow[];
}

export const importFile = (file: File, dryRun: boolean): Promise<ImportReport> =>
  upload<ImportReport>(`/contacts/import${query({ dry_run: dryRun })}`, file);

const FAULTS: [RegExp, Key][] = [
  [/^the file is empty/, 'import.fault.empty'],
  [/^the file is no text/, 'import.fault.no_text'],
  [/^no column names/, 'import.fault.no_columns'],
  [/^the file has \d+ rows/, 'import.fault.too_large'],
];

/** Why a file was not taken, in the page's words. */
export function faultOf(error: unknown): { key: Key; params?: { why: string } } {
  if (!(error instanceof ApiError) || error.status === 0 || error.status >= 500) return { key: 'import.fault.unanswered' };
  if (error.status === 413) return { key: 'import.fault.too_large' };
  const known = FAULTS.find(([pattern]) => pattern.test(error.message));
  return known ? { key: known[1] } : { key: 'import.fault.refused', params: { why: error.message } };
}
