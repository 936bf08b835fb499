/**
 * Puts a release of PocketBase into the package, so that `fathomd pocketbase install` finds it without a network. `npm pack` runs
 * it. PACK_POCKETBASE names the version; without it, the script removes what an earlier run left.
 *
 * Usage: include-pocketbase.ts [DIRECTORY]
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseReleaseSources } from '../daemon/config/release-source.ts';
import { advisoriesOf, tooOldProblem } from '../daemon/pocketbase/advisories/assess-releases.ts';
import {
  archiveName,
  describeSource,
  getRelease,
  noSourceError,
  officialIfEmpty,
  SourceError,
} from '../daemon/pocketbase/binary/release-sources.ts';
import { messageOf } from '../shared/errors.ts';
import { isVersion } from '../shared/version.ts';

/** The package contains Node for this processor. */
const ARCHITECTURE = 'x64';

/** Not to standard output, which npm may need for JSON. */
function print(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function includeRelease(version: string, directory: string): Promise<string> {
  if (!isVersion(version)) throw new Error(`PACK_POCKETBASE=${version}: name a version, like 0.40.6`);
  const tooOld = tooOldProblem(version);
  if (tooOld !== null) throw new Error(tooOld);
  const sources = officialIfEmpty(
    parseReleaseSources(process.env['PB_RELEASES_URL'] ?? '', process.cwd(), (problem) => {
      throw new Error(`PB_RELEASES_URL: ${problem}`);
    }),
  );
  const problems = [];
  for (const source of sources) {
    try {
      const { archive, checksum } = await getRelease(version, source, { arch: ARCHITECTURE });
      const target = join(directory, `v${version}`);
      await mkdir(target, { recursive: true });
      await writeFile(join(target, archiveName(version, ARCHITECTURE)), archive);
      await writeFile(join(target, 'checksums.txt'), checksum);
      return describeSource(source);
    } catch (problem) {
      if (!(problem instanceof SourceError)) throw problem;
      problems.push({ source, problem });
    }
  }
  throw noSourceError(version, problems);
}

const [directory = join(import.meta.dirname, '..', 'pocketbase')] = process.argv.slice(2);
const version = process.env['PACK_POCKETBASE']?.replace(/^v/, '');
await rm(directory, { recursive: true, force: true });
if (version !== undefined) {
  try {
    const source = await includeRelease(version, directory);
    print(`the package contains PocketBase ${version} from ${source}`);
    for (const { id } of advisoriesOf(version)) print(`warning: PocketBase ${version} has ${id}`);
  } catch (error) {
    print(`include-pocketbase: ${messageOf(error)}`);
    process.exitCode = 1;
  }
}
