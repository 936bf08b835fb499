import { execa } from 'execa';
import { expect, it } from 'vitest';

/** In a process of its own, as those of tasks. */
const PROGRAM = `
import { z } from 'zod';
class UnrecoverableError extends Error {}
for (const name of ['http-request', 'mail-send', 'webhook-send']) {
  const { handle } = await import('./' + name + '.ts');
  await handle({}, { UnrecoverableError }).catch(({ message }) => console.log(message.slice(0, 60)));
}
console.log(z.string().safeParse(1).error.issues[0].message);
`;

it('describes payloads in the words of the API, and leaves other schemas of the thread to zod', async () => {
  const options = { cwd: import.meta.dirname, input: PROGRAM };
  const { stdout } = await execa(process.execPath, ['--input-type=module', '-'], options);
  const lines = stdout.split('\n');
  expect(lines.slice(0, 3)).toEqual(
    ['url', 'smtp', 'type'].map(
      (field) => expect.stringContaining(`invalid: ${field}: Cannot be left out.`) as string,
    ),
  );
  expect(lines.slice(3)).toEqual(['Invalid input: expected string, received number']);
});
