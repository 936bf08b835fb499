import { type FathomClient, methodsOver } from './client-methods.ts';
import { HttpClient, type HttpClientOptions } from './http.ts';

export type { FathomClient } from './client-methods.ts';

/** The client of programs. Browsers use `createFetchClient`. */
export function createClient(options: HttpClientOptions): FathomClient {
  return methodsOver(new HttpClient(options));
}
