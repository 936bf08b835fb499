import { type CommandFacts, commandFactsOf } from '../api/contract/command-facts.ts';
import type { Endpoint, Method, Resource } from '../api/contract/endpoint.ts';
import { RESOURCES } from '../api/resources.ts';

/** What a call needs of an endpoint at run time. */
export interface Operation {
  method: Method;
  /** `/api/v1/users/{id}` */
  path: string;
  /** Where the argument after those of the path goes; absent where there is none. */
  sends?: 'query' | 'body';
  /** Statuses from 400 whose body is a result as well. */
  resultStatuses?: number[];
  /** Of a response that is not JSON. */
  mediaType?: string;
  /** The response is read while it arrives. */
  isStream?: true;
  timeoutMs?: number;
  /** The response is one page of a list. */
  isPaged?: true;
  command?: CommandFacts;
}

export type OperationTable = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

/**
 * The operations by resource and method of the client.
 *
 * `bundle.ts` puts the value of this module in its place: the declarations load zod, which takes a fifth of the start of the
 * console, and the client does not need it.
 */
export const OPERATIONS: OperationTable = mapValues<Resource, Record<string, Operation>>(
  RESOURCES,
  (resource) => mapValues(resource, operationOf),
);

export function operationOf(endpoint: Endpoint): Operation {
  const { method, path, query, body, responses, timeoutMs, command } = endpoint;
  const sends = body ? 'body' : query ? 'query' : undefined;
  const failures = Object.entries(responses).filter(([, { failure }]) => failure);
  const mediaType = Object.values(responses).find((response) => response.mediaType)?.mediaType;
  return {
    method,
    path,
    ...(sends && { sends }),
    ...(failures.length > 0 && { resultStatuses: failures.map(([status]) => Number(status)) }),
    ...(mediaType && { mediaType }),
    ...(Object.values(responses).some(({ stream }) => stream) && { isStream: true }),
    ...(timeoutMs && { timeoutMs }),
    ...(query && 'page' in query.shape && { isPaged: true }),
    ...(command && { command: commandFactsOf(command, endpoint) }),
  };
}

function mapValues<V, W>(record: Readonly<Record<string, V>>, map: (value: V) => W): Record<string, W> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]));
}
