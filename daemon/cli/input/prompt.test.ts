import { PassThrough, Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { choosePassword } from './prompt.ts';
import { UsageError } from './usage-error.ts';

function terminal(...answers: string[]) {
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  let shown = '';
  const write = (text: string) => {
    shown += text;
    // Typed once it is asked for, as a person would.
    if (text.endsWith(': ')) stdin.write(`${answers.shift()}\r`);
  };
  const context = { env: {}, cwd: '/', stdin, stdout: { write }, stderr: { write } };
  return { context, shown: () => shown };
}

describe('on a terminal', () => {
  it('is read twice and never shown', async () => {
    const { context, shown } = terminal('geheim-geheim', 'geheim-geheim');
    expect(await choosePassword({ passwordStdin: false }, context)).toEqual({
      password: 'geheim-geheim',
      generated: false,
    });
    expect(shown().match(/: \n/g)).toHaveLength(2);
    expect(shown()).not.toContain('geheim');
  });

  it('is rejected if the second one differs', async () => {
    const { context } = terminal('geheim-geheim', 'geheim-gehiem');
    await expect(choosePassword({ passwordStdin: false }, context)).rejects.toThrow(UsageError);
  });

  it('is generated for empty input', async () => {
    const { context } = terminal('');
    expect(await choosePassword({ passwordStdin: false }, context)).toEqual({
      password: expect.stringMatching(/^[\w-]{24}$/),
      generated: true,
    });
  });

  it('is cancelled with Ctrl-C', async () => {
    const { context } = terminal('\u0003');
    await expect(choosePassword({ passwordStdin: false }, context)).rejects.toThrow(UsageError);
  });
});

it('removes only the last line break from stdin', async () => {
  const context = {
    env: {},
    cwd: '/',
    stdin: Readable.from([' a b \r\n']),
    stdout: process.stdout,
    stderr: process.stderr,
  };
  expect(await choosePassword({ passwordStdin: true }, context)).toEqual({
    password: ' a b ',
    generated: false,
  });
});
