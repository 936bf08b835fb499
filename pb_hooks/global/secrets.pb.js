/// The envelopes of the control plane, for the rotation of the master key. Only the daemon can open them.

// → StoredSecrets
routerAdd(
  'GET',
  '/api/fathom/secrets',
  (e) => e.json(200, require(`${__hooks}/lib/secrets.js`).countEnvelopes(e.app)),
  $apis.requireSuperuserAuth(),
);

// OutdatedRequest → StoredEnvelope[]
routerAdd(
  'POST',
  '/api/fathom/secrets/{collection}/outdated',
  (e) => {
    const { listOutdated } = require(`${__hooks}/lib/secrets.js`);
    /** @type {import('../../shared/hooks/control-plane-routes.ts').OutdatedRequest} */
    const body = e.requestInfo().body;
    return e.json(200, listOutdated(e.app, e.request.pathValue('collection'), body));
  },
  $apis.requireSuperuserAuth(),
);

// ReplaceRequest → {replaced}
routerAdd(
  'POST',
  '/api/fathom/secrets/{collection}/replace',
  (e) => {
    const { replaceEnvelope } = require(`${__hooks}/lib/secrets.js`);
    /** @type {import('../../shared/hooks/control-plane-routes.ts').ReplaceRequest} */
    const body = e.requestInfo().body;
    return e.json(200, { replaced: replaceEnvelope(e.app, e.request.pathValue('collection'), body) });
  },
  $apis.requireSuperuserAuth(),
);
