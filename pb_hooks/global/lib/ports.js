const rows = require('./rows.js');

const { rowsOf } = rows;

/**
 * Whether a row names a port.
 *
 * @param {CoreApp} app
 * @param {number} port
 */
function isPortNamed(app, port) {
  const query = app
    .db()
    .newQuery('SELECT port FROM user_databases WHERE port = {:port}')
    .bind({ port: Number(port) });
  return rowsOf(query, new DynamicModel({ port: 0 }), () => true).length > 0;
}

/**
 * Records that a database has left a port.
 *
 * @param {CoreApp} app
 * @param {number} port 0 for none
 */
function noteFreed(app, port) {
  if (port === 0) return;
  app
    .db()
    .newQuery(
      "INSERT INTO freed_ports (port, freed) VALUES ({:port}, strftime('%Y-%m-%d %H:%M:%fZ')) " +
        'ON CONFLICT (port) DO UPDATE SET freed = excluded.freed',
    )
    .bind({ port })
    .execute();
}

/**
 * Ports that databases have left and that no row names, the oldest first.
 *
 * @param {CoreApp} app
 * @returns {number[]}
 */
function listFreed(app) {
  const query = app
    .db()
    .newQuery(
      'SELECT port FROM freed_ports WHERE port NOT IN (SELECT port FROM user_databases) ORDER BY freed, port',
    );
  return rowsOf(query, new DynamicModel({ port: 0 }), ({ port }) => port);
}

module.exports = { isPortNamed, noteFreed, listFreed };
