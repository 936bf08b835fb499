import { z } from 'zod';

/** Control characters end a line, and with it a header or a command of SMTP. */
const line = z.string().regex(/^\P{Cc}*$/u, 'must not hold line ends or other control characters');
const address = line.min(1);
const addresses = z.union([address, z.array(address).min(1).max(100)]);

/** Of `mail.send`. */
export const mailPayloadSchema = z.strictObject({
  smtp: z.strictObject({
    host: line.min(1),
    port: z.int().min(1).max(65_535).default(587),
    /** TLS from the start; otherwise STARTTLS, which `require_tls` insists on. */
    secure: z.boolean().default(false),
    require_tls: z.boolean().default(true),
  }),
  from: address,
  to: addresses,
  cc: addresses.optional(),
  bcc: addresses.optional(),
  reply_to: line.optional(),
  subject: line.max(998).default(''),
  text: z.string().optional(),
  html: z.string().optional(),
  /** Kept encrypted. */
  secrets: z.strictObject({ user: line, password: line }).optional(),
});
