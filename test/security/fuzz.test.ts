import { randomInt } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { deployment } from '../helpers/harness.ts';
import { call, signIn, signUp } from '../helpers/http-call.ts';

const REQUESTS = 10_000;
const AT_ONCE = 20;
/** Of a run that is to be repeated. */
const seed = Number(process.env['FUZZ_SEED'] ?? randomInt(2 ** 31));

interface Parameter {
  name: string;
  in: string;
}

interface Route {
  method: string;
  path: string;
  query: string[];
  /** Names of what the body has. */
  fields: string[];
  /** That the document declares. */
  statuses: number[];
}

interface Operation {
  parameters?: Parameter[];
  requestBody?: { content: { 'application/json': { schema: Body } } };
  responses: Record<string, object>;
}

interface Body {
  $ref?: string;
  properties?: object;
  anyOf?: Body[];
}

interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Body> };
}

function routesOf({ paths, components: { schemas } }: Document): Route[] {
  const fieldsOf = (schema: Body | undefined): string[] => {
    if (schema?.$ref !== undefined) return fieldsOf(schemas[schema.$ref.split('/').at(-1) ?? '']);
    return [...Object.keys(schema?.properties ?? {}), ...(schema?.anyOf ?? []).flatMap(fieldsOf)];
  };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody, responses }]) => ({
      method: method.toUpperCase(),
      path,
      query: parameters.filter((one) => one.in === 'query').map(({ name }) => name),
      fields: fieldsOf(requestBody?.content['application/json'].schema),
      statuses: Object.keys(responses).map(Number),
    })),
  );
}

const odd = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom(
    '',
    '0',
    '-1',
    '1e309',
    'NaN',
    'null',
    '../..',
    '%00',
    '__proto__',
    "'",
    '"',
    '{',
    '\n',
    '2024-01-15',
  ),
  fc.integer().map(String),
);

/** A request that fits the route in its form, and in little else. */
function requestTo(routes: readonly Route[], ids: readonly string[]) {
  return fc.record({
    route: fc.constantFrom(...routes),
    id: fc.oneof(odd, fc.constantFrom(...ids)),
    query: fc.array(odd, { minLength: 4, maxLength: 4 }),
    values: fc.array(fc.oneof(fc.jsonValue(), odd), { minLength: 8, maxLength: 8 }),
    extra: fc.option(fc.jsonValue(), { nil: undefined }),
    whole: fc.option(fc.oneof(fc.json(), fc.string({ unit: 'binary' })), { nil: undefined, freq: 5 }),
    who: fc.constantFrom(0, 1, 2, 3),
  });
}

it(`${REQUESTS.toLocaleString('en')} requests that fit the schema in form alone are answered as the document declares, and never with 5xx`, async () => {
  const fathom = await deployment({ RATE_LIMIT_PER_MINUTE: '100000000' });
  await fathom.start();
  const ann = await signUp(fathom.url, 'ann@example.com');
  const admin = await signIn(fathom.url, fathom.admin.email, fathom.admin.password);
  const { body } = await call<Document>('GET', `${fathom.url}/openapi.json`);
  // Ending the sessions, or the instance, with which the others are made would only make them all alike.
  const ending = /\/(logout|refresh|sessions|stop|restart|start|stop_pb|init_pb)$/;
  const routes = routesOf(body).filter(
    ({ method, path }) => (method === 'GET' || !ending.test(path)) && path !== '/openapi.json',
  );
  expect(routes.length).toBeGreaterThan(25);
  expect(routes.find(({ path }) => path === '/api/v1/auth/login')?.fields).toEqual(['email', 'password']);
  const tokens = [undefined, ann.token, admin.token, 'fk_abcdefghijkl_nonsense'];
  const statuses = new Map<number, number>();

  const send = async ({ route, id, query, values, extra, whole, who }: Sample) => {
    const path = route.path.replaceAll(/\{\w+\}/g, encode(id));
    const search = route.query.map((name, at) => `${name}=${encode(query[at] ?? '')}`).join('&');
    const object: Record<string, unknown> = {};
    for (const [at, field] of route.fields.entries()) object[field] = values[at];
    if (extra !== undefined) object['extra'] = extra;
    const hasBody = !['GET', 'DELETE', 'HEAD'].includes(route.method);
    const sent = hasBody ? (whole ?? object) : undefined;
    const url = `${path}${search && `?${search}`}`;
    const description = () =>
      `FUZZ_SEED=${seed}: ${route.method} ${url} by caller ${who} with ${JSON.stringify(sent)}`;
    const { status, body: answer } = await call(route.method, `${fathom.url}${url}`, {
      token: tokens[who],
      body: sent,
    }).catch((error: unknown) => {
      throw new Error(`${description()} was not answered`, { cause: error });
    });
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    // While it starts, and only then, 503 is right; it has started. There is no mail server.
    const isMail = (answer as { code?: string } | null)?.code === 'mail.failed';
    if (status >= 500 && !isMail)
      throw new Error(`${description()} was answered ${status}: ${JSON.stringify(answer)}`);
    // An odd id may lead to another path, or to none.
    const elsewhere = /\/\.{0,2}(?=\/|$)/.test(path);
    if (!elsewhere && !route.statuses.includes(status))
      throw new Error(`${description()} was answered ${status}, which is not declared`);
  };
  type Sample = typeof samples extends fc.Arbitrary<infer T> ? T : never;
  const samples = requestTo(routes, [ann.user.id, ann.database.name, 'nobody000000000']);
  await fc.assert(
    fc.asyncProperty(
      fc.array(samples, { minLength: AT_ONCE, maxLength: AT_ONCE, size: 'max' }),
      async (requests) => {
        await Promise.all(requests.map(send));
      },
    ),
    { seed, numRuns: REQUESTS / AT_ONCE, endOnFailure: true },
  );
  const total = [...statuses.values()].reduce((sum, count) => sum + count, 0);
  expect(total).toBe(REQUESTS);
  // They got past the door, too.
  expect(statuses.get(400) ?? 0).toBeGreaterThan(500);
  expect(statuses.get(200) ?? 0).toBeGreaterThan(100);
}, 300_000);

/** Lone surrogates are no text. */
function encode(value: string): string {
  return encodeURIComponent(value.toWellFormed());
}
