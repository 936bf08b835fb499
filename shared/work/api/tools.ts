import { id } from './fields.ts';
import type { Operation } from './operation.ts';
import type { ObjectSchema } from './schema.ts';

/** An operation as language models call it. The client sends `id` in the path, and the rest as query or body. */
export interface Tool {
  name: string;
  description: string;
  input_schema: ObjectSchema;
  method: Operation['method'];
  path: string;
}

/** Operations as tools. The schemas are those that validate requests. */
export function toolsOf(operations: Readonly<Record<string, Operation>>): Tool[] {
  return Object.entries(operations).map(([name, operation]) => {
    const { method, path, summary, query, body } = operation;
    const hasId = path.includes('{id}');
    return {
      name,
      description: `${summary}.`,
      input_schema: {
        type: 'object',
        properties: { ...(hasId ? { id } : {}), ...query?.properties, ...body?.properties },
        required: [...(hasId ? ['id'] : []), ...(query?.required ?? []), ...(body?.required ?? [])],
        additionalProperties: false,
      },
      method,
      path,
    };
  });
}
