import { useEffect, useState } from '../../vendor/hooks.js';
import { h, li, p, span, ul } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { client } from '../state/client.js';
import { nameOf } from '../state/people.js';
import { Avatar } from '../ui/avatar.js';
import { Dialog } from '../ui/dialog.js';
import { refused } from '../ui/toast.js';

/** Who has read a message. @param {{chatId: string, message: import('../state/client.js').Message, close: () => void}} props */
export function View({ chatId, message, close }) {
  const texts = t();
  const [users, setUsers] = useState(/** @type {string[] | null} */ (null));
  useEffect(() => {
    client.rest.get('/chats/{id}/messages/{message_id}/seen', { id: chatId, message_id: message.id }).then(
      ({ seen }) => setUsers(seen.map(({ user_id }) => user_id)),
      (error) => (close(), refused(error))
    );
  }, []);
  return h(
    Dialog,
    { title: texts.seenBy, close, class: 'narrow' },
    users?.length === 0 && p({ class: 'people-hint' }, texts.seenByNobody),
    users && users.length > 0 && ul({ class: 'people' }, users.map((id) => li({ key: id, class: 'person' }, h(Avatar, { id, name: nameOf(id), user: id }), span({ class: 'person-name' }, nameOf(id)))))
  );
}
