// The Chromium of this machine, for the tests in a browser.
import { existsSync } from 'node:fs';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** The page below the address bar, which nobody sees: it took more time of the processor than the page of a test. */
const UNSEEN = ['WebUIOmniboxPopup', 'WebUIOmniboxAimPopup', 'WebUIOmniboxFullPopup'];
/** What Playwright 1.60 disables: Chromium takes only the last list. */
const UNWANTED = [
  'AutoDeElevate', 'AvoidUnnecessaryBeforeUnloadCheckSync', 'BoundaryEventDispatchTracksNodeRemoval', 'DestroyProfileOnBrowserClose',
  'DialMediaRouteProvider', 'GlobalMediaControls', 'HttpsUpgrades', 'LensOverlay', 'MediaRouter', 'OptimizationHints', 'PaintHolding',
  'RenderDocument', 'ThirdPartyStoragePartitioning', 'Translate',
];
/** It may run as root, and asks no host on the internet for anything. */
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  `--disable-features=${[...UNWANTED, ...UNSEEN]}`,
];

/** What `launch` of Playwright takes. Throws if there is no Chromium. */
export function chromiumOptions() {
  const executablePath = [process.env.CHROMIUM, ...PLACES].find((path) => path && existsSync(path));
  if (!executablePath) throw new Error('Chromium is missing. On Debian: apt-get install chromium, or set CHROMIUM=…');
  return { executablePath, args: FLAGS };
}
