import { describe, expect, it } from 'vitest';
import { expandPublicUrl, publicUrlProblem } from './public-url.ts';

const parts = { name: '2024-01-15-001-johndoe', port: 9123, host: '127.0.0.1' };

describe('expandPublicUrl', () => {
  it('fills in every placeholder, each as often as it stands', () => {
    expect(expandPublicUrl('http://{host}:{port}/{name}/{name}', parts)).toBe(
      'http://127.0.0.1:9123/2024-01-15-001-johndoe/2024-01-15-001-johndoe',
    );
  });

  it('puts brackets around an IPv6 address', () => {
    expect(expandPublicUrl('http://{host}:{port}', { ...parts, host: '::1' })).toBe('http://[::1]:9123');
  });

  it('ends without a slash, so that paths can be appended', () => {
    expect(expandPublicUrl('https://{name}.example.com//', parts)).toBe(
      'https://2024-01-15-001-johndoe.example.com',
    );
  });
});

describe('publicUrlProblem', () => {
  it.each(['http://{host}:{port}', 'https://{name}.example.com', 'https://example.com/db/{name}/'])(
    'finds nothing wrong with %s',
    (template) => expect(publicUrlProblem(template)).toBeNull(),
  );

  it.each([
    ['http://{host}:{prot}', '{prot} is unknown'],
    ['http://{host:{port}', 'brace without its pair'],
    ['https://example.com', 'tell the users apart'],
    ['{host}:{port}', 'not an http or https URL'],
    ['ftp://{host}:{port}', 'not an http or https URL'],
    ['http://me:pw@{host}:{port}', 'must not hold a user name or password'],
    ['http://{host}:{port}/?a=1', 'query or a fragment'],
    ['http://{host}:{port}{port}', 'not an http or https URL'],
  ])('says what is wrong with %s', (template, problem) => {
    expect(publicUrlProblem(template)).toContain(problem);
  });
});
