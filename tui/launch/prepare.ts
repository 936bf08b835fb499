/** What has to be so before React and Ink are loaded. */
export function prepareEnvironment(): void {
  // Ink's colours do not know NO_COLOR.
  if (process.env['NO_COLOR']) process.env['FORCE_COLOR'] = '0';
  // Warnings of Node would be written across the screen.
  process.removeAllListeners('warning');
}
