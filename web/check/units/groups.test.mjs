import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fakeBrowser, message } from './support.mjs';

fakeBrowser();
const { actionsOn, allows, mayLeave, seesMembers } = await import('../../src/state/rights.js');
const { changesOf, holesOf } = await import('../../src/state/notices.js');
const { noticeText } = await import('../../src/views/notice.js');
const { itemsOf } = await import('../../src/views/items.js');
const { parseRoute } = await import('../../src/routes.js');
const { formatDuration } = await import('../../src/lib/intl.js');
const { showLanguage } = await import('../../src/lib/i18n.js');
const { handleProblem } = await import('../../src/later/new-group.js');
const { entryFacts, entryText, withBefore } = await import('../../src/later/group-audit.js');
const { dayIn } = await import('../../src/views/sticky-day.js');

const settings = { send: 'member', react: 'member', pin: 'admin', info: 'admin', invite: 'member', restrict: 'admin', kick: 'admin', ban: 'admin', requests: 'admin', delete: 'owner', slow_s: 0, ttl_s: 0 };
const as = (role, more) => ({ type: 'group', role, settings, ...more });

describe('rights', () => {
  it('follow the role that a setting names', () => {
    assert.deepEqual(['member', 'admin', 'owner'].map((role) => allows(as(role), 'pin')), [false, true, true]);
    assert.deepEqual(['member', 'admin', 'owner'].map((role) => allows(as(role), 'delete')), [false, false, true]);
    assert.deepEqual(['member', 'admin', 'owner'].map((role) => allows(as(role), 'send')), [true, true, true]);
  });
  it('keep some things for the owner', () => {
    for (const right of ['roles', 'handle', 'history', 'protected', 'transfer', 'close', 'settings']) {
      assert.deepEqual(['member', 'admin', 'owner'].map((role) => allows(as(role), right)), [false, false, true], right);
    }
  });
  it('let those who restrict set slow mode, and those who edit the info set the timer', () => {
    const own = { ...settings, restrict: 'owner', info: 'member' };
    assert.equal(allows(as('admin', { settings: own }), 'slow_s'), false);
    assert.equal(allows(as('member', { settings: own }), 'ttl_s'), true);
  });
  it('are taken away by a restriction, but not all', () => {
    const restricted = as('member', { restricted: true });
    assert.deepEqual(['send', 'react', 'invite'].map((right) => allows(restricted, right)), [false, false, false]);
    assert.equal(allows(as('admin', { restricted: true }), 'kick'), true);
  });
  it('are those of both in a direct chat', () => {
    assert.equal(allows({ type: 'direct', settings: { ttl_s: 0 } }, 'pin'), true);
    assert.equal(allows({ type: 'direct', settings: { ttl_s: 0 } }, 'invite'), false);
  });
  it('hide the members of a channel from its readers', () => {
    assert.deepEqual([seesMembers(as('member')), seesMembers(as('member', { type: 'channel' })), seesMembers(as('admin', { type: 'channel' }))], [true, false, true]);
  });
  it('let the owner leave only as the last member', () => {
    assert.deepEqual([mayLeave({ role: 'owner', member_count: 2 }), mayLeave({ role: 'owner', member_count: 1 }), mayLeave({ role: 'admin', member_count: 2 })], [false, true, true]);
  });
});

describe('what may be done with a member', () => {
  const member = (role, restricted_until = null) => ({ user_id: 'bob', role, restricted_until });
  it('is nothing with oneself', () => assert.deepEqual(actionsOn(as('owner'), { ...member('owner'), user_id: 'me' }, 'me'), []));
  it('needs a higher role', () => {
    assert.deepEqual(actionsOn(as('member'), member('member'), 'me'), ['message']);
    assert.deepEqual(actionsOn(as('admin'), member('admin'), 'me'), ['message']);
    assert.deepEqual(actionsOn(as('admin'), member('member'), 'me'), ['message', 'restrict', 'remove', 'ban']);
  });
  it('is more for the owner', () => {
    assert.deepEqual(actionsOn(as('owner'), member('admin'), 'me'), ['message', 'demote', 'transfer', 'restrict', 'remove', 'ban']);
    assert.deepEqual(actionsOn(as('owner'), member('member', '2999-01-01T00:00:00Z'), 'me'), ['message', 'promote', 'release', 'remove', 'ban']);
    assert.ok(actionsOn(as('owner'), member('member', '2001-01-01T00:00:00Z'), 'me').includes('restrict'), 'a restriction that is over is none');
  });
});

describe('the audit log', () => {
  const at = '2026-01-02T03:04:05Z';
  const names = { bob: 'Bob', carol: 'Carol', dave: 'Dave' };
  const entry = (action, details, by = 'bob') => ({ at, by, action, details });
  const text = (one, before) => entryText(one, { me: 'me', name: (id) => names[id] ?? '', before });
  /** Every kind of entry that the server makes, with what both languages say. */
  const kinds = [
    [entry('members_added', { user_ids: ['carol', 'me'], via: 'add' }), 'Bob added Carol and you', 'Bob добавил(а) Carol и вас'],
    [entry('members_added', { user_ids: ['carol'], via: 'request' }), 'Bob added Carol', 'Bob добавил(а) Carol'],
    [entry('members_added', { user_ids: ['carol'], via: 'invite' }, 'carol'), 'Carol joined by invite link', 'Carol вступил(а) по ссылке'],
    [entry('members_removed', { user_ids: ['carol'], how: 'banned' }), 'Bob removed Carol', 'Bob удалил(а) Carol из чата'],
    [entry('members_removed', { user_ids: ['carol'], how: 'left' }, 'carol'), 'Carol left', 'Carol покинул(а) чат'],
    [entry('member_changed', { user_id: 'carol', role: 'admin', restricted_until: null }), 'Bob made Carol an admin', 'Bob назначил(а) Carol администратором'],
    [entry('chat_updated', null, 'me'), 'You changed the title, the description or the settings', 'Вы изменили название, описание или настройки'],
    [entry('chat_updated', { title: 'Crew', settings: { slow_s: 30 } }), 'Bob changed the title to “Crew”', 'Bob изменил(а) название на «Crew»'],
    [entry('chat_updated', { handle: null }), 'Bob made it private', 'Bob сделал(а) чат закрытым'],
    [entry('chat_updated', { description: 'About us', settings: { ttl_s: 0 } }), 'Bob changed the description', 'Bob изменил(а) описание'],
    [entry('chat_updated', { settings: { slow_s: 0, pin: 'admin' } }, 'me'), 'You turned off slow mode', 'Вы выключили медленный режим'],
    [entry('chat_updated', { settings: { pin: 'member' } }), 'Bob changed the settings', 'Bob изменил(а) настройки'],
    [entry('chat_closed', null), 'Bob deleted the chat', 'Bob удалил(а) чат'],
    [entry('banned', { user_ids: ['carol', 'dave'], reason: 'Too loud' }), 'Bob banned Carol and Dave', 'Bob заблокировал(а) Carol и Dave'],
    [entry('unbanned', { user_id: 'carol' }), 'Bob lifted the ban of Carol', 'Bob разблокировал(а) Carol'],
    [entry('invite_made', { max_uses: 5, approve: true }), 'Bob made an invite link', 'Bob создал(а) ссылку-приглашение'],
    [entry('invite_revoked', { code: 'abc' }, 'me'), 'You revoked an invite link', 'Вы отозвали ссылку-приглашение'],
    [entry('request_accepted', { user_id: 'carol' }), 'Bob accepted the join request of Carol', 'Bob принял(а) заявку от Carol'],
    [entry('request_rejected', { user_id: 'me' }, 'x'), 'Somebody rejected the join request of you', 'Кто-то отклонил(а) заявку от вас'],
    [entry('chat_frozen', null), 'Bob: chat_frozen', 'Bob: chat_frozen'],
  ];
  it('says everything in both languages', async () => {
    assert.deepEqual(kinds.map(([one]) => text(one)), kinds.map(([, english]) => english));
    await showLanguage('ru');
    assert.deepEqual(kinds.map(([one]) => text(one)), kinds.map(([, , russian]) => russian));
    await showLanguage('en');
  });
  it('says what else is known', () => {
    assert.deepEqual(entryFacts(entry('banned', { user_ids: ['carol'], reason: 'Too loud' })), ['Too loud']);
    assert.deepEqual(entryFacts(entry('invite_made', { max_uses: 5, approve: true })), ['Number of uses: 5', 'with approval']);
    assert.deepEqual(entryFacts(entry('invite_revoked', { code: 'abc' })), ['abc']);
    assert.match(entryFacts(entry('member_changed', { restricted_until: '2026-02-01T00:00:00Z' }))[0], /^only reads until /);
    const facts = (details) => entryFacts(entry('chat_updated', details));
    assert.deepEqual(facts(null), []);
    assert.deepEqual(facts({ title: 'Crew' }), []);
    assert.deepEqual(facts({ title: 'Crew', description: 'About us', handle: 'crew', settings: { slow_s: 30, ttl_s: 0 } }), ['Description', 'Public name: @crew', 'Slow mode: 30 seconds', 'Messages disappear after: Off']);
    assert.deepEqual(facts({ settings: { ttl_s: 3_600, history: 'all', protected: false, pin: 'member', later: 1 } }), ['Newcomers see: the whole history', 'Messages cannot be forwarded: Off', 'Who may pin messages: Everybody']);
    assert.deepEqual(facts({ settings: { kick: 'owner' } }), ['Who may remove people: Owner']);
  });
  it('knows what a member was before, as far as it goes back', () => {
    const changed = (user_id, role, restricted_until = null) => entry('member_changed', { user_id, role, restricted_until });
    const log = [changed('carol', 'member'), changed('dave', 'member'), entry('chat_updated', null), changed('carol', 'admin')];
    assert.deepEqual(withBefore(log).map(({ entry: one, before }) => text(one, before)), [
      'Bob took the admin role from Carol',
      'Bob changed the rights of Dave',
      'Bob changed the title, the description or the settings',
      'Bob made Carol an admin',
    ]);
  });
});

describe('the day of the first row in view', () => {
  const row = { kind: 'message', row: { message: message(1) } };
  it('is that of a message or notice', () => {
    const at = Date.parse('2026-01-02T03:04:05Z');
    assert.equal(dayIn([{ kind: 'unread' }, row]), at);
    assert.equal(dayIn([{ kind: 'notice', notice: { at: '2026-01-02T03:04:05Z' } }, row]), at);
  });
  it('is not shown where a heading says it, or at the beginning', () => {
    assert.equal(dayIn([row, { kind: 'day', at: 1 }, row]), undefined);
    assert.equal(dayIn([{ kind: 'start' }, row]), undefined);
    assert.equal(dayIn([]), undefined);
  });
});

describe('notices', () => {
  const at = '2026-01-02T03:04:05Z';
  const names = { bob: 'Bob', carol: 'Carol', dave: 'Dave', eve: 'Eve' };
  const text = (notice, before) => noticeText({ seq: 1, at, ...notice }, { me: 'me', name: (id) => names[id] ?? '', before });

  it('say who came and went', () => {
    assert.equal(text({ type: 'members_added', by: 'bob', user_ids: ['carol', 'me'], via: 'add' }), 'Bob added Carol and you');
    assert.equal(text({ type: 'members_added', by: 'bob', user_ids: ['carol', 'dave', 'eve', 'x', 'y'], via: 'add' }), 'Bob added Carol, Dave, Eve and 2 more');
    assert.equal(text({ type: 'members_added', by: 'carol', user_ids: ['carol'], via: 'invite' }), 'Carol joined by invite link');
    assert.equal(text({ type: 'members_added', by: 'me', user_ids: ['me'], via: 'join' }), 'You joined');
    assert.equal(text({ type: 'members_added', by: 'me', user_ids: ['carol'], via: 'request' }), 'You accepted Carol');
    assert.equal(text({ type: 'members_removed', by: 'bob', user_ids: ['bob'], how: 'left' }), 'Bob left');
    assert.equal(text({ type: 'members_removed', by: 'bob', user_ids: ['carol'], how: 'kicked' }), 'Bob removed Carol');
    assert.equal(text({ type: 'members_removed', by: 'me', user_ids: ['carol'], how: 'banned' }), 'You banned Carol');
  });
  it('say what became of a member', () => {
    const changed = (role, restricted_until = null) => ({ type: 'member_changed', by: 'bob', user_id: 'carol', role, restricted_until });
    assert.equal(text(changed('admin')), 'Bob made Carol an admin');
    assert.equal(text(changed('owner')), 'Bob made Carol the owner');
    assert.equal(text(changed('member'), { role: 'admin' }), 'Bob took the admin role from Carol');
    assert.equal(text(changed('member', '2026-02-01T00:00:00Z')), 'Bob restricted Carol');
    assert.equal(text(changed('member'), { role: 'member', restricted_until: '2026-02-01T00:00:00Z' }), 'Bob lets Carol write again');
    assert.equal(text(changed('member')), 'Bob changed the rights of Carol');
  });
  it('say what was changed, as far as that is known', () => {
    const updated = (changed, more) => text({ type: 'chat_updated', by: 'bob', changed, ...more });
    assert.equal(updated(['title', 'description'], { title: 'Team' }), 'Bob changed the title to “Team”');
    assert.equal(updated(['handle'], { handle: 'team1' }), 'Bob made it public as @team1');
    assert.equal(updated(['handle'], { handle: null }), 'Bob made it private');
    assert.equal(updated(['ttl_s'], { settings: { ttl_s: 604_800 } }), 'Bob lets messages disappear after 7 days');
    assert.equal(updated(['slow_s'], { settings: { slow_s: 0 } }), 'Bob turned off slow mode');
    assert.equal(updated(undefined), 'Bob changed the settings');
    assert.equal(text({ type: 'pinned', by: 'nobody', on: true }), 'Somebody pinned a message');
  });
  it('are in Russian too', async () => {
    await showLanguage('ru');
    assert.equal(text({ type: 'members_added', by: 'bob', user_ids: ['me'], via: 'add' }), 'Bob добавил(а) вас');
    assert.equal(text({ type: 'members_added', by: 'me', user_ids: ['me'], via: 'invite' }), 'Вы вступили по ссылке');
    await showLanguage('en');
  });
  it('compare an update with what was before', () => {
    const old = { title: 'A', description: '', settings: { slow_s: 0, send: 'member' } };
    assert.deepEqual(changesOf(old, { title: 'B', description: '', handle: null, settings: { slow_s: 5, send: 'member' } }), ['title', 'slow_s']);
    assert.deepEqual(changesOf(undefined, { settings: {} }), []);
  });
  it('are looked for only where numbers are missing', () => {
    assert.deepEqual(holesOf(1, 5, [1, 2, 3, 4, 5]), []);
    assert.deepEqual(holesOf(1, 9, [2, 3, 6]), [[1, 1], [4, 5], [7, 9]]);
    assert.deepEqual(holesOf(4, 3, []), []);
  });
  it('stand between messages, and part those of one sender', () => {
    const rows = [1, 3, 5].map((seq) => ({ key: `m${seq}`, message: message(seq), state: 'stored' }));
    const notices = [2, 4, 6].map((seq) => ({ seq, type: 'member_changed', at: message(1).created_at, user_id: 'carol' }));
    const options = { hasOlder: false, me: 'me', firsts: new Set(), notices };
    const keys = (items) => items.filter(({ kind }) => kind === 'message' || kind === 'notice').map(({ key }) => key);
    const items = itemsOf(rows, options);
    assert.deepEqual(keys(items), ['m1', 'notice-2', 'm3', 'notice-4', 'm5', 'notice-6']);
    assert.ok(items.filter(({ kind }) => kind === 'message').every(({ isFirst, isLast }) => isFirst && isLast));
    assert.equal(items.find(({ key }) => key === 'notice-4').before.seq, 2);
    assert.deepEqual(keys(itemsOf(rows.slice(1), { ...options, hasOlder: true, hasNewer: true })), ['m3', 'notice-4', 'm5'], 'what is not shown has none');
    assert.deepEqual(keys(itemsOf([], options)), ['notice-2', 'notice-4', 'notice-6']);
  });
});

describe('small things of groups', () => {
  it('routes', () => {
    assert.deepEqual(parseRoute('/invite/abc'), { name: 'invite', code: 'abc' });
    assert.deepEqual(parseRoute('/join/abc'), { name: 'invite', code: 'abc' });
    assert.deepEqual(parseRoute('/rooms'), { name: 'rooms' });
    assert.deepEqual(parseRoute('/c/1/info'), { name: 'chat', chat: '1', isInfo: true });
    assert.equal(parseRoute('/invite').name, 'other');
  });
  it('names lengths of time', () => {
    assert.deepEqual([5, 60, 5_400, 86_400].map((seconds) => formatDuration('en', seconds)), ['5 seconds', '1 minute', '90 minutes', '1 day']);
    assert.equal(formatDuration('ru', 7 * 86_400), '7 дней');
  });
  it('checks public names', () => {
    assert.equal(handleProblem('rust_users'), '');
    assert.match(handleProblem('Rust'), /5 to 32/);
    assert.match(handleProblem('rust_users', { code: 'handle_taken' }), /taken/);
  });
});
