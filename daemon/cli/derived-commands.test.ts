import { expect, it } from 'vitest';
import { derive } from './derived-commands.ts';

const field = (name: string) => ({ name, type: 'string', describe: name, isRequired: true }) as const;

it('does not let a field replace an option of every command', () => {
  const { options } = derive({
    resource: 'bookmarks',
    method: 'add',
    operation: { method: 'POST', path: '/api/v1/bookmarks', sends: 'body' },
    facts: {
      words: ['bookmarks', 'add'],
      summary: 'Add a bookmark',
      group: 'Bookmarks',
      parameters: [],
      fields: [field('url'), field('data_dir'), field('page_title')],
      columns: [],
    },
  });
  expect(options['url']).not.toHaveProperty('demandOption');
  for (const name of ['field-url', 'field-data-dir', 'page-title'])
    expect(options[name]).toMatchObject({ demandOption: true });
});
