import { expect, it } from 'vitest';
import { loadConfig } from '../../config/config.ts';
import { SETTINGS } from '../../config/sources/variables.ts';
import { SETTING_OPTIONS, settingsIn } from './setting-options.ts';

it('there is an option for each setting that is no secret', () => {
  expect(SETTING_OPTIONS).toHaveProperty('server-port');
  for (const secret of ['aes-master-key', 'jwt-secret', 'pb-admin-password', 'smtp-password'])
    expect(SETTING_OPTIONS).not.toHaveProperty(secret);
  expect(Object.keys(SETTING_OPTIONS).length).toBeLessThan(Object.keys(SETTINGS).length);
});

it('they are stronger than the environment, and errors name the command line', () => {
  const settings = settingsIn({ 'server-port': 'many', serverPort: 'many', 'data-dir': '/x', _: [] });
  expect(settings).toEqual({ SERVER_PORT: 'many' });
  const load = () => loadConfig({ commandLine: { settings }, env: { SERVER_PORT: '3000' }, cwd: '/' });
  expect(load).toThrow(
    expect.objectContaining({
      fields: expect.arrayContaining([
        expect.objectContaining({
          path: 'SERVER_PORT',
          message: expect.stringContaining("'many'") as string,
        }),
      ]) as unknown,
    }),
  );
});
