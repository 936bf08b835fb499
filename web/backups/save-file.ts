/** Saves the body of a response as a file. The browser keeps large ones on its disk. */
export async function saveFile(body: AsyncIterable<Uint8Array>, name: string): Promise<void> {
  // In browsers, the body is a stream.
  const blob = await new Response(body as unknown as ReadableStream<Uint8Array<ArrayBuffer>>).blob();
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
