/**
 * An application on Fathom: it signs a user up, works with the user's own database, and plans work in it.
 *
 *   npm install ./fathom-client-0.1.0.tgz pocketbase
 *   FATHOM_URL=http://127.0.0.1:3000 node app.ts
 *
 * Node 22.18 or newer runs TypeScript; compile it first for Node 20. The package.json beside it needs "type": "module".
 *
 * Work items need the application: start the daemon with FATHOM_APPS=documents,work-items.
 */
import { createFathomClient, FathomError } from 'fathom-client';
import PocketBase from 'pocketbase';

const fathom = createFathomClient({ url: process.env['FATHOM_URL'] ?? 'http://127.0.0.1:3000' });

// Sign up, or sign in when the account exists.
const account = { email: 'jane@example.com', password: 'three-lucky-otters' };
try {
  await fathom.signUp(account);
} catch (error) {
  if (!(error instanceof FathomError && error.code === 'auth.email_taken')) throw error;
  await fathom.signIn(account);
}

// The PocketBase SDK works with the user's own database.
const { name, url, token } = await fathom.myDatabase();
const pb = new PocketBase(url);
pb.authStore.save(token);
const note = await pb.collection('documents').create({ title: 'hello' });
console.log(`${note['title']} from ${name}`);

// Work items: requests and answers are typed.
const project = await fathom.work.createProject({ title: 'Launch' });
const task = await fathom.work.createWorkItem({
  item_type: 'task',
  title: 'Write the page',
  project_id: project.id,
});
const moved = await fathom.work.moveWorkItem(task.id, { status: 'todo' });
const { items } = await fathom.work.listWorkItems({ project_id: project.id, status: 'todo' });
console.log(`${moved.status}: ${items.map(({ title }) => title).join(', ')}`);

// Errors have a code and, for bad input, fields.
try {
  await fathom.work.changeWorkItem(task.id, { status: 'done', version: moved.version });
} catch (error) {
  if (!(error instanceof FathomError)) throw error;
  console.log(`${error.code}: ${error.fields.map(({ path, code }) => `${path} ${code}`).join(', ')}`);
}

// The stream connects again automatically.
const stream = fathom.openStream({
  topics: ['instances'],
  onLink: (link) => console.log(`stream: ${link.kind}`),
  onSnapshot(frame) {
    if (frame.topic === 'instances') console.log(`${frame.data.length} database: ${frame.data[0]?.phase}`);
    stream.close();
  },
  onEvent: () => {},
});
