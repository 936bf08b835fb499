import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { type Endpoint, errorsOf, exampleOf } from '../../../shared/api/contract/endpoint.ts';
import { ENDPOINTS } from '../../../shared/api/resources.ts';
import { ERROR_CODES } from '../../../shared/errors.ts';
import { openApiDocument } from './openapi.ts';

const document = openApiDocument('1.2.3');
const operations = ENDPOINTS.map((endpoint): [string, Endpoint] => [endpoint.operationId, endpoint]);

describe('the OpenAPI document', () => {
  it('has one operation with its own id for each endpoint', () => {
    const described = Object.values(document.paths ?? {}).flatMap((path) => Object.keys(path));
    expect(described).toHaveLength(ENDPOINTS.length);
    expect(new Set(ENDPOINTS.map(({ operationId }) => operationId)).size).toBe(ENDPOINTS.length);
  });

  it('has no broken references', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g)];
    expect(references.length).toBeGreaterThan(100);
    for (const [, kind = '', name = ''] of references) {
      expect(document.components).toHaveProperty([kind, name]);
    }
  });

  it('leaves out the routes of hooks', () => {
    expect(JSON.stringify(document)).not.toContain('/internal/');
  });

  it.each(operations)('%s has a summary, a permission, parameters and error responses', (_, endpoint) => {
    const { path, method, permission, params } = endpoint;
    const operation = document.paths?.[path]?.[method.toLowerCase() as 'get'];
    expect(operation).toMatchObject({ operationId: endpoint.operationId, 'x-permission': permission });
    expect(operation?.summary).toMatch(/^[A-Z].*[^.]$/);
    expect(operation?.description).toMatch(/\.$/);
    expect(operation?.tags).toHaveLength(1);
    expect(operation?.security).toEqual(
      permission === 'public' ? [] : permission === 'edge' ? [{ edge: [] }] : undefined,
    );
    const statuses = Object.keys(operation?.responses ?? {});
    expect(statuses).toEqual(expect.arrayContaining(['400', '401', '429', '500']));
    const isForbidden = errorsOf(endpoint).some((code) => ERROR_CODES[code].status === 403);
    expect(statuses.includes('403')).toBe(!['public', 'edge'].includes(permission) || isForbidden);
    expect(path.match(/\{\w+\}/g) ?? []).toEqual(Object.keys(params?.shape ?? {}).map((name) => `{${name}}`));
    for (const code of errorsOf(endpoint)) expect(statuses).toContain(String(ERROR_CODES[code].status));
  });

  it.each(operations)('%s has examples that its schemas accept', (_, { body, responses, params }) => {
    const schemas = [body, ...Object.values(responses).map(({ schema }) => schema)];
    for (const schema of schemas) {
      if (schema === undefined) continue;
      expect(exampleOf(schema)).toBeDefined();
      expect(schema.safeParse(exampleOf(schema)).error).toBeUndefined();
    }
    if (params === undefined) return;
    const named = Object.entries(params.shape).map(([name, schema]) => [
      name,
      exampleOf(schema as z.ZodType),
    ]);
    expect(params.safeParse(Object.fromEntries(named)).error).toBeUndefined();
  });
});
