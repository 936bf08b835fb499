import type { z } from 'zod';
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponseObject,
  type ZodOpenApiResponsesObject,
} from 'zod-openapi';
import {
  type Endpoint,
  errorsOf,
  exampleOf,
  type Problem,
  problemSchema,
  type ResponseContract,
} from '../../../shared/api/contract/endpoint.ts';
import { EDGE_TOKEN_HEADER } from '../../../shared/api/edge.ts';
import { lifecycleFailureSchema } from '../../../shared/api/lifecycle.ts';
import { ENDPOINTS, TAGS } from '../../../shared/api/resources.ts';
import { ERROR_CODES, type ErrorCode } from '../../../shared/errors.ts';

const DESCRIPTION = `One PocketBase per user, run as one fleet.

Send \`Authorization: Bearer TOKEN\` with the token of a session or an API key. Over the local socket of the daemon no token is
needed. \`x-permission\` names the permission that an operation needs. \`Fathom-Role: viewer\` (or another role) limits a
request to what that role may do.`;

const EXAMPLE_REQUEST_ID = '6f1f3f5e-0f0c-4f0f-9d65-2b9f4f0a7a11';

function header(description: string, type: 'string' | 'integer') {
  return { description, schema: { type } };
}

const HEADERS = { 'X-Request-Id': header('Finds the request in the log of the daemon.', 'string') };

const WAIT = { 'Retry-After': header('Seconds to wait.', 'integer') };

const ERROR_HEADERS: Readonly<Record<number, Record<string, ReturnType<typeof header>>>> = {
  401: { 'WWW-Authenticate': header('`Bearer`.', 'string') },
  415: { Accept: header('The type to send.', 'string') },
  429: WAIT,
  503: WAIT,
};

/** Builds the OpenAPI document of the whole API. */
export function openApiDocument(version: string): ReturnType<typeof createDocument> {
  const paths: ZodOpenApiPathsObject = {};
  for (const endpoint of ENDPOINTS) {
    paths[endpoint.path] = {
      ...paths[endpoint.path],
      [endpoint.method.toLowerCase()]: operationOf(endpoint),
    };
  }
  return createDocument({
    openapi: '3.1.1',
    info: {
      title: 'Fathom',
      version,
      description: DESCRIPTION,
      contact: { name: 'Fathom contributors' },
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'The daemon that serves this document.' }],
    tags: [...TAGS],
    security: [{ bearer: [] }],
    paths,
    components: {
      securitySchemes: {
        edge: {
          type: 'apiKey',
          in: 'header',
          name: EDGE_TOKEN_HEADER,
          description: 'EDGE_TOKEN, for the reverse proxy.',
        },
        bearer: { type: 'http', scheme: 'bearer', description: 'Token of a session, or an API key.' },
      },
    },
  });
}

function operationOf(endpoint: Endpoint): ZodOpenApiOperationObject {
  const { operationId, tag, summary, description, permission, params, query, body, responses } = endpoint;
  return {
    operationId,
    tags: [tag.name],
    summary,
    description: description ?? summary,
    ...(permission === 'public' ? { security: [] } : {}),
    ...(permission === 'edge' ? { security: [{ edge: [] }] } : {}),
    'x-permission': permission,
    ...(params || query
      ? { requestParams: { ...(params && { path: params }), ...(query && { query }) } }
      : {}),
    ...(body && {
      requestBody: {
        required: !body.safeParse(undefined).success,
        content: { 'application/json': mediaOf(body) },
      },
    }),
    responses: {
      ...errorResponses(endpoint),
      ...Object.fromEntries(
        Object.entries(responses).map(([status, response]) => [status, responseOf(response)]),
      ),
    },
  };
}

function responseOf({ description, schema, stream, mediaType = 'application/json' }: ResponseContract) {
  return {
    description,
    headers: HEADERS,
    ...(schema && { content: { [mediaType]: mediaOf(schema) } }),
    ...(stream && { content: { [mediaType]: { schema: { type: 'string' as const, format: 'binary' } } } }),
  };
}

function mediaOf(schema: z.ZodType) {
  return { schema, example: exampleOf(schema) };
}

/** Returns one response for each status, with all its error codes. */
function errorResponses(endpoint: Endpoint): ZodOpenApiResponsesObject {
  const codes = Map.groupBy(errorsOf(endpoint), (code) => ERROR_CODES[code].status);
  return Object.fromEntries(
    [...codes].map(([status, group]) => [status, errorResponse(status, group, endpoint.errorForm)]),
  );
}

const knownResponses = new Map<string, ZodOpenApiResponseObject>();

/** Returns the same object for equal responses, so that the document describes each once. */
function errorResponse(
  status: number,
  codes: readonly ErrorCode[],
  form: Endpoint['errorForm'],
): ZodOpenApiResponseObject {
  const id = [form ?? 'problem', ...codes.toSorted()].map(inPascalCase).join('');
  const known = knownResponses.get(id);
  if (known) return known;
  const response = {
    id,
    description: codes.map((code) => `\`${code}\`: ${ERROR_CODES[code].title}.`).join(' '),
    headers: { ...HEADERS, ...ERROR_HEADERS[status] },
    content: form === 'lifecycle' ? LIFECYCLE_CONTENT : problemContent(codes),
  };
  knownResponses.set(id, response);
  return response;
}

function inPascalCase(code: string): string {
  return code.replaceAll(/(?:^|[._])(\w)/g, (_, letter: string) => letter.toUpperCase());
}

const LIFECYCLE_CONTENT = { 'application/json': mediaOf(lifecycleFailureSchema) };

function problemContent(codes: readonly ErrorCode[]) {
  const examples = codes.map((code): [string, { value: Problem }] => {
    const { title, status } = ERROR_CODES[code];
    const value = { type: 'about:blank', title, status, detail: title, code, request_id: EXAMPLE_REQUEST_ID };
    return [code, { value }];
  });
  return { 'application/problem+json': { schema: problemSchema, examples: Object.fromEntries(examples) } };
}
