migrate((app) => {
  require(`${__hooks}/lib/admin.js`).ensureAdmin(app);
});
