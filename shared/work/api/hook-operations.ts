/** What the routes of the application `work-items` use. The build makes a CommonJS file of its own of it. */
export { OPERATIONS, type OperationName } from './operations.ts';
export { typedQuery, validate } from './schema.ts';
export { toolsOf } from './tools.ts';
