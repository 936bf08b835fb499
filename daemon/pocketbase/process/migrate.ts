import type { PhaseReasonCode } from '../../../shared/reasons.ts';
import { scriptAdvice } from './script-advice.ts';

/** Why migrations were not applied, from the output of PocketBase. */
export interface MigrationFailure {
  /** `migration_broken`: the file does not load, for example because of a syntax error. `migration_failed`: it ran and failed. */
  code: Extract<PhaseReasonCode, 'migration_failed' | 'migration_broken'>;
  /** Null when PocketBase names no file. */
  file: string | null;
  line: number | null;
  /** Without file and line. */
  why: string;
}

const LOADING = /registerMigrations: failed to run migration (.+?\.[jt]s): (.+)/;
const APPLYING = /failed to apply migration (.+?\.[jt]s): (.+)/;
const READING = /registerMigrations: (.+)/;
/** PocketBase calls every script `pb.js`. */
const POSITION = /\bpb\.js:(\d+):\d+|\bLine (\d+):\d+/;

/** Null when the text reports no failed migration. The exit code does not help: up to 0.39 it is 0 after a failure. */
export function migrationFailure(text: string): MigrationFailure | null {
  const loading = LOADING.exec(text);
  if (loading) return failure('migration_broken', loading[1] ?? null, loading[2] ?? '');
  const applying = APPLYING.exec(text);
  if (applying) return failure('migration_failed', applying[1] ?? null, applying[2] ?? '');
  const reading = READING.exec(text);
  return reading && failure('migration_broken', null, reading[1] ?? '');
}

/** `file:line: why; advice`; file, line and advice only when they are known. */
export function describeFailure({ file, line, why }: Omit<MigrationFailure, 'code'>): string {
  const where = file === null ? '' : `${file}${line === null ? '' : `:${line}`}: `;
  const advice = scriptAdvice(why, file);
  return `${where}${why}${advice === null ? '' : `; ${advice}`}`;
}

function failure(code: MigrationFailure['code'], file: string | null, text: string): MigrationFailure {
  const position = POSITION.exec(text);
  const line = position?.[1] ?? position?.[2];
  const why = text
    .replace(/\s*\(?\bat (?:\S+ \()?\S*pb\.js:\d+:\d+\(\d+\)\)?/, '')
    .replace(/\S*pb\.js: Line \d+:\d+ /, '')
    .replace(/^(\w*Error: )\1/, '$1')
    .replace(/^\[SafeWrap\] recovered from panic: /, 'panic: ')
    .trim();
  return { code, file, line: line === undefined ? null : Number(line), why };
}
