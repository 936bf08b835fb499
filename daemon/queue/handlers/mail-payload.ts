import { z } from 'zod';

/** Without control characters: a line break would end a header or an SMTP command. */
const line = z.string().regex(/^\P{Cc}*$/u, 'must not hold line ends or other control characters');
const address = line.min(1);
const addresses = z.union([address, z.array(address).min(1).max(100)]);

/** The payload of `mail.send`. */
export const mailPayloadSchema = z.strictObject({
  smtp: z.strictObject({
    host: line.min(1),
    port: z.int().min(1).max(65_535).default(587),
    /** TLS from the start. Otherwise STARTTLS, which `require_tls` makes mandatory. */
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
  /** Stored encrypted. */
  secrets: z.strictObject({ user: line, password: line }).optional(),
});
