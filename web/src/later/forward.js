import { useState } from '../../vendor/hooks.js';
import { button, div, h, input, label, p, span } from '../lib/dom.js';
import { moveFocus } from '../lib/focus.js';
import { t } from '../lib/i18n.js';
import { navigate } from '../routes.js';
import { chats, titleOf } from '../state/chats.js';
import { client } from '../state/client.js';
import { may } from '../state/rights.js';
import { Avatar } from '../ui/avatar.js';
import { Dialog } from '../ui/dialog.js';
import { refused, toast } from '../ui/toast.js';

/** More are found by their names. */
const MOST = 50;

/** Chooses the chat to which a message is copied. @param {{chatId: string, message: import('../state/client.js').Message, close: () => void}} props */
export function View({ chatId, message, close }) {
  const texts = t();
  const [query, setQuery] = useState('');
  // The same attempt, however often it is made: it copies once.
  const [request_id] = useState(() => crypto.randomUUID());
  const words = query.trim().toLowerCase();
  const list = chats.value.filter((chat) => may(chat.id, 'send') && titleOf(chat).toLowerCase().includes(words)).slice(0, MOST);

  /** @param {import('../state/client.js').ChatItem} chat */
  async function forward(chat) {
    try {
      await client.rest.post('/chats/{id}/forward', { from_chat_id: chatId, message_ids: [message.id], request_id }, { id: chat.id });
      close();
      toast(texts.forwarded(titleOf(chat)));
      navigate(`/c/${chat.id}`);
    } catch (error) {
      refused(error);
    }
  }

  return h(
    Dialog,
    { title: texts.forwardTo, close },
    label({ class: 'hidden', for: 'forward-query' }, texts.filterChats),
    input({ id: 'forward-query', class: 'input', type: 'search', autofocus: true, value: query, placeholder: texts.filterChats, dir: 'auto', onInput: (event) => setQuery(event.currentTarget.value) }),
    div(
      { class: 'people', onKeyDown: (event) => moveFocus(event, event.currentTarget, '.person') },
      list.map((chat) =>
        button(
          { key: chat.id, type: 'button', class: 'person', onClick: () => forward(chat) },
          h(Avatar, { id: chat.partner?.id ?? chat.id, name: titleOf(chat) }),
          span({ class: 'person-name', dir: 'auto' }, titleOf(chat))
        )
      )
    ),
    !list.length && p({ class: 'people-hint' }, texts.noMatches)
  );
}
