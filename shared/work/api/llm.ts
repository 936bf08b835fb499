import { fieldsOf, id, idOrNull, listQuery, text } from './fields.ts';
import type { Operation } from './operation.ts';

const kind = { type: 'string', enum: ['summary', 'decision', 'instruction', 'schema', 'note'] } as const;

const CONTEXT = {
  kind,
  title: text(200),
  content: text(100_000),
  work_item_id: { ...idOrNull, description: 'null: it is about the project.' },
  pinned: { type: 'boolean', description: 'Pinned ones come before others.' },
  source: { type: 'string', maxLength: 200, description: 'Where it is from, such as a model or an address.' },
  superseded_by_id: { ...idOrNull, description: 'The context that replaces this one.' },
} as const;

export const LLM_OPERATIONS = {
  assemble_llm_context: {
    method: 'GET',
    path: '/api/v1/llm/context',
    summary: 'Get what a language model needs to know about a project or a work item',
    query: fieldsOf(
      {
        project_id: { ...id, description: 'Not needed with work_item_id.' },
        work_item_id: id,
        max_tokens: {
          type: 'integer',
          minimum: 100,
          maximum: 200_000,
          description: 'A token is estimated as four characters. Default 8000.',
        },
      },
      [],
    ),
    status: 200,
  },
  list_llm_contexts: {
    method: 'GET',
    path: '/api/v1/llm/contexts',
    summary: 'List texts for language models, pinned ones first, then the latest first',
    query: listQuery({ project_id: id, work_item_id: id, kind, pinned: { type: 'boolean' } }),
    status: 200,
  },
  create_llm_context: {
    method: 'POST',
    path: '/api/v1/llm/contexts',
    summary: 'Add a text for language models',
    body: fieldsOf({ project_id: id, ...CONTEXT }, ['project_id', 'kind', 'title', 'content']),
    status: 201,
  },
  get_llm_context: {
    method: 'GET',
    path: '/api/v1/llm/contexts/{id}',
    summary: 'Get a text for language models',
    status: 200,
  },
  replace_llm_context: {
    method: 'PUT',
    path: '/api/v1/llm/contexts/{id}',
    summary: 'Replace a text for language models. Values that are left out become empty',
    body: fieldsOf(CONTEXT, ['kind', 'title', 'content']),
    status: 200,
  },
  change_llm_context: {
    method: 'PATCH',
    path: '/api/v1/llm/contexts/{id}',
    summary: 'Change a text for language models',
    body: fieldsOf(CONTEXT, []),
    status: 200,
  },
  delete_llm_context: {
    method: 'DELETE',
    path: '/api/v1/llm/contexts/{id}',
    summary: 'Delete a text for language models',
    status: 204,
  },
  list_llm_tools: {
    method: 'GET',
    path: '/api/v1/llm/tools',
    summary: 'List the operations as tools of a language model, with the JSON Schemas of their input',
    status: 200,
  },
} as const satisfies Record<string, Operation>;
