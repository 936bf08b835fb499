import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';

const PACKAGE = join(import.meta.dirname, '../..');
const DIRECTORIES = ['pb_migrations/user', 'pb_apps/documents/migrations'];

/** Databases store the SHA-256 of each migration that they applied, and report `migration_drift` for a changed one. */
const RELEASED = {
  '1763700000_owner.js': '8d978282fa5fc9370a88142d7bc6ff1fe75267194208564d5d9e0bc756950006',
  '1763700001_documents.js': 'd00238da2ebbf0724a206f328e872224c2f45aee7046394afd796f91b59ed39b',
};

it('leaves released migrations of user databases as they are, comments included', () => {
  const files = DIRECTORIES.flatMap((directory) =>
    readdirSync(join(PACKAGE, directory)).map((name) => join(directory, name)),
  ).filter((path) => path.endsWith('.js'));
  const hashes = Object.fromEntries(
    files.map((path) => [
      basename(path),
      createHash('sha256')
        .update(readFileSync(join(PACKAGE, path)))
        .digest('hex'),
    ]),
  );
  expect(hashes).toEqual(RELEASED);
});
