import { useEffect, useState } from '../../vendor/hooks.js';
import { button, div, span } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { client, connection } from '../state/client.js';

/** Short interruptions are nobody's concern. */
const DELAY = 1_000;

/** Shows while the connection is lost. */
export function Connection() {
  const state = connection.value;
  const isDown = state !== 'live';
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    if (!isDown) return setShown(false);
    const timer = setTimeout(setShown, DELAY, true);
    return () => clearTimeout(timer);
  }, [isDown]);
  const isVisible = isDown && isShown;
  const text = state === 'waiting' ? t().waitingForNetwork : state === 'stopped' ? t().stopped : t().connecting;
  return div(
    { class: isVisible ? 'connection shown' : 'connection' },
    span({ role: 'status' }, isVisible ? text : ''),
    isVisible && state === 'stopped' && button({ type: 'button', class: 'link', onClick: () => client.start() }, t().connect)
  );
}
