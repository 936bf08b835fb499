import { z } from 'zod';

/** A part of the status of the daemon. */
export const inactiveStatusSchema = z
  .object({
    days: z.int().describe('DATABASE_INACTIVE_DAYS; 0 when it is off.'),
    noticed: z.int().describe('Databases that are archived soon: their owners got a mail.'),
    archived: z.int().describe('Archived databases, also those that an administrator has archived.'),
    blocked: z.int().describe('Databases that are not used, and that a problem keeps from being archived.'),
    problem: z
      .object({ message: z.string(), remedy: z.string() })
      .nullable()
      .describe('Why; null without a problem.'),
  })
  .meta({
    id: 'InactiveStatus',
    examples: [{ days: 90, noticed: 3, archived: 41, blocked: 0, problem: null }],
  });

export type InactiveStatus = z.infer<typeof inactiveStatusSchema>;
