import { useState } from '../../vendor/hooks.js';
import { button, form, h, h2, section } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { duration } from '../lib/time.js';
import { client } from '../state/client.js';
import { allows, standingIn } from '../state/rights.js';
import { refused, toast } from '../ui/toast.js';
import { CheckField, SelectField, TextField } from './fields.js';
import { handleProblem } from './new-group.js';

/** @typedef {import('/sdk/types.js').Schemas['ChatSettings']} Settings */

const SLOW = [0, 5, 10, 30, 60, 300, 900, 3_600];
const TTL = [0, 3_600, 86_400, 7 * 86_400, 30 * 86_400, 90 * 86_400];
/** Who may do what, and the roles that the server takes. @type {[keyof import('../lib/i18n.js').Dictionary['groups']['may'], string[]][]} */
const RIGHTS = [
  ...['send', 'media', 'react', 'mention_all'].map((name) => /** @type {[any, string[]]} */ ([name, ['member', 'admin']])),
  ...['pin', 'info', 'invite'].map((name) => /** @type {[any, string[]]} */ ([name, ['member', 'admin', 'owner']])),
  ...['delete', 'kick', 'restrict', 'ban', 'requests', 'audit'].map((name) => /** @type {[any, string[]]} */ ([name, ['admin', 'owner']])),
];

/** The lengths that can be chosen, with the one that is set. @param {number[]} lengths @param {number} now @returns {[string, string][]} */
const options = (lengths, now) => [...new Set([...lengths, now])].sort((a, b) => a - b).map((value) => [String(value), value ? duration(value) : t().groups.off]);

/** What a group is called and what holds in it: each user sees what their role may change. @param {{chat: import('../state/client.js').ChatItem}} props */
export function View({ chat }) {
  const texts = t().groups;
  const { id } = chat;
  const standing = standingIn(chat);
  const present = /** @type {Settings} */ (chat.settings);
  // Only what the user has changed: the rest follows the chat.
  const [profile, setProfile] = useState(/** @type {{title?: string, description?: string, handle?: string}} */ ({}));
  const [settings, setSettings] = useState(/** @type {Partial<Settings>} */ ({}));
  const [problem, setProblem] = useState(/** @type {{title?: string, handle?: string}} */ ({}));
  const shown = { title: chat.title ?? '', description: chat.description ?? '', handle: chat.handle ?? '', ...profile };
  /** @type {Settings} */
  const set = { ...present, ...settings };
  const edit = (/** @type {string} */ name) => (/** @type {string} */ value) => setProfile((now) => ({ ...now, [name]: value }));
  const choose = (/** @type {string} */ name, /** @type {(text: string) => any} */ read = String) => (/** @type {any} */ value) => setSettings((now) => ({ ...now, [name]: read(value) }));

  /** @param {SubmitEvent} event */
  async function save(event) {
    event.preventDefault();
    const handle = shown.handle.trim().replace(/^@/, '').toLowerCase();
    if (!shown.title.trim()) return setProblem({ title: texts.titleNeeded });
    if (handleProblem(handle)) return setProblem({ handle: handleProblem(handle) });
    const changed = Object.fromEntries(Object.entries(settings).filter(([name, value]) => /** @type {any} */ (present)[name] !== value));
    /** @type {Record<string, any>} */
    const body = {
      ...(shown.title.trim() !== chat.title && { title: shown.title.trim() }),
      ...(shown.description.trim() !== chat.description && { description: shown.description.trim() }),
      ...(handle !== (chat.handle ?? '') && { handle: handle || null }),
      ...(Object.keys(changed).length && { settings: changed }),
    };
    try {
      if (Object.keys(body).length) await client.rest.patch('/chats/{id}', body, { id });
      setProfile({});
      setSettings({});
      setProblem({});
      toast(texts.saved);
    } catch (error) {
      if (handleProblem(handle, error)) setProblem({ handle: handleProblem(handle, error) });
      else refused(error);
    }
  }

  return form(
    { class: 'form settings-form', noValidate: true, onSubmit: save },
    section(
      { class: 'panel-section form' },
      h2({ class: 'panel-title' }, texts.general),
      allows(standing, 'info') && h(TextField, { id: 'set-title', name: texts.title, value: shown.title, onInput: edit('title'), problem: problem.title, maxLength: 128, autocomplete: 'off' }),
      allows(standing, 'info') && h(TextField, { id: 'set-description', name: texts.description, value: shown.description, onInput: edit('description'), lines: 3, maxLength: 1024 }),
      allows(standing, 'handle') && h(TextField, { id: 'set-handle', name: texts.handle, hint: texts.handleHint, problem: problem.handle, value: shown.handle, onInput: edit('handle'), autocapitalize: 'none', autocomplete: 'off', spellcheck: false, maxLength: 33 }),
      allows(standing, 'history') && h(SelectField, { id: 'set-history', name: texts.history, value: set.history, onChange: choose('history'), options: [['all', texts.historyAll], ['since_join', texts.historyJoin]] })
    ),
    ['restrict', 'info', 'protected'].some((right) => allows(standing, right)) &&
      section(
        { class: 'panel-section form' },
        h2({ class: 'panel-title' }, texts.messages),
        allows(standing, 'slow_s') && h(SelectField, { id: 'set-slow', name: texts.slowMode, hint: texts.slowHint, value: String(set.slow_s), onChange: choose('slow_s', Number), options: options(SLOW, present.slow_s) }),
        allows(standing, 'ttl_s') && h(SelectField, { id: 'set-ttl', name: texts.ttl, value: String(set.ttl_s), onChange: choose('ttl_s', Number), options: options(TTL, present.ttl_s) }),
        allows(standing, 'protected') && h(CheckField, { name: texts.protected, checked: set.protected, onChange: choose('protected', Boolean) })
      ),
    allows(standing, 'settings') &&
      section(
        { class: 'panel-section form rights' },
        h2({ class: 'panel-title' }, texts.rights),
        RIGHTS.map(([name, roles]) =>
          h(SelectField, { key: name, id: `set-${name}`, name: texts.may[name], value: /** @type {any} */ (set)[name], onChange: choose(name), options: roles.map((role) => /** @type {[string, string]} */ ([role, texts.roles[/** @type {'member'} */ (role)]])) })
        )
      ),
    button({ type: 'submit', class: 'button primary wide' }, texts.save)
  );
}
