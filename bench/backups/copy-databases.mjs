/**
 * What a person does before restic: copies each database with SQLite's backup, some at a time, in one step because it begins
 * again at each write otherwise. Arguments: how many at a time, and pairs of a file and its copy.
 */
import { backup, DatabaseSync } from 'node:sqlite';

const ALL_PAGES = 2 ** 31 - 1;

const [parallel, ...paths] = process.argv.slice(2);
const copyNext = async () => {
  for (;;) {
    const [from, to] = paths.splice(0, 2);
    if (from === undefined) return;
    const source = new DatabaseSync(from, { readOnly: true, timeout: 20_000 });
    await backup(source, to, { rate: ALL_PAGES });
    source.close();
  }
};
await Promise.all(Array.from({ length: Number(parallel) }, copyNext));
