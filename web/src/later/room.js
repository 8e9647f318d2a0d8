import { useState } from '../../vendor/hooks.js';
import { button, div, h, h1, p } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { leave, navigate } from '../routes.js';
import { adopt } from '../state/chats.js';
import { client } from '../state/client.js';
import { Avatar } from '../ui/avatar.js';
import { IconButton } from '../ui/button.js';
import { refused } from '../ui/toast.js';

/** @typedef {import('/sdk/types.js').Schemas['Room']} Room */

/** Joins a public chat, and opens it. @param {string} id */
export async function join(id) {
  try {
    adopt(await client.rest.post('/chats/{id}/join', undefined, { id }));
    navigate(`/c/${id}`);
  } catch (error) {
    refused(error);
  }
}

/**
 * The card of a group of which one is no member.
 * @param {{id: string, type: string, title: string, description?: string, member_count: number, handle?: string, lead?: string, children?: import('../lib/dom.js').Children}} props
 */
export function Card({ id, type, title, description, member_count, handle, lead, children }) {
  const texts = t();
  return div(
    { class: 'invitation' },
    lead && p({ class: 'hint' }, lead),
    h(Avatar, { id, name: title, size: 'large' }),
    h1({ class: 'invitation-title', dir: 'auto' }, title),
    p({ class: 'hint' }, [handle && `@${handle}`, type === 'channel' ? texts.subscribers(member_count) : texts.members(member_count)].filter(Boolean).join(' · ')),
    description && p({ class: 'about-text', dir: 'auto' }, description),
    children
  );
}

/** A public chat before one joins it. @param {{room: Room}} props */
export function View({ room }) {
  const texts = t();
  const [isBusy, setBusy] = useState(false);
  const run = async () => {
    if (isBusy) return;
    setBusy(true);
    await join(room.id);
    setBusy(false);
  };
  return div(
    { class: 'lone' },
    h(IconButton, { icon: 'back', name: texts.backToChats, class: 'back', onClick: () => leave('/') }),
    h(Card, room, p({ class: 'hint' }, texts.groups.notMember), button({ type: 'button', class: 'button primary wide', 'aria-disabled': isBusy ? 'true' : undefined, onClick: run }, texts.groups.join))
  );
}
