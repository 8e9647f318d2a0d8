import { useEffect, useState } from '../../vendor/hooks.js';
import { button, div, h, main } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { leave } from '../routes.js';
import { chatOf, fetchChat } from '../state/chats.js';
import { client, isListed } from '../state/client.js';
import { Empty } from '../ui/empty.js';
import { ChatSkeleton } from '../ui/skeleton.js';
import { ChatHeader } from './chat-header.js';
import { Composer } from './composer.js';
import { Log } from './log.js';
import { PinnedBar } from './pinned-bar.js';

/** One chat: its header, messages and composer. @param {{id: string, seq?: number}} props */
export function Chat({ id, seq }) {
  const texts = t();
  const chat = chatOf(id);
  const [isMissing, setMissing] = useState(false);
  useEffect(() => {
    // A link may lead to a chat that is not in the list yet, or that does not exist.
    if (chat || !isListed.value) return;
    fetchChat(id).catch(({ code }) => setMissing(/not_found|validation_failed/.test(code)));
  }, [id, Boolean(chat), isListed.value]);
  useEffect(() => client.on('chat', ({ type, chat_id }) => type === 'chat_removed' && chat_id === id && setMissing(true)), [id]);

  if (chat) {
    return main({ class: 'main chat' }, h(ChatHeader, { chat }), h(PinnedBar, { id }), h(Log, { chat, seq }), h(Composer, { chat }));
  }
  return main(
    { class: 'main chat' },
    isMissing
      ? h(Empty, { icon: 'search', title: texts.chatNotFound, hint: texts.chatNotFoundHint }, button({ type: 'button', class: 'button', onClick: () => leave('/') }, texts.backToChats))
      : div({ class: 'log' }, ChatSkeleton())
  );
}
