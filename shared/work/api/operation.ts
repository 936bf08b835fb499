import type { ObjectSchema } from './schema.ts';

/** An operation of the application: the route, its validation, and the tool for language models derive from it. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With parameters in braces, as in PocketBase and OpenAPI. */
  readonly path: `/api/v1/${string}`;
  /** Imperative, one line. */
  readonly summary: string;
  readonly query?: ObjectSchema;
  readonly body?: ObjectSchema;
  readonly status: 200 | 201 | 204;
}
