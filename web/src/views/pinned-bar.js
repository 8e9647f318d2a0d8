import { useEffect, useState } from '../../vendor/hooks.js';
import { button, div, h, span } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { preview } from '../lib/entities.js';
import { navigate } from '../routes.js';
import { loadPins, pinsOf } from '../state/pins.js';
import { Icon } from '../ui/icons.js';

/** Below the header: the pinned messages, one at a time. A click shows it, and the next one. @param {{id: string}} props */
export function PinnedBar({ id }) {
  const texts = t();
  const pins = pinsOf(id).value;
  const [at, setAt] = useState(0);
  // Without them the chat is complete.
  useEffect(() => void loadPins(id).catch(() => {}), [id]);
  if (!pins.length) return null;
  const shown = Math.min(at, pins.length - 1);
  const { seq } = pins[shown];
  const show = () => {
    setAt((shown + 1) % pins.length);
    navigate(`/c/${id}/${seq}`);
  };
  const name = pins.length > 1 ? texts.pinnedOf(shown + 1, pins.length) : texts.pinnedMessage;
  return button(
    { type: 'button', class: 'pinned', onClick: show },
    h(Icon, { name: 'pin' }),
    div({ class: 'mode-lines' }, span({ class: 'mode-name' }, name), span({ class: 'mode-text', dir: 'auto' }, preview(pins[shown])))
  );
}
