import { PERMISSION_NAMES, PERMISSIONS, ROLES } from '../shared/api/accounts/permissions.ts';
import type { Endpoint, Tag } from '../shared/api/contract/endpoint.ts';
import { ENDPOINTS, TAGS } from '../shared/api/resources.ts';
import { markdownTable, withGeneratedPart } from './markdown.ts';

/** `docs/api.md` with its tables of permissions and operations replaced. */
export function withApiTables(document: string): string {
  const operations = TAGS.map(operationTable).join('\n\n');
  const withPermissions = withGeneratedPart(document, 'permissions', permissionTable());
  return withGeneratedPart(withPermissions, 'operations', operations);
}

function permissionTable(): string {
  return markdownTable(
    ['permission', ...ROLES.map((role) => `\`${role}\``)],
    PERMISSION_NAMES.map((name) => [
      `\`${name}\``,
      ...ROLES.map((role) => {
        const scope = PERMISSIONS[name][role];
        return scope === null ? '–' : `\`${scope}\``;
      }),
    ]),
  );
}

function operationTable(tag: Tag): string {
  const rows = ENDPOINTS.filter((endpoint) => endpoint.tag === tag).map(rowOf);
  return [`### ${tag.name}`, '', markdownTable(['operation', 'what it does', 'permission'], rows)].join('\n');
}

function rowOf({ method, path, summary, description, permission }: Endpoint): string[] {
  const text = [`${summary}.`, description].filter((one) => one !== undefined).join(' ');
  return [`${method} \`${path}\``, text, `\`${permission}\``];
}
