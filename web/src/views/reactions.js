import { button, div, span } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { isMine, toggleReaction } from '../state/reacting.js';
import { nameOf } from '../state/people.js';
import { myId } from '../state/session.js';

/** Below a message: how many users have reacted with what. @param {{chatId: string, message: import('../state/client.js').Message}} props */
export const Reactions = ({ chatId, message }) =>
  div(
    { class: 'reactions', role: 'group', 'aria-label': t().reactions },
    message.reactions?.map((reaction) => {
      const { emoji, count, recent = [] } = reaction;
      const names = recent.map((id) => (id === myId() ? t().you : nameOf(id))).filter(Boolean);
      return button(
        {
          ...{ key: emoji, type: 'button', class: 'reaction', title: names.join(', ') },
          'aria-pressed': isMine(message, reaction, myId()) ? 'true' : 'false',
          'aria-label': t().reactionBy(emoji, count),
          onClick: () => toggleReaction(chatId, message, emoji),
        },
        span(null, emoji),
        span({ class: 'reaction-count' }, count)
      );
    })
  );
