import { expect, it } from 'vitest';
import { edgeHosts } from './edge-hosts.ts';

it('derives the names of databases, the API and the global PocketBase', () => {
  expect(edgeHosts('https://{name}.db.example.com', 'https://api.example.com')).toEqual({
    api: 'api.example.com',
    auth: 'auth.example.com',
    databaseSuffix: '.db.example.com',
  });
  expect(edgeHosts('http://{name}.db.test:8080/', 'http://fathom.test:8080')).toMatchObject({
    api: 'fathom.test',
    auth: 'auth.test',
    databaseSuffix: '.db.test',
  });
});

it.each([
  ['https://{name}.example.com:{port}', 'https://api.example.com', 'PB_PUBLIC_URL', '{port}'],
  ['https://{host}:{port}', 'https://api.example.com', 'PB_PUBLIC_URL', '{port}'],
  ['https://{name}.{host}', 'https://api.example.com', 'PB_PUBLIC_URL', '{host}'],
  ['https://db.example.com/{name}', 'https://api.example.com', 'PB_PUBLIC_URL', 'begin with {name}'],
  ['https://{name}.db.example.com', null, 'PUBLIC_URL', 'write it like'],
  ['https://{name}.db.example.com', 'https://localhost', 'PUBLIC_URL', 'write it like'],
  ['https://{name}.example.com', 'https://api.example.com', 'PUBLIC_URL', 'one of a database'],
  ['https://{name}.db.example.com', 'https://auth.example.com', 'PUBLIC_URL', "or 'auth'"],
])('refuses %s with %s', (publicUrl, siteUrl, setting, problem) => {
  expect(edgeHosts(publicUrl, siteUrl)).toMatchObject({
    setting,
    problem: expect.stringContaining(problem) as string,
  });
});
