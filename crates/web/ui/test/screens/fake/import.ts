// A file of contacts as the fake server takes it: `name;company;number` rows, tried or added.

import type { IncomingMessage } from 'node:http';
import type { ImportReport } from '../../../src/lib/imports.ts';
import { answerCards, problem } from './crm.ts';
import type { Answer } from './crm.ts';
import type { Office } from './office.ts';

export async function answerImport(office: Office, request: IncomingMessage, query: URLSearchParams): Promise<Answer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const lines = Buffer.concat(parts).toString().trim().split('\n');
  if (lines.length < 2) return problem(422, 'the file is empty', 'file');
  const dryRun = query.get('dry_run') === 'true';
  const report: ImportReport = { dry_run: dryRun, added: 0, companies: 0, known: 0, refused: 0, rows: [] };
  lines.slice(1).forEach((line, at) => {
    const [name = '', company = '', number = ''] = line.split(';');
    const blank = { place: at + 2, name: null, company: null, numbers: [], refusal: null, reason: null };
    if (name === '' && number === '') {
      report.refused += 1;
      report.rows.push({ ...blank, result: 'refused', refusal: 'nobody', reason: 'neither a name nor a company nor a number' });
      return;
    }
    const known = office.contacts.some((contact) => contact.name === name);
    report[known ? 'known' : 'added'] += 1;
    report.rows.push({ ...blank, result: known ? 'known' : 'added', name, company: company || null, numbers: [number] });
    if (!known && !dryRun) answerCards(office, 'contacts', 'POST', '', query, { name, numbers: [{ number, label: null }] }, null);
  });
  return { status: 200, body: report };
}
