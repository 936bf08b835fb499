/// Tasks by status, counted by one indexed query.
routerAdd(
  'GET',
  '/api/fathom/queue/counts',
  (e) => {
    const rows = arrayOf(new DynamicModel({ status: '', total: 0 }));
    e.app.db().newQuery('SELECT status, COUNT(*) AS total FROM global_queue GROUP BY status').all(rows);
    const counts = {};
    for (const row of rows) counts[row.status] = row.total;
    return e.json(200, counts);
  },
  $apis.requireSuperuserAuth(),
);
