import { z } from 'zod';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'] as const;
const NO_BODY: readonly string[] = ['GET', 'HEAD'];
/** They say how the connection is used, which is not the payload's to say. */
const OF_CONNECTION: readonly string[] = [
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
    // oxlint-disable-next-line no-control-regex -- what no header can hold
    z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'holds a character that no header can hold'),
  )
  .refine((given) => Object.keys(given).every((name) => !OF_CONNECTION.includes(name.toLowerCase())), {
    error: `must not hold ${OF_CONNECTION.join(', ')}: these are set by the connection`,
  });

/** Of `http.request`. */
export const httpPayloadSchema = z
  .strictObject({
    url: z
      .url({ protocol: /^https?$/ })
      .refine((url) => new URL(url).username + new URL(url).password === '', {
        error: 'it must not hold a user or password; send them as an authorization in secrets.headers',
      }),
    method: z.enum(METHODS).default('POST'),
    headers: headers.default({}),
    /** Text as it is; anything else as JSON. */
    body: z.unknown().optional(),
    timeout_s: z.number().positive().max(3600).default(30),
    /** Kept encrypted: headers as they are, such as an Authorization. */
    secrets: z.strictObject({ headers: headers.default({}) }).optional(),
  })
  .refine(({ method, body }) => body === undefined || !NO_BODY.includes(method), {
    path: ['body'],
    error: 'cannot be sent with GET or HEAD',
  });
