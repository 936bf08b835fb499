import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Alert } from './decide-alert.ts';
import { type Problem, problemSchema } from './problem.ts';

/** Further problems are only counted. */
const MAX_LISTED = 50;

const itemSchema = problemSchema.omit({ extent: true });
const endedSchema = itemSchema.extend({ duration_s: z.int() });

/** What a webhook and a command get. docs/alerts.md describes it. */
export const alertMessageSchema = z.object({
  /** The same in each attempt. */
  id: z.string(),
  type: z.enum(['alert', 'alert.test']),
  timestamp: z.string(),
  /** The whole alert as text, for chats. */
  text: z.string(),
  data: z.object({
    /** PUBLIC_URL, or the name of the host. */
    fleet: z.string(),
    problems: z.array(itemSchema),
    resolved: z.array(endedSchema),
    /** Problems that are not listed. */
    more: z.int(),
    /** Problems that last, with those of earlier alerts. */
    open: z.int(),
  }),
});

export type AlertMessage = z.infer<typeof alertMessageSchema>;

export function alertMessage(
  { began, ended, open }: Alert,
  { fleet, now }: { fleet: string; now: Date },
): AlertMessage {
  const problems = began.slice(0, MAX_LISTED).map(withoutExtent);
  const resolved = ended.slice(0, MAX_LISTED).map(({ durationMs, ...problem }) => ({
    ...withoutExtent(problem),
    duration_s: Math.round(durationMs / 1000),
  }));
  const more = began.length + ended.length - problems.length - resolved.length;
  const title = `Fathom at ${fleet}: ${titleOf(began.length, ended.length)}`;
  const lines = [
    title,
    ...problems.flatMap(({ severity, text, remedy }) => [
      '',
      `${severity === 'critical' ? 'CRITICAL: ' : ''}${text}`,
      ...(remedy === null ? [] : [`→ ${remedy}`]),
    ]),
    ...resolved.flatMap(({ text, duration_s }) => [
      '',
      `RESOLVED after ${durationText(duration_s)}: ${text}`,
    ]),
    ...(more > 0 ? ['', `… and ${more} more: 'fathomd status --check'`] : []),
    '',
    open === 0 ? 'No problem is open.' : `Open now: ${open}`,
  ];
  return {
    id: `msg_${randomUUID()}`,
    type: 'alert',
    timestamp: now.toISOString(),
    text: lines.join('\n'),
    data: { fleet, problems, resolved, more, open },
  };
}

/** A message without a problem, to try a channel. */
export function testMessage({ fleet, now }: { fleet: string; now: Date }): AlertMessage {
  return {
    id: `msg_${randomUUID()}`,
    type: 'alert.test',
    timestamp: now.toISOString(),
    text: `Fathom at ${fleet}: this is a test of alerts\n\nIt says nothing about the state of the fleet: 'fathomd status --check' does.`,
    data: { fleet, problems: [], resolved: [], more: 0, open: 0 },
  };
}

/** Also the subject of the mail. */
export function firstLine({ text }: Pick<AlertMessage, 'text'>): string {
  return text.split('\n', 1)[0] ?? '';
}

function titleOf(began: number, ended: number): string {
  const problems = began === 0 ? [] : [began === 1 ? '1 problem' : `${began} problems`];
  return [...problems, ...(ended === 0 ? [] : [`${ended} resolved`])].join(', ');
}

function withoutExtent(problem: Problem): z.infer<typeof itemSchema> {
  return itemSchema.parse(problem);
}

function durationText(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} minutes`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}
