import { ApiError } from '../../shared/client/api-error.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import { Notice } from './notice.tsx';

/** What failed, in the words of the daemon. */
export function Problem({ error }: { error: unknown }) {
  const fields = error instanceof FathomError ? error.fields : [];
  const requestId = error instanceof ApiError && error.status >= 500 ? error.requestId : null;
  return (
    <Notice kind="problem">
      <p>{sentence(messageOf(error))}</p>
      {fields.length > 0 && (
        <ul>
          {fields.map(({ path, message }) => (
            <li key={path}>
              {path}: {message}
            </li>
          ))}
        </ul>
      )}
      {requestId !== null && <p>For an administrator: request {requestId}</p>}
    </Notice>
  );
}

/** Messages of the daemon begin in lower case and end without a full stop. */
export function sentence(text: string): string {
  const end = /[.!?…]$/.test(text) ? '' : '.';
  return text.charAt(0).toUpperCase() + text.slice(1) + end;
}
