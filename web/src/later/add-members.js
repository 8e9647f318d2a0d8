import { useState } from '../../vendor/hooks.js';
import { button, form, h } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { client } from '../state/client.js';
import { Dialog } from '../ui/dialog.js';
import { refused, toast } from '../ui/toast.js';
import { showNotAdded } from './not-added.js';
import { PeoplePicker } from './people-picker.js';

/** Adds people to a group. @param {{chatId: string, close: () => void}} props */
export function View({ chatId, close }) {
  const texts = t().groups;
  const [chosen, setChosen] = useState(/** @type {import('./people-picker.js').Person[]} */ ([]));
  const [isBusy, setBusy] = useState(false);

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    if (isBusy || !chosen.length) return;
    setBusy(true);
    try {
      const { added, not_added, invite } = await client.rest.post('/chats/{id}/members', { user_ids: chosen.map(({ id }) => id) }, { id: chatId });
      close();
      if (added.length || !not_added.length) toast(added.length ? texts.addedCount(added.length) : texts.nobodyAdded);
      showNotAdded(not_added, invite);
    } catch (error) {
      setBusy(false);
      refused(error);
    }
  }
  return h(
    Dialog,
    { title: texts.addMembers, close },
    form({ class: 'form', onSubmit: submit }, h(PeoplePicker, { chosen, onChange: setChosen, autofocus: true }), button({ type: 'submit', class: 'button primary wide', 'aria-disabled': chosen.length && !isBusy ? undefined : 'true' }, texts.add))
  );
}
