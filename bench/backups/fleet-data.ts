import { randomBytes, randomInt } from 'node:crypto';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { execa } from 'execa';
import PocketBase from 'pocketbase';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import { freePortRange } from '../../test/helpers/free-ports.ts';
import { randomFrom } from '../../test/helpers/random.ts';
import { BARE_SUPERUSER, BINARY, bareBoot } from '../bare-pocketbase.ts';

/** Of the data: rows, the rest are uploaded files. */
const SHARE_OF_ROWS = 0.6;
/** Adds to the rank of a database, so that the largest has about a twentieth of all data, and the smallest some megabytes. */
const RANK_OFFSET = 5;
const ROW_BYTES = 1_000;
const ROW_OVERHEAD_BYTES = 90;
const MIN_FILE_BYTES = 20_000;
const MAX_FILE_BYTES = 4_000_000;
/** Rows are parts of it. It is large, so that hardly any text comes twice in a part that is compressed. */
const TEXT_BYTES = 64 * 1024 * 1024;
const WORDS = 4_000;

export interface FleetDatabase {
  name: string;
  /** `pb_data` */
  dataDir: string;
  rows: number;
}

export function databaseNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `2024-01-15-${String(index + 1).padStart(3, '0')}-user`);
}

/** Data directories of PocketBase with rows and uploaded files, of very different sizes, as the fleets of users are. */
export class FleetData {
  readonly databases: FleetDatabase[] = [];
  readonly directory: string;
  readonly #text = randomText();
  #storageName = '';

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** @param bytes of all databases */
  static async create(directory: string, names: readonly string[], bytes: number): Promise<FleetData> {
    const fleet = new FleetData(directory);
    const template = join(directory, '.template');
    fleet.#storageName = await createTemplate(template);
    const weights = names.map((_, rank) => 1 / (rank + RANK_OFFSET));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    for (const [index, name] of names.entries())
      await fleet.#add(name, template, (bytes * (weights[index] ?? 0)) / sum);
    await rm(template, { recursive: true });
    return fleet;
  }

  /** Changes this share of the rows of each database, one after the other as a user does, and adds as many bytes in files. */
  async change(share: number): Promise<void> {
    for (const { dataDir, rows } of this.databases) {
      const changed = Math.max(1, Math.round(rows * share));
      const first = randomInt(Math.max(1, rows - changed));
      withDatabase(join(dataDir, 'data.db'), { readOnly: false, timeoutMs: 20_000 }, (database) => {
        const update = database.prepare('UPDATE documents SET body = ? WHERE rowid = ?');
        database.exec('BEGIN IMMEDIATE');
        for (let row = first; row < first + changed; row += 1) update.run(this.#slice(), row + 1);
        database.exec('COMMIT');
      });
      await this.#upload(dataDir, (changed * ROW_BYTES * (1 - SHARE_OF_ROWS)) / SHARE_OF_ROWS);
    }
  }

  async #add(name: string, template: string, bytes: number): Promise<void> {
    const dataDir = join(this.directory, name, 'pb_data');
    await cp(template, dataDir, { recursive: true });
    const rows = Math.round((bytes * SHARE_OF_ROWS) / (ROW_BYTES + ROW_OVERHEAD_BYTES));
    withDatabase(join(dataDir, 'data.db'), { readOnly: false }, (database) => {
      const insert = insertInto(database);
      database.exec('BEGIN IMMEDIATE');
      for (let row = 0; row < rows; row += 1) insert.run(recordId(), `document ${row}`, this.#slice(), '');
      database.exec('COMMIT');
    });
    await this.#upload(dataDir, bytes * (1 - SHARE_OF_ROWS));
    this.databases.push({ name, dataDir, rows });
  }

  /** Files of photos and archives: what cannot be compressed. */
  async #upload(dataDir: string, bytes: number): Promise<void> {
    const uploads: [id: string, file: string][] = [];
    const random = randomFrom(randomInt(2 ** 31));
    for (let left = bytes; left > 0; ) {
      const size = Math.round(MIN_FILE_BYTES * (MAX_FILE_BYTES / MIN_FILE_BYTES) ** random());
      const id = recordId();
      const file = `photo_${recordId().slice(0, 10)}.jpg`;
      const directory = join(dataDir, 'storage', this.#storageName, id);
      await mkdir(directory, { recursive: true });
      await writeFile(join(directory, file), randomBytes(size));
      uploads.push([id, file]);
      left -= size;
    }
    withDatabase(join(dataDir, 'data.db'), { readOnly: false, timeoutMs: 20_000 }, (database) => {
      const insert = insertInto(database);
      for (const [id, file] of uploads) insert.run(id, file, '', file);
    });
  }

  #slice(): string {
    const at = randomInt(this.#text.length - ROW_BYTES);
    return this.#text.slice(at, at + ROW_BYTES);
  }
}

function insertInto(database: DatabaseSync) {
  return database.prepare('INSERT INTO documents (id, title, body, file) VALUES (?, ?, ?, ?)');
}

function recordId(): string {
  return randomBytes(8).toString('hex').slice(0, 15);
}

/** Words are as frequent as in a language: few are used often. */
function randomText(): string {
  const random = randomFrom(1);
  const words = Array.from({ length: WORDS }, () => {
    const letters = 2 + Math.floor(random() * 9);
    return Array.from({ length: letters }, () => String.fromCharCode(97 + Math.floor(random() * 26))).join(
      '',
    );
  });
  const parts: string[] = [];
  for (let bytes = 0; bytes < TEXT_BYTES; ) {
    const word = words[Math.floor(WORDS ** random()) - 1] ?? '';
    parts.push(word);
    bytes += word.length + 1;
  }
  return parts.join(' ');
}

/** Runs PocketBase once. @returns the name of the directory of uploaded files */
async function createTemplate(dataDir: string): Promise<string> {
  const { email, password } = BARE_SUPERUSER;
  await execa(BINARY, ['superuser', 'upsert', email, password, `--dir=${dataDir}`]);
  const port = await freePortRange(1);
  const server = await bareBoot(port, [`--dir=${dataDir}`, '--automigrate=false']);
  const client = new PocketBase(`http://127.0.0.1:${port}`);
  await client.collection('_superusers').authWithPassword(email, password);
  const { id } = await client.collections.create({
    name: 'documents',
    type: 'base',
    createRule: '',
    fields: [
      { name: 'title', type: 'text' },
      { name: 'body', type: 'text' },
      { name: 'file', type: 'file', maxSelect: 1, maxSize: MAX_FILE_BYTES },
    ],
  });
  await server.stop();
  return id;
}
