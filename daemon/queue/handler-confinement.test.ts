import { expect, it } from 'vitest';
import { handlerConfinement } from './handler-confinement.ts';

const CONFIG = {
  tasksSandbox: true,
  dataDir: '/srv/fathom',
  userDatabasesDir: '/srv/databases',
  tasksDir: '/srv/fathom/jobs/tasks',
  secretPaths: ['/srv/app/.env'],
};

it('hides the data and the secrets, and shows the handlers with their packages', () => {
  const { hidden, visible, temporaryDir } = handlerConfinement(CONFIG) ?? {};
  expect(hidden).toEqual(expect.arrayContaining(['/srv/fathom', '/srv/databases', '/srv/app/.env']));
  expect(visible).toEqual([
    '/srv/fathom/jobs/tasks',
    '/srv/fathom/jobs/node_modules',
    '/srv/fathom/jobs/package.json',
    '/srv/fathom/node_modules',
    '/srv/fathom/package.json',
  ]);
  expect(temporaryDir).toBe('/srv/fathom/tmp/handlers');
});

it('shows only the directory of handlers outside of the data directory', () => {
  expect(handlerConfinement({ ...CONFIG, tasksDir: '/opt/jobs' })?.visible).toEqual(['/opt/jobs']);
});

it('is off by the setting', () => {
  expect(handlerConfinement({ ...CONFIG, tasksSandbox: false })).toBeNull();
});
