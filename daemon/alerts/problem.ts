import { z } from 'zod';

/** Classes of problems, the most severe first. */
export const PROBLEM_CLASSES = [
  'control_plane',
  'disk',
  'certificate',
  'failed',
  'crash_loop',
  'database',
  'backup',
  'advisory',
  'quota',
  'dead_letters',
] as const;

export type ProblemClass = (typeof PROBLEM_CLASSES)[number];

export const problemSchema = z.object({
  /** The same for as long as the problem lasts. */
  key: z.string(),
  class: z.enum(PROBLEM_CLASSES),
  /** Quiet hours hold warnings back. */
  severity: z.enum(['critical', 'warning']),
  database: z.string().nullable(),
  text: z.string(),
  remedy: z.string().nullable(),
  /** How far it has spread, such as the number of databases. At twice the extent, it is sent again. */
  extent: z.number(),
});

export type Problem = z.infer<typeof problemSchema>;

/** What is wrong now. A problem of an `unknown` class that is not listed may still last. */
export interface Observation {
  problems: readonly Problem[];
  unknown: ReadonlySet<ProblemClass>;
}
