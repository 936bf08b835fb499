/** What host platforms import: `fathom`. */
export { ApiError } from '../../shared/client/api-error.ts';
export type { CallOptions, FathomClient } from '../../shared/client/client-methods.ts';
export { type ErrorCode, FathomError, type FieldError } from '../../shared/errors.ts';
export { createFathom, type Fathom, type FathomOptions, type FathomSettings } from './create-fathom.ts';
export type { HostLog } from './daemon-process.ts';
export type { HostFastify } from './fastify-plugin.ts';
export type { HostPath } from './forwarder.ts';
export type { HostUser } from './host-accounts.ts';
