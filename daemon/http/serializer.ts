import { serializerCompiler } from 'fastify-type-provider-zod';
import { itemSchemaOf, type Page } from '../../shared/api/contract/page.ts';

/**
 * Checks and serializes responses. Frozen items of pages do not change, so their text is kept as long as they are: checking
 * and writing a list of instances takes longer than reading it.
 */
export const serializeResponses: typeof serializerCompiler = (route) => {
  const serializeAll = serializerCompiler(route);
  const schema = itemSchemaOf(route.schema);
  if (schema === null) return serializeAll;
  const serializeItem = serializerCompiler({ ...route, schema });
  const texts = new WeakMap<object, string>();
  const textOf = (item: object): string => {
    const known = texts.get(item);
    if (known !== undefined) return known;
    const text = serializeItem(item);
    texts.set(item, text);
    return text;
  };
  return (response: Page<unknown>) => {
    const { items, page, per_page, total } = response;
    if (!items.every(isFrozenObject)) return serializeAll(response);
    return `{"items":[${items.map(textOf).join(',')}],${JSON.stringify({ page, per_page, total }).slice(1)}`;
  };
};

function isFrozenObject(item: unknown): item is object {
  return typeof item === 'object' && item !== null && Object.isFrozen(item);
}
