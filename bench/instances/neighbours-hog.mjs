// The clients of a database that uses everything it can get. Arguments: the URL of its records, and a token.
const [url, authorization] = process.argv.slice(2);
const headers = { authorization };
const send = async (path, options = {}) => {
  const response = await fetch(url + path, { ...options, headers: { ...headers, ...options.headers } });
  await response.arrayBuffer();
};
const json = { 'content-type': 'application/json' };
const record = JSON.stringify({ title: 'x', data: { text: 'y'.repeat(500_000) } });

/** Processor, memory, disk and the limit of requests. */
const KINDS = [
  () => send("?perPage=1&filter=(data~'abc'||data~'xyz'||title~'q')&sort=-data"),
  () => send("?perPage=1&filter=(data~'abc'||data~'xyz'||title~'q')&sort=-data"),
  () => send('?perPage=500&sort=-data'),
  () => send('', { method: 'POST', headers: json, body: record }),
  () => send('?perPage=1&fields=id'),
];

for (const kind of KINDS) {
  for (let client = 0; client < 2; client += 1) {
    void (async () => {
      for (;;) await kind().catch(() => new Promise((resolve) => setTimeout(resolve, 100)));
    })();
  }
}
