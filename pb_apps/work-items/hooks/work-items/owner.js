/**
 * Writes the member of the owner, under the owner's id. Fathom writes owners into new databases without PocketBase, and allows no
 * triggers on accounts, so this runs at each start.
 * @param {core.App} app
 */
function writeOwnerMember(app) {
  // Before the migrations of the application, its collections do not exist. They write the member themselves.
  if (!app.hasTable('pm_members')) return;
  app
    .nonconcurrentDB()
    .newQuery(
      `INSERT INTO pm_members (id, email, emailVisibility, verified, password, tokenKey, name, role, is_active, created, updated)
        SELECT id, '', FALSE, FALSE, '-', lower(hex(randomblob(25))), name, 'owner', TRUE,
          strftime('%Y-%m-%d %H:%M:%fZ'), strftime('%Y-%m-%d %H:%M:%fZ') FROM users
        WHERE TRUE ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE name <> excluded.name`,
    )
    .execute();
}

module.exports = { writeOwnerMember };
