/**
 * Who can sign up.
 *
 * - `open`: everyone.
 * - `verified`: everyone, and the database is created after the e-mail address is proved.
 * - `invited`: everyone with an invitation.
 * - `closed`: only administrators create accounts.
 */
export const SIGN_UP_MODES = ['open', 'verified', 'invited', 'closed'] as const;

export type SignUpMode = (typeof SIGN_UP_MODES)[number];
