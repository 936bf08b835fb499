import { z } from 'zod';
import { endpoint } from './endpoint.ts';
import { EXAMPLE_TIME } from './fields.ts';

const tag = 'Daemon';

const findingSchema = z
  .object({
    id: z.string().meta({ description: 'Kind of the finding; see docs/operations.md.' }),
    level: z.enum(['ok', 'warning', 'fatal']),
    summary: z.string(),
    remedy: z.string().nullable().meta({ description: 'What to do; null when nothing is wrong.' }),
  })
  .meta({
    id: 'Finding',
    examples: [
      {
        id: 'disk',
        level: 'warning',
        summary: '812 MiB free for /var/lib/fathom',
        remedy: 'free some space, or move the data to a larger disk',
      },
    ],
  });

const reportSchema = z
  .object({ at: z.iso.datetime(), findings: z.array(findingSchema) })
  .meta({ id: 'DoctorReport', examples: [{ at: EXAMPLE_TIME, findings: [] }] });

export const getDoctorReport = endpoint({
  operationId: 'getDoctorReport',
  method: 'GET',
  path: '/api/v1/doctor',
  tag,
  summary: 'Check the host of the daemon',
  description: 'Runs `fathomd doctor` on the host. Requests within 2 seconds share one report.',
  permission: 'host.read',
  responses: { 200: { description: 'Every finding.', schema: reportSchema } },
  errors: ['not_found'],
});

const logSchema = z
  .object({
    lines: z.array(
      z.object({
        at: z.string(),
        level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']),
        text: z.string(),
      }),
    ),
  })
  .meta({
    id: 'DaemonLog',
    examples: [{ lines: [{ at: EXAMPLE_TIME, level: 'info', text: 'the daemon is ready databases=3' }] }],
  });

export const getDaemonLog = endpoint({
  operationId: 'getDaemonLog',
  method: 'GET',
  path: '/api/v1/daemon/log',
  tag,
  summary: 'Show the last lines of the daemon log',
  description: 'Of this run of the daemon, at most the last 2,000 lines, oldest first.',
  permission: 'host.read',
  query: z.object({ tail: z.coerce.number().int().min(1).max(2_000).default(200) }),
  responses: { 200: { description: 'The lines.', schema: logSchema } },
});
