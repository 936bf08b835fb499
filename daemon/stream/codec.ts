import type { ServerFrame, WorkFrame } from '../../shared/server-frames.ts';

export type StreamFrame = ServerFrame | WorkFrame;

/** How the frames of a subprotocol are written. */
export interface Codec {
  /** Whether frames are binary. A text frame then closes the connection. */
  readonly isBinary: boolean;
  /** What a client sent, before it is compared with the schema of frames; null when it cannot be read. */
  decode(data: Buffer, isBinary: boolean): unknown;
  encode(frame: StreamFrame): string | Uint8Array;
}

export const jsonCodec: Codec = {
  isBinary: false,
  decode(data, isBinary) {
    try {
      return isBinary ? null : JSON.parse(data.toString());
    } catch {
      return null;
    }
  },
  encode: (frame) => JSON.stringify(frame),
};
