import { useEffect, useState } from '../../vendor/hooks.js';
import { button, div, h, p } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { leave, navigate } from '../routes.js';
import { adopt } from '../state/chats.js';
import { client } from '../state/client.js';
import { explain } from '../state/explain.js';
import { IconButton } from '../ui/button.js';
import { Empty } from '../ui/empty.js';
import { refused } from '../ui/toast.js';
import { Card } from './room.js';

/** @typedef {import('/sdk/types.js').Schemas['InvitePreview']} Preview */

/** What an invite leads to. @param {{code: string}} props */
export function View({ code }) {
  const texts = t().groups;
  const [preview, setPreview] = useState(/** @type {Preview | undefined} */ (undefined));
  const [problem, setProblem] = useState(/** @type {any} */ (undefined));
  const [state, setState] = useState(/** @type {'new' | 'busy' | 'pending'} */ ('new'));
  const [chat, setChat] = useState(/** @type {string | undefined} */ (undefined));

  const load = () => {
    setProblem(undefined);
    client.rest.get('/invites/{code}', { code }).then(setPreview, setProblem);
  };
  useEffect(load, [code]);
  // An invite does not name its chat: the one that comes with this title is meant.
  useEffect(() => {
    if (state !== 'pending') return;
    return client.on('chat', ({ type, chat: item }) => {
      if (type === 'chat_created' && item?.title === preview?.title && item?.type === preview?.type) setChat(item?.id);
    });
  }, [state]);

  async function run() {
    if (state !== 'new') return;
    setState('busy');
    try {
      const answer = await client.rest.post('/invites/{code}', undefined, { code });
      if (!('id' in answer)) return setState('pending');
      adopt(answer);
      navigate(`/c/${answer.id}`, { replace: true });
    } catch (/** @type {any} */ error) {
      setState('new');
      if (error.code === 'not_found') setProblem(error);
      else refused(error);
    }
  }

  const back = h(IconButton, { icon: 'back', name: t().backToChats, class: 'back', onClick: () => leave('/') });
  if (problem) {
    const isInvalid = /not_found|validation_failed/.test(problem.code);
    return div(
      { class: 'lone' },
      back,
      h(
        Empty,
        { icon: 'link', title: isInvalid ? texts.inviteInvalid : explain(problem), hint: isInvalid ? texts.inviteInvalidHint : undefined },
        button({ type: 'button', class: 'button', onClick: isInvalid ? () => leave('/') : load }, isInvalid ? t().backToChats : t().tryAgain)
      )
    );
  }
  if (!preview) return div({ class: 'lone', 'aria-busy': true });
  const { type, approve } = preview;
  return div(
    { class: 'lone' },
    back,
    h(
      Card,
      { id: code, ...preview, lead: type === 'channel' ? texts.invitedTo.channel : texts.invitedTo.group },
      chat
        ? [p({ role: 'status', class: 'notice' }, texts.accepted), button({ type: 'button', class: 'button primary wide', onClick: () => navigate(`/c/${chat}`, { replace: true }) }, texts.open)]
        : state === 'pending'
          ? div({ role: 'status', class: 'notice' }, p({ class: 'empty-title' }, texts.pending), p({ class: 'hint' }, texts.pendingHint))
          : [approve && p({ class: 'hint' }, texts.approvalHint), button({ type: 'button', class: 'button primary wide', 'aria-disabled': state === 'busy' ? 'true' : undefined, onClick: run }, approve ? texts.askToJoin : texts.join)]
    )
  );
}
