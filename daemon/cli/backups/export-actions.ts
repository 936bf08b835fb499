import { open, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { byteSize } from '../../../shared/byte-size.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { systemErrorCode } from '../../base/files/dir.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { UsageError } from '../input/usage-error.ts';
import { userIdOf } from '../input/user-id.ts';
import { printable } from '../output/print.ts';

interface ExportArguments extends ConnectArguments {
  name: string;
  file: string;
  id: string | undefined;
  collection: string | undefined;
  format: string | undefined;
  json: boolean;
}

export async function exportBackup(args: ExportArguments, context: CliContext): Promise<number> {
  const { name, id = 'latest', collection, format = 'csv' } = args;
  if (collection === undefined && args.format !== undefined)
    throw new UsageError('--format needs --collection: an archive has no other format');
  if (format !== 'csv' && format !== 'json') throw new UsageError('--format is csv or json');
  const { exports } = connect(args, context);
  return save(args, context, () =>
    collection === undefined
      ? exports.backup(name, id)
      : exports.collection(name, id, collection, { format }),
  );
}

export async function exportAccount(
  args: ConnectArguments & { user: string; file: string; json: boolean },
  context: CliContext,
): Promise<number> {
  const client = connect(args, context);
  const id = await userIdOf(client, args.user);
  return save(args, context, () => client.exports.user(id));
}

/** Writes a new file, which is complete or not there. */
async function save(
  { file: path, json }: { file: string; json: boolean },
  context: CliContext,
  download: () => Promise<AsyncIterable<Uint8Array>>,
): Promise<number> {
  const file = resolve(context.cwd, path);
  const handle = await open(file, 'wx', 0o600).catch((error: unknown) => {
    const isThere = systemErrorCode(error) === 'EEXIST';
    throw new UsageError(
      isThere ? `${file} exists; name another file` : `cannot write ${file} (${messageOf(error)})`,
    );
  });
  let bytes = 0;
  try {
    for await (const part of await download()) {
      await handle.writeFile(part);
      bytes += part.length;
    }
    await handle.sync();
  } catch (error) {
    await rm(file, { force: true });
    if (error instanceof FathomError) throw error;
    const next = 'free space for the file; the log of the daemon says what could not be read';
    throw new FathomError('backup.failed', `the download ended early (${messageOf(error)}); ${next}`, {
      cause: error,
    });
  } finally {
    await handle.close();
  }
  if (json) printJson(context, { file, bytes });
  else printLine(context.stdout, printable(`${file}: ${byteSize(bytes)}`));
  return 0;
}
