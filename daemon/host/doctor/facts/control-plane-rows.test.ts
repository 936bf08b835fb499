import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { scratch } from '../../../../test/helpers/scratch.ts';
import { readRows } from './control-plane-rows.ts';

async function createFile(sql: string): Promise<string> {
  const file = join(await scratch(), 'data.db');
  using database = new DatabaseSync(file);
  database.exec(`CREATE TABLE users (id, email, role, is_active, verified, created);
    CREATE TABLE user_databases (name, user, port); ${sql}`);
  return file;
}

it('counts ports, and active users without a database', async () => {
  const file = await createFile(`INSERT INTO users (id, role, is_active, verified) VALUES
      ('a', 'user', 1, 1), ('b', 'user', 1, 1), ('c', 'user', 0, 1), ('d', 'admin', 1, 1), ('f', 'user', 1, 0);
    INSERT INTO user_databases VALUES ('2026-01-01-001-a', 'a', 9000), ('2026-01-01-002-e', 'e', 0)`);
  const open = readRows(file, { onlyVerified: false });
  expect(open).toMatchObject({ ports: [9000], withoutDatabase: 2, invalidPlans: [] });
  // The others get a database only after their address is verified.
  expect(readRows(file, { onlyVerified: true })).toMatchObject({ withoutDatabase: 1 });
});

it('finds plans with invalid limits', async () => {
  const file = await createFile(`CREATE TABLE plans (name, limits);
    INSERT INTO plans VALUES ('free', '{"disk_mb": 500, "tasks": null}'), ('odd', '{"disk_mb": "5", "tasks": 2}'), ('bad', '[]'), ('none', 'null')`);
  expect(readRows(file, { onlyVerified: false })).toMatchObject({
    invalidPlans: [
      { name: 'bad', limits: ['limits'] },
      { name: 'odd', limits: ['disk_mb'] },
    ],
  });
});

it('reports a file that cannot be read', async () => {
  const file = join(await scratch(), 'data.db');
  expect(readRows(file, { onlyVerified: false })).toHaveProperty('problem');
});
