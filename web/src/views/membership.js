import { t } from '../lib/i18n.js';
import { navigate, route } from '../routes.js';
import { chatOf, titleOf } from '../state/chats.js';
import { client } from '../state/client.js';
import { startLimits } from '../state/limits.js';
import { startNotices } from '../state/notices.js';
import { toast } from '../ui/toast.js';

/** Follows what becomes of the groups of the user. Called once. */
export function startMembership() {
  startLimits();
  startNotices();
  client.on('chat', ({ type, chat_id, reason = '' }) => {
    if (type !== 'chat_removed' || !chat_id) return;
    const chat = chatOf(chat_id);
    const { kicked, banned, closed } = t().groups;
    const texts = /** @type {Record<string, (title: string) => string>} */ ({ kicked, banned, closed });
    if (chat && texts[reason]) toast(texts[reason](titleOf(chat)));
    const where = route.peek();
    if (chat && where.name === 'chat' && where.chat === chat_id) navigate('/', { replace: true });
  });
}
