import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { ApiError } from '../../../shared/client/api-error.ts';
import { textWith } from '../../../test/helpers/text-with.ts';
import { describeApiError } from './api-error.ts';
import { reportError } from './report-error.ts';

function refused(path: string, message: string, detail = 'the request does not match the schema'): ApiError {
  return new ApiError(400, { code: 'request.invalid', detail, errors: [{ path, message }] });
}

it.each([
  ['email', ["'foo'", 'must be a valid email address']],
  ['user', ["'foo'", 'must be a valid email address', "'fathomd users list'"]],
])("quotes a refused <%s> and PocketBase's sentence", (place, parts) => {
  const error = refused(place, 'Must be a valid email address.');
  const words = describeApiError(
    error,
    { words: ['users', 'add'], positionals: { [place]: {} } },
    { [place]: 'foo' },
    { env: {} },
  );
  expect(words).toMatchObject({ code: 'request.invalid', message: textWith(...parts) });
});

it('prints a message once if a field has the same one', () => {
  let text = '';
  const stderr = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  const context = { stderr, env: {} } as unknown as Parameters<typeof reportError>[1];
  reportError(
    refused('cron', "'x y' has 2 fields", "the schedule cannot be used: 'x y' has 2 fields"),
    context,
  );
  expect(text.match(/has 2 fields/g)).toHaveLength(1);
  text = '';
  reportError(refused('cron', "'x y' has 2 fields"), context);
  expect(text).toContain("cron: 'x y' has 2 fields");
});
