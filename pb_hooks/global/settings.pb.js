/// Keeps the daemon's addresses in a list of allowed superuser addresses: without them it cannot reach the control plane.

onSettingsUpdateRequest((e) => {
  const { withDaemonAddresses } = require(`${__hooks}/rules/superusers.js`);
  const ofDaemon = $os.getenv('FATHOM_DAEMON_ADDRESSES') || '127.0.0.1,::1';
  const addresses = withDaemonAddresses(Array.from(e.newSettings.superuserIPs || []), ofDaemon);
  if (addresses) e.newSettings.superuserIPs = addresses;
  e.next();
});
