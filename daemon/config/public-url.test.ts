import { describe, expect, it } from 'vitest';
import { expandPublicUrl, publicUrlProblem } from './public-url.ts';

const parts = { name: '2024-01-15-001-johndoe', port: 9123, host: '127.0.0.1' };

describe('expandPublicUrl', () => {
  it('fills in every occurrence of every placeholder', () => {
    expect(expandPublicUrl('http://{host}:{port}/{name}/{name}', parts)).toBe(
      'http://127.0.0.1:9123/2024-01-15-001-johndoe/2024-01-15-001-johndoe',
    );
  });

  it('puts brackets around an IPv6 address', () => {
    expect(expandPublicUrl('http://{host}:{port}', { ...parts, host: '::1' })).toBe('http://[::1]:9123');
  });

  it('removes trailing slashes, so that paths can be appended', () => {
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
    'http://{host}:{prot}',
    'http://{host:{port}',
    'https://example.com',
    '{host}:{port}',
    'ftp://{host}:{port}',
    'http://me:pw@{host}:{port}',
    'http://{host}:{port}/?a=1',
    'http://{host}:{port}{port}',
  ])('finds a problem in %s', (template) => {
    expect(publicUrlProblem(template)).toEqual(expect.any(String));
  });

  it('names an unknown placeholder', () => {
    expect(publicUrlProblem('http://{host}:{prot}')).toContain('{prot}');
  });
});
