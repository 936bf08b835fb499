import { expect, it } from 'vitest';
import { ProxiesSeen } from './proxies-seen.ts';

const FORWARDED = { 'x-forwarded-for': '203.0.113.9' };

it('counts what trusted proxies forward or ask', () => {
  const seen = new ProxiesSeen(['127.0.0.1', '10.0.0.0/8']);
  seen.note('::ffff:127.0.0.1', FORWARDED);
  seen.note('10.1.2.3', FORWARDED);
  seen.note('127.0.0.1', { 'fathom-edge-token': 'x' });
  seen.note('127.0.0.1', {});
  expect(seen.sightings).toEqual({ trusted: 3, untrusted: null });
});

it.each([
  ['127.0.0.1', '127.0.0.1'],
  ['::ffff:192.168.0.7', '192.168.0.7'],
  ['fd00::1', 'fd00::1'],
  // Not a proxy of this network, but any client.
  ['198.41.0.4', null],
  ['2a00:1450::1', null],
])('notes %s as an untrusted proxy: %s', (peer, untrusted) => {
  const seen = new ProxiesSeen(['10.0.0.1']);
  seen.note(peer, {});
  seen.note(peer, { 'fathom-edge-token': 'x' });
  expect(seen.sightings).toEqual({ trusted: 0, untrusted: null });
  seen.note(peer, FORWARDED);
  expect(seen.sightings).toEqual({ trusted: 0, untrusted });
});
