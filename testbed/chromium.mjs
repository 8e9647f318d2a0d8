// The Chromium of this machine, for the tests in a browser.
import { existsSync } from 'node:fs';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** It may run as root, and asks no host on the internet for anything. */
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** What `launch` of Playwright takes. Throws if there is no Chromium. */
export function chromiumOptions() {
  const executablePath = [process.env.CHROMIUM, ...PLACES].find((path) => path && existsSync(path));
  if (!executablePath) throw new Error('Chromium is missing. On Debian: apt-get install chromium, or set CHROMIUM=…');
  return { executablePath, args: FLAGS };
}
