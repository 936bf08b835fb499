import { randomBytes } from 'node:crypto';
import PocketBase, { ClientResponseError } from 'pocketbase';
import type { User } from '../../../shared/api/accounts/users.ts';
import { createClient, type FathomClient } from '../../../shared/client/fathom-client.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { type Finding, fatal, ok, warning } from './finding.ts';

export interface EndToEndOptions {
  /** The client of an administrator. */
  admin: FathomClient;
  /** Where users reach the API. */
  apiUrl: string;
  /** Milliseconds. */
  now: () => number;
}

interface Trial extends EndToEndOptions {
  email: string;
  password: string;
  /** What is being done, for the message of a failure. */
  step: string;
}

/** Fathom's own collection. Administrators may have removed it. */
const COLLECTION = 'documents';

/**
 * Uses a running deployment as a user does: creates an account with a database, signs in, writes, reads and deletes a record at
 * the URL of the database, and erases the account.
 */
export async function checkEndToEnd(options: EndToEndOptions): Promise<Finding> {
  const id = randomBytes(6).toString('hex');
  const trial: Trial = {
    ...options,
    email: `doctor-${id}@fathom.invalid`,
    password: randomBytes(24).toString('base64url'),
    step: 'creating an account',
  };
  const beganAt = options.now();
  let user: User | null = null;
  let finding: Finding;
  try {
    const account = { email: trial.email, password: trial.password, verified: true };
    user = await options.admin.users.add(account);
    const url = await tryDatabase(trial);
    trial.step = 'deleting the account';
    await erase(options.admin, user);
    user = null;
    const tookMs = Math.round(options.now() - beganAt);
    finding = ok('end_to_end', `an account used its database at ${url} in ${tookMs} ms, and was erased`);
  } catch (error) {
    finding = fatal('end_to_end', `${trial.step} failed: ${describe(error)}`, remedyFor(trial.step));
  }
  if (user === null) return finding;
  try {
    await erase(options.admin, user);
    return finding;
  } catch (error) {
    const remedy = `run 'fathomd users delete ${trial.email}', and erase its database`;
    if (finding.level === 'fatal') return { ...finding, remedy: `${finding.remedy}; then ${remedy}` };
    return warning('end_to_end', `the account ${trial.email} was not deleted: ${describe(error)}`, remedy);
  }
}

/** Deletes the account with its database, and leaves neither in the trash. */
async function erase(admin: FathomClient, { id, database }: User): Promise<void> {
  await admin.users.delete(id);
  const deleted = await admin.trash.all();
  if (deleted.some(({ name }) => name === database)) await admin.trash.erase(database ?? '');
}

/** Returns the URL of the database. */
async function tryDatabase(trial: Trial): Promise<string> {
  const { apiUrl, email, password } = trial;
  trial.step = `signing in at ${apiUrl}`;
  const { database } = await createClient({ target: { url: apiUrl } }).auth.login({ email, password });
  if (!database || database.url === null || database.token === null)
    throw new Error(`the database is ${database?.status ?? 'missing'}`);
  const client = new PocketBase(database.url);
  client.authStore.save(database.token, null);
  trial.step = `using the database at ${database.url}`;
  const records = client.collection(COLLECTION);
  const title = `written by fathomd doctor ${email}`;
  const written = await records.create({ title }).catch((error: unknown) => {
    if (error instanceof ClientResponseError && error.status === 404) return null;
    throw error;
  });
  // Without the collection, an answer of the database has to be enough.
  if (written === null) return database.url;
  const read = await records.getOne(written.id);
  if (read['title'] !== title) throw new Error('a record was read with other content than it was written');
  await records.delete(written.id);
  return database.url;
}

function describe(error: unknown): string {
  if (error instanceof ClientResponseError) {
    const { status, response, originalError } = error;
    if (status === 0) return messageOf((originalError as Error).cause ?? originalError);
    return `${status} ${String(response['message'] ?? '')}`.trim();
  }
  return error instanceof FathomError ? error.message : messageOf(error);
}

function remedyFor(step: string): string {
  if (step.startsWith('using'))
    return 'check that clients reach this address (PB_PUBLIC_URL, reverse proxy, firewall, certificate)';
  if (step.startsWith('signing'))
    return 'check that clients reach this address (PUBLIC_URL, reverse proxy, firewall, certificate)';
  return "read the log of the daemon, and 'fathomd logs global'";
}
