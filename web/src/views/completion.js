import { signal } from '../../vendor/signals.js';
import { div, h, span } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { chatOf } from '../state/chats.js';
import { client } from '../state/client.js';
import { setText } from '../state/compose.js';
import { learn } from '../state/people.js';
import { may } from '../state/rights.js';
import { myId } from '../state/session.js';
import { Avatar } from '../ui/avatar.js';

/** @typedef {{id: string, username: string, hint?: string}} Option */

const MOST = 6;

/**
 * Completes `@name` while it is written in a group. The server makes mentions of what is sent.
 * @param {string} chatId
 */
export function createCompletion(chatId) {
  /** @type {import('../../vendor/signals.js').Signal<{options: Option[], active: number} | null>} */
  const shown = signal(null);
  // Where the name is that is completed.
  let from = 0;
  /** @type {HTMLTextAreaElement | undefined} */
  let field;
  let asked = 0;

  const close = () => {
    asked++;
    shown.value = null;
  };

  /** @param {string} q */
  async function search(q) {
    const mine = ++asked;
    // Without an answer the name is written by hand.
    const answer = await client.rest.get('/chats/{id}/members', { id: chatId, q: q || undefined, limit: MOST + 1 }).catch(() => undefined);
    if (mine !== asked) return;
    if (!answer) return close();
    const { members } = answer;
    learn(members);
    /** @type {Option[]} */
    const options = members.filter(({ user_id }) => user_id !== myId()).slice(0, MOST).map(({ user_id, username }) => ({ id: user_id, username }));
    // The last one, so that nobody takes it in passing.
    if (may(chatId, 'mention_all') && 'all'.startsWith(q.toLowerCase())) options.push({ id: 'all', username: 'all', hint: t().notifyAll });
    shown.value = options.length ? { options, active: 0 } : null;
  }

  /** @param {Option} option */
  function take({ username }) {
    if (!field) return;
    const end = field.selectionStart;
    const text = `${field.value.slice(0, from)}@${username} ${field.value.slice(end)}`;
    setText(chatId, text);
    field.value = text;
    field.setSelectionRange(from + username.length + 2, from + username.length + 2);
    close();
  }

  return {
    shown,
    take,
    close,
    /** The text has changed. Returns the name that is looked for. @param {HTMLTextAreaElement} box */
    look(box) {
      field = box;
      const chat = chatOf(chatId);
      const match = chat?.type === 'group' && /(?:^|[\s*_~|([])@([\p{L}\p{M}\p{N}_.-]*)$/u.exec(box.value.slice(0, box.selectionStart));
      if (!match) return void close();
      from = box.selectionStart - match[1].length - 1;
      // Nobody is taken who was found for less of the name.
      const options = shown.peek()?.options.filter(({ username }) => username.toLowerCase().startsWith(match[1].toLowerCase())) ?? [];
      shown.value = options.length ? { options, active: 0 } : null;
      search(match[1]);
      return match[1];
    },
    /** @param {KeyboardEvent} event @returns {boolean} whether the key was for this */
    onKeyDown({ key }) {
      const now = shown.peek();
      if (!now) return false;
      const { options, active } = now;
      if (key === 'ArrowDown' || key === 'ArrowUp') {
        shown.value = { options, active: (active + (key === 'ArrowDown' ? 1 : options.length - 1)) % options.length };
      } else if (key === 'Enter' || key === 'Tab') take(options[active]);
      else if (key === 'Escape') close();
      else return false;
      return true;
    },
    attributes: () => ({ 'aria-controls': shown.value ? 'completion' : undefined, 'aria-activedescendant': shown.value ? `completion-${shown.value.active}` : undefined, 'aria-autocomplete': /** @type {const} */ ('list') }),
  };
}

/** @param {{completion: ReturnType<typeof createCompletion>}} props */
export function Completion({ completion }) {
  const now = completion.shown.value;
  if (!now) return null;
  return div(
    { class: 'completion', role: 'listbox', id: 'completion', 'aria-label': t().mentionSomebody },
    now.options.map((option, n) =>
      div(
        {
          ...{ key: option.id, id: `completion-${n}`, role: 'option', class: 'person', 'aria-selected': n === now.active ? 'true' : 'false' },
          // The field keeps the focus.
          onPointerDown(event) {
            event.preventDefault();
            completion.take(option);
          },
        },
        h(Avatar, { id: option.id, name: option.username, size: 'small' }),
        span(null, option.username),
        option.hint && span({ class: 'hint' }, option.hint)
      )
    )
  );
}
