import type { ApplicationPlanView } from '../../shared/api/applications.ts';
import { FathomError } from '../../shared/errors.ts';
import { hasApplication, withApplication, withoutApplication } from '../databases/applications/choice.ts';
import { DOCUMENTS } from '../databases/applications/sources.ts';
import type { Catalog, CatalogEntry } from '../databases/catalog.ts';
import { heldMigrations } from '../databases/migrations/held-migrations.ts';
import type { Templates } from '../databases/provisioning/templates.ts';
import type { Change } from './change.ts';
import { describeMigrations, givingApplications, pendingOf } from './migrations-rollout.ts';
import type { RolloutPlan } from './rollout.ts';
import {
  describePlan,
  type Planned,
  planOf,
  type RolloutOptions,
  requestedEntries,
  skipReason,
} from './rollout-plan.ts';

export interface ApplicationRolloutDeps {
  catalog: Catalog;
  templates: Pick<Templates, 'of' | 'prepare' | 'refresh' | 'inDirectory' | 'describeApplications'>;
}

export type ApplicationChange = 'add-application' | 'remove-application';

type Step = Pick<RolloutPlan, 'kind' | 'target'>;

/**
 * Plans to add an application to databases, or to remove one. Tests the applications that each database would have.
 *
 * @throws FathomError `not_found` for an unknown application, `conflict` when no database can be changed
 */
export async function planApplication(
  request: RolloutOptions & { name: string; kind: ApplicationChange },
  { catalog, templates }: ApplicationRolloutDeps,
): Promise<Planned<ApplicationPlanView>> {
  const { name, kind } = request;
  await templates.refresh();
  await requireKnown(request, { catalog, templates });
  const described: { entry: CatalogEntry; pending: string[]; reason: string | null }[] = [];
  for (const entry of requestedEntries(request, catalog)) {
    const reason =
      applicationReason(entry, { kind, target: name }, templates) ??
      (await refusal(entry, request, templates));
    const pending =
      reason === null ? pendingOf(entry, nextChoice(entry, { kind, target: name }, templates)) : [];
    described.push({ entry, pending, reason });
  }
  const chosen = described.filter(({ reason }) => reason === null).map(({ entry }) => entry);
  if (chosen.length === 0) {
    const [first] = described;
    const why = first ? `${first.entry.row.name}: ${first.reason ?? ''}` : 'there are none';
    const advice = kind === 'add-application' ? await adviceFor(described, templates) : '';
    throw new FathomError('conflict', `${name} can be ${VERBS[kind]} no database (${why})${advice}`);
  }
  const plan = planOf(kind, name, chosen, request);
  return {
    plan,
    view: {
      ...(await describePlan(plan, chosen, catalog)),
      application: name,
      databases: described.flatMap(({ entry, pending, reason }) =>
        reason === null ? [{ name: entry.row.name, pending }] : [],
      ),
      // Those that are as they should be are not listed when all databases were asked for.
      skipped: described.flatMap(({ entry, reason }) =>
        reason === null ||
        (request.databases === undefined && isDone(entry, { kind, target: name }, templates))
          ? []
          : [{ name: entry.row.name, reason }],
      ),
    },
  };
}

const VERBS: Readonly<Record<ApplicationChange, string>> = {
  'add-application': 'added to',
  'remove-application': 'removed from',
};

/** What to do about databases that have the application, but not its latest files; empty when there are none. */
async function adviceFor(
  described: readonly { entry: CatalogEntry }[],
  templates: ApplicationRolloutDeps['templates'],
): Promise<string> {
  for (const { entry } of described) {
    const { pending, problem } = await describeMigrations(entry, templates);
    if (problem) return `. The latest files are not used: ${problem.message}`;
    if (pending.length > 0)
      return (
        `. ${entry.row.name} lacks the latest files of its applications: see 'fathomd migrations plan', then run` +
        ` 'fathomd migrations apply', or 'fathomd databases restart ${entry.row.name}' for this database alone`
      );
  }
  return '';
}

/** The change of one database. */
export function applicationChangeOf(
  plan: RolloutPlan,
  entry: CatalogEntry,
  templates: ApplicationRolloutDeps['templates'],
): Change {
  const choice = nextChoice(entry, plan, templates);
  const isAdded = plan.kind === 'add-application';
  return {
    rollout: plan.id,
    after: entry.row.pocketbase_version,
    applications: choice,
    why: { code: 'requested', message: `it ${isAdded ? 'gets' : 'loses'} the application ${plan.target}` },
    ...givingApplications(choice, templates),
    // What its applications of before hold is held again after it went back.
    hold: heldMigrations(entry.runner.spec.directory),
  };
}

/** Why the applications of a database are not changed; null when they are. */
export function applicationReason(
  entry: CatalogEntry,
  step: Step,
  templates: Pick<Templates, 'inDirectory'>,
): string | null {
  if (isDone(entry, step, templates))
    return step.kind === 'add-application' ? `it has ${step.target}` : `it does not have ${step.target}`;
  if (entry.runner.spec.archived() !== null)
    return `it is archived; run 'fathomd databases wake ${entry.row.name}', then try again`;
  return skipReason(entry);
}

function isDone(
  { instance }: CatalogEntry,
  { kind, target }: Step,
  { inDirectory }: Pick<Templates, 'inDirectory'>,
): boolean {
  const all = [...inDirectory, ...instance.neededApplications()];
  return hasApplication(instance.choice, target, all) === (kind === 'add-application');
}

function nextChoice(
  { instance }: CatalogEntry,
  { kind, target }: Step,
  { inDirectory }: Pick<Templates, 'inDirectory'>,
): string {
  const all = [...inDirectory, ...instance.neededApplications()];
  return kind === 'add-application'
    ? withApplication(instance.choice, target)
    : withoutApplication(instance.choice, target, all);
}

/** Why the applications that a database would have do not work together, with file and line. */
async function refusal(
  entry: CatalogEntry,
  { name, kind }: { name: string; kind: ApplicationChange },
  templates: ApplicationRolloutDeps['templates'],
): Promise<string | null> {
  const { instance } = entry;
  await instance.binaryProblem();
  const choice = nextChoice(entry, { kind, target: name }, templates);
  await templates.prepare(instance.binary, choice);
  const { problem } = templates.of(instance.binary, choice);
  return (
    problem &&
    `its applications do not work ${kind === 'add-application' ? 'with' : 'without'} ${name}: ${problem.message}`
  );
}

/** @throws FathomError `not_found`, `conflict` */
async function requireKnown(
  { name, kind }: { name: string; kind: ApplicationChange },
  { catalog, templates }: ApplicationRolloutDeps,
): Promise<void> {
  if (name === DOCUMENTS)
    throw new FathomError('conflict', `every database has the application ${DOCUMENTS}`);
  const isUsed = () =>
    catalog
      .entries()
      .some((entry) => !isDone(entry, { kind: 'remove-application', target: name }, templates));
  if (kind === 'remove-application' && isUsed()) return;
  const known = (await templates.describeApplications()).map((one) => one.name);
  if (!known.includes(name))
    throw new FathomError(
      'not_found',
      `there is no application ${name}; there are: ${known.join(', ')}. Put the files of others into FATHOM_APP_DIR`,
    );
}
