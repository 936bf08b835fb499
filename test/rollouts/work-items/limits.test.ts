import { expect, it } from 'vitest';
import { OPERATIONS, type OperationName } from '../../../shared/work/api/operations.ts';
import type { ObjectSchema, Schema } from '../../../shared/work/api/schema.ts';
import { databaseRows } from '../../helpers/fleet-state.ts';
import { asSuperuser } from '../../helpers/instance-superuser.ts';
import { createWorkStage } from './stage.ts';

/** The collections in which operations write their bodies. */
const WRITTEN: { [name in OperationName]?: string } = {
  create_work_item: 'pm_work_items',
  create_project: 'pm_work_items',
  change_work_item: 'pm_work_items',
  replace_work_item: 'pm_work_items',
  create_sprint: 'pm_sprints',
  change_sprint: 'pm_sprints',
  replace_sprint: 'pm_sprints',
  create_comment: 'pm_comments',
  replace_comment: 'pm_comments',
  create_time_entry: 'pm_time_entries',
  change_time_entry: 'pm_time_entries',
  replace_time_entry: 'pm_time_entries',
  create_dependency: 'pm_dependencies',
  create_llm_context: 'pm_llm_context',
  change_llm_context: 'pm_llm_context',
  replace_llm_context: 'pm_llm_context',
};

it('bodies of operations have the limits of the collections', async () => {
  const stage = await createWorkStage();
  const rows = await databaseRows(stage.fathom);
  const row = rows.find(({ name }) => name === stage.tenant.name);
  if (!row) throw new Error('the database has no row');
  const { collections } = await asSuperuser(stage.fathom, row);
  for (const [operation, collection] of Object.entries(WRITTEN)) {
    const { fields } = await collections.getOne(collection);
    const { body }: { body?: ObjectSchema } = OPERATIONS[operation as OperationName] as {
      body?: ObjectSchema;
    };
    for (const [name, schema] of Object.entries(body?.properties ?? {})) {
      const field = fields.find((one) => one.name === name);
      if (!field) continue;
      const limits = field as unknown as { max?: number; min?: number; values?: string[] };
      const of = { collection, name, ...limitsOf(schema) };
      if (field.type === 'text') expect(of).toMatchObject({ maxLength: limits.max });
      if (field.type === 'number')
        expect(of).toMatchObject({ minimum: limits.min, maximum: limits.max ?? undefined });
      if (field.type === 'select') expect(of).toMatchObject({ enum: limits.values });
    }
  }
  await stage.fathom.dispose();
});

function limitsOf(schema: Schema) {
  return {
    ...('maxLength' in schema && { maxLength: schema.maxLength }),
    ...('minimum' in schema && { minimum: schema.minimum, maximum: schema.maximum }),
    ...('enum' in schema && { enum: schema.enum }),
  };
}
