import PocketBase from 'pocketbase';
import { describe, expect, it } from 'vitest';
import { deployment } from '../helpers/harness.ts';

interface Session {
  token: string;
  user: { id: string; email: string; role: string };
  database: { name: string; url: string; port: number; status: string; token: string };
}

describe('signing up', () => {
  it('gives a running database in which the owner is signed in at once', async () => {
    const fathom = await deployment();
    await fathom.start();

    const response = await fetch(`${fathom.url}/api/v1/auth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'John.Doe+x@example.com', password: 'a-good-password' }),
    });
    expect(response.status).toBe(201);
    const session = (await response.json()) as Session;
    expect(session.database.name).toMatch(/^\d{4}-\d{2}-\d{2}-001-johndoex$/);
    expect(session.database.status).toBe('Running');

    const owner = new PocketBase(session.database.url);
    owner.authStore.save(session.database.token);
    const written = await owner.collection('documents').create({ title: 'first', data: { answer: 42 } });
    const read = await owner.collection('documents').getOne(written.id);
    expect(read['data']).toEqual({ answer: 42 });

    // The token is one of PocketBase's own: the SDK renews it.
    const renewed = await owner.collection('users').authRefresh();
    expect(renewed.record.id).toBe(session.user.id);
  });
});
