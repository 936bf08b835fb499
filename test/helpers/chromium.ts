import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PATH = '/usr/bin/chromium';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Whether tests in a browser can run; a line says so where they cannot. */
export const hasChromium = existsSync(PATH);
if (!hasChromium) console.log(`skipped: ${PATH} is not installed (package chromium)`);

export function launchChromium(flags: readonly string[] = []): Promise<Browser> {
  return chromium.launch({ executablePath: PATH, args: [...FLAGS, ...flags] });
}
