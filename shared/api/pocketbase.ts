import { z } from 'zod';
import { endpoint, exampleOf } from './contract/endpoint.ts';
import { EXAMPLE_DATABASE } from './contract/fields.ts';

const tag = { name: 'PocketBase', description: 'The releases of PocketBase that instances run.' };

const MAX_ENTRIES = 500;

const version = z
  .string()
  .max(60)
  .regex(/^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/, 'must be a version like 0.40.6');
const identifier = z
  .string()
  .max(60)
  .regex(/^[A-Za-z0-9][A-Za-z0-9-]*$/, 'must be letters, digits and hyphens');
/** One line for a terminal. */
const sentence = z
  .string()
  .min(1)
  .max(400)
  .refine(
    (text) => !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text),
    'must be one line without control characters and marks for the direction of text',
  );
const day = z.iso.date();

/** From the least severe to the most severe. */
export const ADVISORY_SEVERITIES = ['low', 'moderate', 'high', 'critical'] as const;
export type AdvisorySeverity = (typeof ADVISORY_SEVERITIES)[number];

export const advisorySchema = z
  .object({
    id: identifier,
    aliases: z.array(identifier).max(20).describe('Other identifiers of the same vulnerability.'),
    severity: z.enum(ADVISORY_SEVERITIES),
    published: day,
    affected: z
      .array(
        z.object({
          from: version,
          below: version
            .nullable()
            .describe('The first version that is not affected; null when all later ones are.'),
        }),
      )
      .min(1)
      .max(20),
    fixed_in: version.nullable().describe('The first release with the fix; null when there is none.'),
    summary: sentence,
  })
  .meta({
    id: 'Advisory',
    description: 'A published vulnerability of PocketBase.',
    examples: [
      {
        id: 'CVE-2026-82410',
        aliases: ['GHSA-84vh-m24q-wjjx'],
        severity: 'high',
        published: '2026-09-16',
        affected: [{ from: '0.23.0', below: '0.39.7' }],
        fixed_in: '0.39.7',
        summary: 'A remote client can end the process.',
      },
    ],
  });

export type Advisory = z.infer<typeof advisorySchema>;

export const hazardSchema = z
  .object({
    id: identifier,
    kind: z
      .enum(['defect', 'change'])
      .describe(
        '`defect`: affects those who run the release. `change`: affects those who change to or from it.',
      ),
    from: version.describe('The first version with it.'),
    below: version.nullable().describe('The first version without it; null when there is none.'),
    avoid: z.boolean().describe('Whether to choose another release.'),
    summary: sentence,
  })
  .meta({
    id: 'Hazard',
    description: 'What to know before a change of the release, besides vulnerabilities.',
    examples: [
      {
        id: 'exit-codes',
        kind: 'change',
        from: '0.40.0',
        below: null,
        avoid: false,
        summary: 'A command that fails exits with 1 instead of 0.',
      },
    ],
  });

export type Hazard = z.infer<typeof hazardSchema>;

const recommendationSchema = z.object({ version, reason: sentence }).meta({
  id: 'Recommendation',
  examples: [{ version: '0.40.6', reason: 'The last release of PocketBase.' }],
});

export type Recommendation = z.infer<typeof recommendationSchema>;

/** The format of a list of advisories, also of one that `fathomd doctor --advisories` reads. */
export const advisoryListSchema = z.object({
  updated: day.describe('Day of the last change of the list.'),
  recommended: z.array(recommendationSchema).max(MAX_ENTRIES).describe('The best release first.'),
  advisories: z.array(advisorySchema).max(MAX_ENTRIES),
  hazards: z.array(hazardSchema).max(MAX_ENTRIES),
});

export type AdvisoryList = z.infer<typeof advisoryListSchema>;

const vulnerableVersionSchema = z
  .object({
    version: z.string(),
    instances: z.int().describe('Number of instances with this version.'),
    severity: z.enum(ADVISORY_SEVERITIES).describe('The worst one of its advisories.'),
    advisories: z.array(z.string()).describe('Identifiers of its advisories.'),
  })
  .meta({
    id: 'VulnerableVersion',
    examples: [{ version: '0.39.1', instances: 4, severity: 'high', advisories: ['CVE-2026-82410'] }],
  });

export type VulnerableVersion = z.infer<typeof vulnerableVersionSchema>;

/** A part of the status of the daemon. */
export const exposureSchema = z
  .object({
    vulnerable_instances: z
      .int()
      .describe('Number of instances, asleep or not, whose PocketBase has a known vulnerability.'),
    versions: z.array(vulnerableVersionSchema).describe('The worst version first.'),
    remedy: z.string().nullable().describe('What to do; null when no instance is vulnerable.'),
  })
  .meta({
    id: 'Exposure',
    description: 'Known vulnerabilities of the PocketBase that instances run.',
    examples: [
      {
        vulnerable_instances: 4,
        versions: [exampleOf(vulnerableVersionSchema)],
        remedy: "run 'fathomd pocketbase install' to get PocketBase 0.40.6, and follow its steps",
      },
    ],
  });

export type Exposure = z.infer<typeof exposureSchema>;

const reportSchema = advisoryListSchema
  .extend({
    exposure: exposureSchema,
    instances: z
      .array(z.object({ name: z.string(), version: z.string(), advisories: z.array(z.string()) }))
      .describe('The vulnerable instances.'),
  })
  .meta({
    id: 'AdvisoryReport',
    examples: [
      {
        updated: '2026-11-26',
        recommended: [exampleOf(recommendationSchema)],
        advisories: [exampleOf(advisorySchema)],
        hazards: [exampleOf(hazardSchema)],
        exposure: exampleOf(exposureSchema),
        instances: [{ name: EXAMPLE_DATABASE, version: '0.39.1', advisories: ['CVE-2026-82410'] }],
      },
    ],
  });

export type AdvisoryReport = z.infer<typeof reportSchema>;

export const getAdvisories = endpoint({
  operationId: 'getAdvisories',
  method: 'GET',
  path: '/api/v1/pocketbase/advisories',
  tag,
  summary: 'List known vulnerabilities of PocketBase and the instances that have them',
  description: 'The list is part of this release of Fathom. The daemon does not look for a newer one.',
  permission: 'host.read',
  responses: { 200: { description: 'The list, and the instances.', schema: reportSchema } },
  whileStarting: true,
});

/** Methods of `client.pocketbase`. */
export const pocketbase = { advisories: getAdvisories };
