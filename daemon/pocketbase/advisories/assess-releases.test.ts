import { describe, expect, it } from 'vitest';
import { type AdvisoryList, advisoryListSchema } from '../../../shared/api/pocketbase.ts';
import { compareVersions } from '../../../shared/version.ts';
import { EMBEDDED } from '../binary/binary.ts';
import {
  advisoriesOf,
  advisoryReport,
  exposureOf,
  hazardsOnTheWay,
  recommended,
  tooOldProblem,
} from './assess-releases.ts';
import { KNOWN_ADVISORIES, OLDEST_POCKETBASE } from './known-advisories.ts';

const PANIC = 'CVE-2026-82410';
const ids = (entries: readonly { id: string }[]) => entries.map(({ id }) => id);

/** With a new vulnerability of the releases from `from` on. */
const withNew = (from: string): AdvisoryList => ({
  ...KNOWN_ADVISORIES,
  advisories: [
    {
      id: 'CVE-2027-1',
      aliases: [],
      severity: 'critical',
      published: '2027-01-01',
      affected: [{ from, below: '0.41.0' }],
      fixed_in: '0.41.0',
      summary: 'A new one.',
    },
  ],
});

describe('the list of this release', () => {
  it('has the format of newer lists, and names each entry once', () => {
    expect(advisoryListSchema.parse(KNOWN_ADVISORIES)).toEqual(KNOWN_ADVISORIES);
    const all = [...ids(KNOWN_ADVISORIES.advisories), ...ids(KNOWN_ADVISORIES.hazards)];
    expect(new Set(all).size).toBe(all.length);
  });

  it('names a fix for each advisory that is not affected itself', () => {
    for (const { id, affected, fixed_in } of KNOWN_ADVISORIES.advisories) {
      if (fixed_in !== null) expect(ids(advisoriesOf(fixed_in))).not.toContain(id);
      for (const { from, below } of affected)
        if (below !== null) expect(compareVersions(from, below)).toBeLessThan(0);
    }
  });

  it('recommends releases that can be used', () => {
    for (const { version } of KNOWN_ADVISORIES.recommended) {
      expect(advisoriesOf(version)).toEqual([]);
      expect(tooOldProblem(version)).toBeNull();
      expect(hazardsOnTheWay(EMBEDDED.version, version).filter(({ avoid }) => avoid)).toEqual([]);
    }
  });
});

it.each([
  ['0.22.47', []],
  ['0.23.0', [PANIC]],
  ['0.37.3', [PANIC, 'CVE-2026-44166']],
  ['0.37.4', [PANIC]],
  ['0.39.1', [PANIC]],
  ['0.39.6', [PANIC]],
  ['0.39.7-rc.1', [PANIC]],
  ['0.39.7', []],
  ['0.39.10', []],
  ['0.40.6', []],
  ['(untracked)', []],
])('finds the advisories of %s, worst first', (version, expected) => {
  expect(ids(advisoriesOf(version))).toEqual(expected);
});

it.each([
  ['0.39.1', '0.39.1', ['migration-hangs', 'thumbnail-memory']],
  ['0.39.1', '0.39.9', ['panic-exits-0', 'migration-hangs', 'thumbnail-memory']],
  ['0.39.1', '0.39.11', ['migration-hangs', 'thumbnail-memory']],
  ['0.39.1', '0.40.6', ['backups-vacuum-into', 'exit-codes']],
  ['0.40.0', '0.40.6', []],
  ['0.40.6', '0.39.11', ['migration-hangs', 'thumbnail-memory', 'backups-vacuum-into', 'exit-codes']],
  ['0.36.9', '0.40.6', ['collections-saved-again', 'backups-vacuum-into', 'exit-codes']],
  ['0.38.1', '0.40.6', ['backups-vacuum-into', 'exit-codes']],
  [null, '0.40.6', []],
  [null, '0.40.3', ['migration-hangs', 'thumbnail-memory']],
])('finds the hazards on the way from %s to %s', (from, to, expected) => {
  expect(ids(hazardsOnTheWay(from, to))).toEqual(expected);
});

describe('recommends', () => {
  it.each([null, '0.36.9', '0.39.1', '0.39.11', '0.40.1', '0.40.6', 'own-build'])('0.40.6 to %s', (from) => {
    expect(recommended(from)?.version).toBe('0.40.6');
  });

  it('nothing to a newer one', () => {
    expect(recommended('0.41.0')).toBeNull();
  });

  it('the next best one when the best has a vulnerability, and none when all have', () => {
    expect(recommended('0.39.1', withNew('0.40.0'))?.version).toBe('0.39.11');
    expect(recommended('0.39.1', withNew('0.39.0'))).toBeNull();
    const { remedy } = exposureOf([{ name: 'a', version: '0.39.1' }], withNew('0.39.0'));
    expect(remedy).toContain('fathomd doctor --advisories');
  });
});

describe('a vulnerability that no release fixes', () => {
  const [known] = KNOWN_ADVISORIES.advisories;
  const list = advisoryListSchema.parse({
    ...KNOWN_ADVISORIES,
    advisories: [
      known,
      { ...withNew('0.23.0').advisories[0], affected: [{ from: '0.23.0', below: null }], fixed_in: null },
    ],
  });
  const remedyFor = (version: string) => exposureOf([{ name: 'a', version }], list).remedy;

  it('affects all later releases, and still recommends the one with the other fixes', () => {
    expect(ids(advisoriesOf('0.40.6', list))).toEqual(['CVE-2027-1']);
    expect(ids(advisoriesOf('9.0.0', list))).toEqual(['CVE-2027-1']);
    expect(recommended('0.39.1', list)?.version).toBe('0.40.6');
  });

  it('is named with what can be done', () => {
    expect(remedyFor('0.39.1')).toMatch(/pocketbase install.*no release fixes CVE-2027-1/);
    expect(remedyFor('0.40.6')).toMatch(/^no release fixes CVE-2027-1/);
    expect(exposureOf([{ name: 'a', version: '0.40.6' }], list)).toMatchObject({ vulnerable_instances: 1 });
  });
});

it(`refuses versions below ${OLDEST_POCKETBASE}, and no own builds`, () => {
  expect(tooOldProblem('0.36.6')).toContain(OLDEST_POCKETBASE);
  expect(tooOldProblem('0.36.7-rc.1')).toContain(OLDEST_POCKETBASE);
  expect(tooOldProblem('0.36.7')).toBeNull();
  expect(tooOldProblem('(untracked)')).toBeNull();
});

describe('a fleet', () => {
  const fleet = [
    { name: 'global', version: '0.39.1' },
    { name: 'ann', version: '0.39.1' },
    { name: 'bob', version: '0.40.6' },
    { name: 'cid', version: '0.37.3' },
  ];

  it('is vulnerable by version, with what to do', () => {
    expect(exposureOf(fleet)).toEqual({
      vulnerable_instances: 3,
      versions: [
        { version: '0.37.3', instances: 1, severity: 'high', advisories: [PANIC, 'CVE-2026-44166'] },
        { version: '0.39.1', instances: 2, severity: 'high', advisories: [PANIC] },
      ],
      remedy: expect.stringContaining("'fathomd pocketbase install'") as string,
    });
    expect(ids(advisoryReport(fleet).instances.map(({ name }) => ({ id: name })))).toEqual([
      'global',
      'ann',
      'cid',
    ]);
  });

  it('is not vulnerable with patched releases', () => {
    expect(exposureOf([{ name: 'global', version: '0.39.11' }])).toEqual({
      vulnerable_instances: 0,
      versions: [],
      remedy: null,
    });
  });
});
