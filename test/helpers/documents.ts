import PocketBase from 'pocketbase';
import type { Deployment } from './deployment.ts';
import { instance, ownerOf, PASSWORD, type Tenant } from './fleet-actions.ts';
import { readUserDatabase } from './user-migrations.ts';

/** Adds a document with a file, as the owner. */
export async function addDocument(fathom: Deployment, tenant: Tenant, title: string): Promise<void> {
  const form = new FormData();
  form.set('title', title);
  form.set('files', new Blob([`file of ${title}`]), 'file.txt');
  await (await ownerOf(fathom, tenant)).collection('documents').create(form);
}

/** Adds documents until a request fails, because the database moves. @returns the titles that were acknowledged */
export async function writeUntilRefused(fathom: Deployment, tenant: Tenant): Promise<string[]> {
  const documents = (await ownerOf(fathom, tenant)).collection('documents');
  const titles: string[] = [];
  for (let count = 0; ; count += 1) {
    const title = `write ${count}`;
    try {
      await documents.create({ title });
    } catch {
      return titles;
    }
    titles.push(title);
  }
}

/** Sorted. */
export function titlesOf(fathom: Deployment, { name }: Pick<Tenant, 'name'>): string[] {
  return readUserDatabase(fathom, name, (database) =>
    database
      .prepare('SELECT title FROM documents ORDER BY title')
      .all()
      .map(({ title }) => String(title)),
  );
}

/** Signs in at the database itself, and returns the titles and contents of files that the owner sees. */
export async function readAsOwner(
  fathom: Deployment,
  { name, email }: Pick<Tenant, 'name' | 'email'>,
  password = PASSWORD,
): Promise<[title: string, content: string][]> {
  const { url } = await instance(fathom, name);
  const client = new PocketBase(url ?? '');
  client.autoCancellation(false);
  await client.collection('users').authWithPassword(email, password);
  const documents = await client.collection('documents').getFullList({ sort: 'title' });
  return Promise.all(
    documents.map(async (one): Promise<[string, string]> => {
      const token = await client.files.getToken();
      const file = await fetch(client.files.getURL(one, (one['files'] as string[])[0] ?? '', { token }));
      return [String(one['title']), await file.text()];
    }),
  );
}
