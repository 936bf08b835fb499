import { parse } from 'dotenv';
import { describe, expect, it } from 'vitest';
import { withEdgeSettings, withoutEdgeSettings } from './edge-settings.ts';

const FILE = `# Settings
FATHOM_DATA_DIR=/var/lib/fathom
#TRUSTED_PROXIES=10.0.0.1
`;
const EDGE = {
  trustedProxies: ['127.0.0.1', '::1'],
  publicUrl: 'https://{name}.db.example.com',
  siteUrl: 'https://api.example.com',
};

describe('the settings of the edge', () => {
  it('are added at the end of the file', () => {
    expect(parse(withEdgeSettings(FILE, EDGE))).toEqual({
      FATHOM_DATA_DIR: '/var/lib/fathom',
      TRUSTED_PROXIES: '127.0.0.1,::1',
      PB_PUBLIC_URL: 'https://{name}.db.example.com',
      PUBLIC_URL: 'https://api.example.com',
    });
  });

  it('replace those of an earlier run', () => {
    const twice = withEdgeSettings(withEdgeSettings(FILE, EDGE), {
      ...EDGE,
      publicUrl: 'https://{name}.db.b.example',
    });
    expect(twice).toBe(withEdgeSettings(FILE, { ...EDGE, publicUrl: 'https://{name}.db.b.example' }));
  });

  it('keep the proxies of the administrator, and win over other values', () => {
    const own = `${FILE}TRUSTED_PROXIES=10.0.0.0/8, 127.0.0.1\nPB_PUBLIC_URL=http://{host}:{port}\n`;
    const text = withEdgeSettings(own, EDGE);
    expect(parse(text)).toMatchObject({
      TRUSTED_PROXIES: '10.0.0.0/8,127.0.0.1,::1',
      PB_PUBLIC_URL: 'https://{name}.db.example.com',
    });
    expect(withoutEdgeSettings(text)).toBe(own);
  });

  it.each([FILE, '', 'A=1', 'A=1\n\n\n'])('can be removed from %j', (text) => {
    expect(parse(withoutEdgeSettings(withEdgeSettings(text, EDGE)))).toEqual(parse(text));
  });

  it('keep lines that were added after them', () => {
    const text = `${withEdgeSettings(FILE, EDGE)}LOG_LEVEL=debug\n`;
    expect(parse(withoutEdgeSettings(text))).toEqual({
      FATHOM_DATA_DIR: '/var/lib/fathom',
      LOG_LEVEL: 'debug',
    });
    expect(parse(withEdgeSettings(text, EDGE))).toMatchObject({
      LOG_LEVEL: 'debug',
      TRUSTED_PROXIES: '127.0.0.1,::1',
    });
  });
});
