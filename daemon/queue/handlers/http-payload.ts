import { z } from 'zod';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'] as const;
const NO_BODY: readonly string[] = ['GET', 'HEAD'];
/** Headers that control the connection; a payload must not set them. */
const CONNECTION_HEADERS: readonly string[] = [
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

const headers = z
  .record(
    z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/, 'is not the name of a header'),
    // oxlint-disable-next-line no-control-regex -- characters that are invalid in a header
    z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'holds a character that no header can hold'),
  )
  .refine((given) => Object.keys(given).every((name) => !CONNECTION_HEADERS.includes(name.toLowerCase())), {
    error: `must not hold ${CONNECTION_HEADERS.join(', ')}: these are set by the connection`,
  });

/** The payload of `http.request`. */
export const httpPayloadSchema = z
  .strictObject({
    url: z
      .url({ protocol: /^https?$/ })
      .refine((url) => new URL(url).username + new URL(url).password === '', {
        error: 'it must not hold a user or password; send them as an authorization in secrets.headers',
      }),
    method: z.enum(METHODS).default('POST'),
    headers: headers.default({}),
    /** A string is sent unchanged, any other value as JSON. */
    body: z.unknown().optional(),
    timeout_s: z.number().positive().max(3600).default(30),
    /** Stored encrypted: more headers, such as Authorization. */
    secrets: z.strictObject({ headers: headers.default({}) }).optional(),
  })
  .refine(({ method, body }) => body === undefined || !NO_BODY.includes(method), {
    path: ['body'],
    error: 'cannot be sent with GET or HEAD',
  });
