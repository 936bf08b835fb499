// PocketBase's own types come from node_modules/.cache/pocketbase/types.d.ts (scripts/pocketbase-types.ts).

/** Modules that handlers and migrations load. A handler runs in a context of its own, so it loads them inside. */
interface HookModules {
  'lib/addresses': typeof import('./global/lib/addresses.js');
  'lib/admin': typeof import('./global/lib/admin.js');
  'lib/api-keys': typeof import('./global/lib/api-keys.js');
  'lib/daemon': typeof import('./global/lib/daemon.js');
  'lib/invitations': typeof import('./global/lib/invitations.js');
  'lib/mails': typeof import('./global/lib/mails.js');
  'lib/oauth': typeof import('./global/lib/oauth.js');
  'lib/passwords': typeof import('./global/lib/passwords.js');
  'lib/ports': typeof import('./global/lib/ports.js');
  'lib/requests': typeof import('./global/lib/requests.js');
  'lib/rows': typeof import('./global/lib/rows.js');
  'lib/secrets': typeof import('./global/lib/secrets.js');
  'lib/sessions': typeof import('./global/lib/sessions.js');
  'lib/sign-in': typeof import('./global/lib/sign-in.js');
  'lib/sign-ups': typeof import('./global/lib/sign-ups.js');
  'lib/superuser': typeof import('./global/lib/superuser.js');
  'lib/trash': typeof import('./global/lib/trash.js');
  'lib/validation': typeof import('./global/lib/validation.js');
  'queue/route': typeof import('./global/queue/route.js');
  'rules/accounts': typeof import('./global/rules/accounts.js');
  'rules/addresses': typeof import('./global/rules/addresses.js');
  'rules/requests': typeof import('./global/rules/requests.js');
  'rules/superuser-addresses': typeof import('./global/rules/superuser-addresses.js');
  'rules/superusers': typeof import('./global/rules/superusers.js');
  'work-items/access': typeof import('../pb_apps/work-items/hooks/work-items/access.js');
  'work-items/activity': typeof import('../pb_apps/work-items/hooks/work-items/activity.js');
  'work-items/collections': typeof import('../pb_apps/work-items/hooks/work-items/collections.js');
  'work-items/items': typeof import('../pb_apps/work-items/hooks/work-items/items.js');
  'work-items/operations': typeof import('../shared/work/api/hook-operations.ts');
  'work-items/others': typeof import('../pb_apps/work-items/hooks/work-items/others.js');
  'work-items/owner': typeof import('../pb_apps/work-items/hooks/work-items/owner.js');
  'work-items/removal': typeof import('../pb_apps/work-items/hooks/work-items/removal.js');
  'work-items/routes/answer': typeof import('../pb_apps/work-items/hooks/work-items/routes/answer.js');
  'work-items/routes/crud': typeof import('../pb_apps/work-items/hooks/work-items/routes/crud.js');
  'work-items/routes/dtos': typeof import('../pb_apps/work-items/hooks/work-items/routes/dtos.js');
  'work-items/routes/items': typeof import('../pb_apps/work-items/hooks/work-items/routes/items.js');
  'work-items/routes/llm': typeof import('../pb_apps/work-items/hooks/work-items/routes/llm.js');
  'work-items/routes/move': typeof import('../pb_apps/work-items/hooks/work-items/routes/move.js');
  'work-items/routes/projects': typeof import('../pb_apps/work-items/hooks/work-items/routes/projects.js');
  'work-items/routes/records': typeof import('../pb_apps/work-items/hooks/work-items/routes/records.js');
  'work-items/routes/resources': typeof import('../pb_apps/work-items/hooks/work-items/routes/resources.js');
  'work-items/routes/sprints': typeof import('../pb_apps/work-items/hooks/work-items/routes/sprints.js');
  'work-items/rules': typeof import('../shared/work/hook-rules.ts');
  '_fathom/developer-collections': typeof import('./user/developer-collections.js');
  '_fathom/developer-import': typeof import('./user/developer-import.js');
  '_fathom/developer-requests': typeof import('./user/developer-requests.js');
  '_fathom/developer-settings': typeof import('./user/developer-settings.js');
  '_fathom/developer-sql': typeof import('./user/developer-sql.js');
  '_fathom/full-database': typeof import('./user/full-database.js');
  '_fathom/developer-targets': typeof import('./user/developer-targets.js');
  '_fathom/networks': typeof import('./user/networks.js');
  '_fathom/sign-in-limits': typeof import('./user/sign-in-limits.js');
  '_fathom/superuser-addresses': typeof import('./global/rules/superuser-addresses.js');
  '_fathom/upload-limits': typeof import('./user/upload-limits.js');
}

/** PocketBase's loader. Modules load each other by relative paths. */
declare function require<Name extends keyof HookModules>(path: `${string}/${Name}.js`): HookModules[Name];

/** Cached by queue-work.pb.js. */
declare var queueRoute: HookModules['queue/route'] | undefined;
/** Cached by requests.pb.js. */
declare var requestGate: HookModules['lib/requests'] | undefined;

/** The hooks import types from shared/, and one of its modules uses node:crypto. */
declare module 'node:crypto';
