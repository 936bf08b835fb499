/** Writes a row into each database again and again, until its parent ends. Arguments: the files. */
import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';

const EVERY_MS = 50;

const databases = process.argv.slice(2).map((file) => new DatabaseSync(file, { timeout: 20_000 }));
const statements = databases.map((database) =>
  database.prepare("INSERT INTO documents (id, title, body, file) VALUES (?, 'written', '', '')"),
);
setInterval(() => {
  for (const statement of statements) statement.run(randomBytes(8).toString('hex').slice(1));
}, EVERY_MS);
process.once('disconnect', () => process.exit());
process.send('ready');
