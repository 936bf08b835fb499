import type { AdvisoryList } from '../../../shared/api/pocketbase.ts';

/**
 * Below it, SQLite can corrupt a write-ahead log that two processes write and checkpoint. The daemon writes into databases
 * beside PocketBase, so an older one must not run.
 */
export const OLDEST_POCKETBASE = '0.36.7';

/**
 * Vulnerabilities and other facts about releases of PocketBase. PocketBase's repository is archived: 0.40.6 is its last release.
 * docs/upgrades.md describes how to add an entry.
 */
export const KNOWN_ADVISORIES: AdvisoryList = {
  updated: '2026-11-26',
  recommended: [
    {
      version: '0.40.6',
      reason:
        'It is the last release of PocketBase and has every known fix. It changes no database of 0.39.1, so the change can be undone.',
    },
    {
      version: '0.39.11',
      reason:
        'It is the smallest step from 0.39.1: the same series with the fixes, without the changes of 0.40.',
    },
  ],
  advisories: [
    {
      id: 'CVE-2026-82410',
      aliases: ['GHSA-84vh-m24q-wjjx'],
      severity: 'high',
      published: '2026-09-16',
      affected: [{ from: '0.23.0', below: '0.39.7' }],
      fixed_in: '0.39.7',
      summary:
        'A remote client can end the process with a request that causes a panic in an internal worker.',
    },
    {
      id: 'CVE-2026-44166',
      aliases: ['GHSA-pq7p-mc74-g65w'],
      severity: 'moderate',
      published: '2026-05-12',
      affected: [{ from: '0.30.0', below: '0.37.4' }],
      fixed_in: '0.37.4',
      summary:
        'An attacker who knows the address of a person can create an account that the person later takes over by OAuth2, and keep access to it.',
    },
  ],
  hazards: [
    {
      id: 'collections-saved-again',
      kind: 'change',
      from: '0.38.1',
      below: null,
      avoid: false,
      summary: 'A system migration saves all collections with indexes again at the first start.',
    },
    {
      id: 'panic-exits-0',
      kind: 'defect',
      from: '0.39.7',
      below: '0.39.10',
      avoid: true,
      summary: 'A command that panics may exit with 0, so a failed migration can look like a successful one.',
    },
    {
      id: 'migration-hangs',
      kind: 'defect',
      from: '0.23.0',
      below: '0.40.4',
      avoid: false,
      summary: 'A migration that logs 200 rows or more can hang; Fathom ends it after its time limit.',
    },
    {
      id: 'thumbnail-memory',
      kind: 'defect',
      from: '0.23.0',
      below: '0.40.6',
      avoid: false,
      summary:
        'A small image with many pixels can take hundreds of megabytes for its thumbnail; set DATABASE_MEMORY_MB.',
    },
    {
      id: 'backups-vacuum-into',
      kind: 'change',
      from: '0.40.0',
      below: null,
      avoid: false,
      summary:
        'Backups copy databases with VACUUM INTO: writers wait less, and the disk needs space for a second copy.',
    },
    {
      id: 'exit-codes',
      kind: 'change',
      from: '0.40.0',
      below: null,
      avoid: false,
      summary:
        'A command that fails exits with 1 instead of 0; adapt scripts that call the executable of PocketBase.',
    },
  ],
};
