import { randomUUID } from 'node:crypto';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApplicationCheck } from '../../../shared/api/applications.ts';
import type { MigrationProblem } from '../../../shared/api/migrations.ts';
import { withDatabase } from '../../pocketbase/data/sqlite.ts';
import { isMigration, type MigrationFile, writeMigrationSet } from '../migrations/migration-files.ts';
import { migrateScratch, type ScratchRun, SetRefused } from '../migrations/scratch.ts';
import type { Template } from '../provisioning/clone.ts';
import { type TemplateOptions, TemplateStore } from '../provisioning/template.ts';
import { findUnused } from './unused-files.ts';

const TIMEOUT_MS = 30_000;
const NO_WAY_BACK = 'fathom: no way back';
/** Before the name of a migration that goes back. It has another name, so that PocketBase runs it. */
const BACK = /back_\d+_/;

/**
 * Tests one application, without others: applies its migrations, goes back, applies them again, and loads its hooks.
 *
 * @param name of an application that exists
 */
export async function checkApplication(
  name: string,
  options: Omit<TemplateOptions, 'goodFile'>,
): Promise<ApplicationCheck> {
  const directory = join(options.directory, `.check-${randomUUID()}`);
  const store = new TemplateStore({
    ...options,
    directory,
    assembledDir: join(directory, 'assembled'),
    applications: { ...options.applications, applications: [name] },
    goodFile: 'good',
    // The result says what was found.
    log: options.log.child({ application: name }, { level: 'silent' }),
  });
  try {
    await store.refresh();
    const { current, problem, warnings } = store;
    if (problem || !current) return { problem, warnings: [] };
    const { driver, binary } = options;
    const run = { driver, binary: binary.path, environment: {}, timeoutMs: TIMEOUT_MS };
    const back = await goBack(name, current, directory, run);
    return { problem: null, warnings: [...warnings, ...back, ...(await findUnused(options, name))] };
  } catch (error) {
    if (error instanceof SetRefused) return { problem: error.problem, warnings: [] };
    throw error;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Undoes the migrations of an application and applies them again. Returns warnings. @throws SetRefused */
async function goBack(
  application: string,
  template: Template,
  scratch: string,
  run: Omit<ScratchRun, 'dataDir' | 'migrationsDir'>,
): Promise<string[]> {
  const files = template.files.filter((file) => file.application === application && isMigration(file.path));
  const [dataDir, migrationsDir] = [join(scratch, 'back', 'pb_data'), join(scratch, 'back', 'migrations')];
  await cp(template.pbData, dataDir, { recursive: true });
  const inverted = files.toReversed().map(invert);
  await writeMigrationSet(inverted, migrationsDir);
  try {
    await migrateScratch({ ...run, dataDir, migrationsDir }, inverted);
  } catch (error) {
    const problem = withoutMark(error, 'going back');
    if (!problem.message.includes(NO_WAY_BACK)) throw new SetRefused(problem);
    return [`${problem.file ?? 'a migration'} has no second function, so going back was not tested`];
  }
  withDatabase(join(dataDir, 'data.db'), { readOnly: false }, (database) => {
    const remove = database.prepare('DELETE FROM _migrations WHERE file = ?');
    for (const { path } of [...files, ...inverted]) remove.run(path);
  });
  try {
    await migrateScratch({ ...run, dataDir, migrationsDir: template.migrationsDir }, template.files);
  } catch (error) {
    throw new SetRefused(withoutMark(error, 'applied again after going back'));
  }
  return [];
}

/** A migration whose first function is the second one of a file. The code is on the first line, so lines keep their numbers. */
function invert(file: MigrationFile, index: number): MigrationFile {
  const prelude = `migrate=((run)=>(up,down)=>run((app)=>{if(typeof down!=='function')throw new Error('${NO_WAY_BACK}');return down(app)},()=>{}))(migrate);`;
  return {
    ...file,
    path: `back_${String(index).padStart(5, '0')}_${file.path}`,
    content: Buffer.concat([Buffer.from(prelude), file.content]),
  };
}

/** The problem with the name of the file that people know. @throws other errors */
function withoutMark(error: unknown, when: string): MigrationProblem {
  if (!(error instanceof SetRefused)) throw error;
  const { problem } = error;
  return {
    ...problem,
    file: problem.file?.replace(BACK, '') ?? null,
    message: `${when}: ${problem.message.replace(BACK, '')}`,
  };
}
