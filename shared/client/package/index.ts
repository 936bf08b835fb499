/** What applications import: `fathom/client`, and the package `fathom-client`. */

export { type ErrorCode, FathomError, type FieldError } from '../../errors.ts';
export type { FleetEvent, LogLine, Topic } from '../../events.ts';
export type { EventFrame, SnapshotFrame, WorkFrame, WorkTopic } from '../../server-frames.ts';
export type { WorkEvent } from '../../work/events.ts';
export { ApiError } from '../api-error.ts';
export type { CallOptions, FathomClient } from '../client-methods.ts';
export type { LinkState } from '../stream-link.ts';
export {
  type ApplicationClient,
  type ApplicationClientOptions,
  type ApplicationStream,
  createFathomClient,
  type OwnDatabase,
  type StreamHandlers,
} from './application-client.ts';
export type { WebSocketConstructor } from './web-socket.ts';
