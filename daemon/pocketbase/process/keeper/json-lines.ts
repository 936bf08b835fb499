import type { Socket } from 'node:net';
import { StringDecoder } from 'node:string_decoder';

/** Calls `onMessage` for each complete line of JSON. The rest of a broken connection is dropped. */
export function readJsonLines(socket: Socket, onMessage: (message: unknown) => void): void {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  socket.on('data', (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onMessage(JSON.parse(line));
  });
}
