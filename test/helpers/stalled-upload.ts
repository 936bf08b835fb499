import { connect, type Socket } from 'node:net';

const MIB = 1024 * 1024;
const PART = Buffer.alloc(4 * MIB, 'x');
const PART_HEADERS =
  '--part\r\nContent-Disposition: form-data; name="files"; filename="f"\r\nContent-Type: text/plain\r\n\r\n';

/** Begins an upload of `megabytes`, and sends all but its end. Resolves when the instance has read it, or has closed it. */
export async function stallUpload(port: number, megabytes: number, authorization = ''): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  // Otherwise the end of the connection is not noticed.
  socket.resume();
  socket.write(
    [
      'POST /api/collections/documents/records HTTP/1.1',
      'Host: any',
      'Content-Type: multipart/form-data; boundary=part',
      `Content-Length: ${(megabytes + 1) * MIB}`,
      ...(authorization === '' ? [] : [`Authorization: ${authorization}`]),
      '\r\n',
    ].join('\r\n'),
  );
  const end = new Promise((resolve) => socket.once('close', resolve));
  for (let sent = 0; sent < megabytes && !socket.destroyed; sent += 4) {
    socket.write(PART_HEADERS);
    socket.write(PART);
    if (!socket.write('\r\n')) {
      await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), end]);
    }
  }
  return socket;
}
