/// A list of addresses of superusers that the daemon is not on would shut it out of the control plane.

onSettingsUpdateRequest((e) => {
  const listed = Array.from(e.newSettings.superuserIPs || []);
  const missing = ($os.getenv('FATHOM_DAEMON_ADDRESSES') || '127.0.0.1,::1')
    .split(',')
    .filter((address) => !listed.includes(address));
  if (listed.length > 0 && missing.length > 0) e.newSettings.superuserIPs = [...listed, ...missing];
  e.next();
});
