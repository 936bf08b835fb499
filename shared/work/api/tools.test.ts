import { expect, it } from 'vitest';
import type { Operation } from './operation.ts';
import { OPERATIONS } from './operations.ts';
import { toolsOf } from './tools.ts';

it('each operation is a tool whose input is that of its request', () => {
  const tools = toolsOf(OPERATIONS);
  expect(tools.map(({ name }) => name)).toEqual(Object.keys(OPERATIONS));
  for (const tool of tools) {
    expect(tool.name).toMatch(/^[a-z_]{1,64}$/);
    const { path, query, body }: Operation = OPERATIONS[tool.name as keyof typeof OPERATIONS];
    const sources = [
      path.includes('{id}') ? ['id'] : [],
      ...[query, body].map((part) => Object.keys(part?.properties ?? {})),
    ].flat();
    // No field is in two places.
    expect(Object.keys(tool.input_schema.properties ?? {})).toEqual(sources);
    for (const name of tool.input_schema.required ?? []) expect(sources).toContain(name);
  }
});
