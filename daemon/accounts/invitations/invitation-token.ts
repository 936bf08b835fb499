import { createHash, randomBytes } from 'node:crypto';

const TOKEN_BYTES = 32;

/** A new token, and the hash that is stored. The token has 256 random bits, so a fast hash is safe. */
export function newInvitationToken(): { token: string; hash: string } {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  return { token, hash: createHash('sha256').update(token).digest('hex') };
}

/** The page at which a person signs up with the invitation. Servers and proxies do not see the part after the `#`. */
export function invitationLink(siteUrl: string, token: string, email: string | null): string {
  const fragment = new URLSearchParams({ token, ...(email === null ? {} : { email }) });
  return `${siteUrl}/account/invitation#${fragment.toString()}`;
}
