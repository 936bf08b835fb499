import { z } from 'zod';

/** Increases with every change that an older client or daemon would misunderstand. */
export const PROTOCOL_VERSION = 1;
export const WEBSOCKET_SUBPROTOCOL = 'fathom.v1';
/** All topics in binary frames, see `proto/`. */
export const FLEET_PROTOBUF_SUBPROTOCOL = 'fathom.v1+proto';
/** Projects in binary frames, see `proto/`. */
export const WORK_SUBPROTOCOL = 'fathom.work.v1';
/** A larger frame from a client closes the connection with code 1009. */
export const MAX_CLIENT_FRAME_BYTES = 64 * 1024;

const topic = z.union(
  [
    z.enum(['instances', 'queue', 'health', 'audit']),
    z.templateLiteral(['logs:', z.string().min(1).max(128)]),
    z.templateLiteral(['work:', z.string().regex(/^[a-z0-9-]{1,36}$/)]),
  ],
  'Must be instances, queue, health, audit, logs:NAME or work:ID.',
);

const frameId = z.union([z.int(), z.string().max(64)]);

/** The frames that a client may send over the stream. */
export const clientFrameSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('subscribe'),
    id: frameId,
    topics: z.array(topic).min(1).max(64),
    /** Logs only: the position to continue from. The snapshot is then empty, and the lines after the position follow. */
    from: z.int().min(0).optional(),
    /** Asks for the snapshot of `instances` in several frames. Other topics ignore it. */
    parts: z.boolean().optional(),
  }),
  z.strictObject({ type: z.literal('unsubscribe'), id: frameId, topics: z.array(topic).min(1).max(64) }),
  z.strictObject({ type: z.literal('ping'), id: frameId }),
]);

export type ClientFrame = z.infer<typeof clientFrameSchema>;
