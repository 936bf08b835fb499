import { z } from 'zod';
import { exampleOf } from './endpoint.ts';

function perPage(standard: number) {
  const size = z.coerce.number().int().min(1).max(500).default(standard);
  return size.meta({ description: 'Number of items per page.' });
}

export const pageQuerySchema = z.object({
  page: z.coerce.number().int().min(1).default(1).meta({ description: 'Page number, starting at 1.' }),
  per_page: perPage(50),
  sort: z.string().max(64).optional().meta({ description: 'Field to sort by; `-field` sorts descending.' }),
});

/** For lists that are usually short: one page holds the complete list by default. */
export const wholePageQuerySchema = pageQuerySchema.omit({ sort: true }).extend({ per_page: perPage(500) });

/** Which page of a list is wanted; pages count from 1. */
export type PageRequest = z.infer<typeof wholePageQuerySchema>;

export interface Page<T> {
  items: T[];
  page: number;
  per_page: number;
  total: number;
}

export function pageOf<T extends z.ZodType>(item: T) {
  const page = z.object({ items: z.array(item), page: z.int(), per_page: z.int(), total: z.int() });
  return page.meta({ examples: [{ items: [exampleOf(item)], page: 1, per_page: 50, total: 1 }] });
}

const PAGE_FIELDS: ReadonlySet<string> = new Set([
  'items',
  'page',
  'per_page',
  'total',
] satisfies (keyof Page<unknown>)[]);

/** Returns the schema of the items of a schema by `pageOf`; null for other schemas. */
export function itemSchemaOf(schema: unknown): z.ZodType | null {
  if (!(schema instanceof z.ZodObject)) return null;
  const { items, ...others } = schema.shape as Record<string, z.ZodType>;
  const isPage =
    Object.keys(others).length === PAGE_FIELDS.size - 1 &&
    Object.keys(others).every((field) => PAGE_FIELDS.has(field));
  return isPage && items instanceof z.ZodArray ? (items.element as z.ZodType) : null;
}
