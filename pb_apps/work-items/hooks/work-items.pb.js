onBootstrap((e) => {
  e.next();
  const { writeOwnerMember } = require(`${__hooks}/work-items/owner.js`);
  try {
    writeOwnerMember(e.app);
  } catch (error) {
    // A full disk must not keep the database from its start.
    e.app.logger().error('cannot write the member of the owner', 'error', String(error));
  }
});
