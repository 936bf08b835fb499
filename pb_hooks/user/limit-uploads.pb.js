/// Limits large bodies. Loaded only after unfinished uploads have taken too much space for temporary files.

routerUse((e) => require(`${__hooks}/_fathom/upload-limits.js`).admit(e));
