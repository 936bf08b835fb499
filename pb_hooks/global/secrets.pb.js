/// The envelopes of the control plane, for the rotation of the master key. Only the daemon can open them.

// → {collections, counts: [{collection, key_id, count}]}
routerAdd(
  'GET',
  '/api/fathom/secrets',
  (e) => {
    const secrets = require(`${__hooks}/lib/secrets.js`);
    return e.json(200, { collections: secrets.collections, counts: secrets.counts(e.app) });
  },
  $apis.requireSuperuserAuth(),
);

// {after, limit, current} → [{id, belongs_to, envelope}] that do not begin with `current`.
routerAdd(
  'POST',
  '/api/fathom/secrets/{collection}/outdated',
  (e) => {
    const { outdated } = require(`${__hooks}/lib/secrets.js`);
    return e.json(200, outdated(e.app, e.request.pathValue('collection'), e.requestInfo().body));
  },
  $apis.requireSuperuserAuth(),
);

// {id, old, fresh} → {replaced}: one statement, so that whenever this is cut short each row is whole.
routerAdd(
  'POST',
  '/api/fathom/secrets/{collection}/replace',
  (e) => {
    const { replace } = require(`${__hooks}/lib/secrets.js`);
    return e.json(200, {
      replaced: replace(e.app, e.request.pathValue('collection'), e.requestInfo().body),
    });
  },
  $apis.requireSuperuserAuth(),
);
