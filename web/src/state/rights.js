// The one place that says what a role allows. The server decides; this hides what it would refuse.
import { chatOf } from './chats.js';
import { restrictedUntil } from './limits.js';
import { myId } from './session.js';

/**
 * @typedef {'member' | 'admin' | 'owner'} Role
 * @typedef {import('/sdk/types.js').Schemas['MemberItem']} Member
 * @typedef {'message' | 'promote' | 'demote' | 'transfer' | 'restrict' | 'release' | 'remove' | 'ban'} MemberAction
 * @typedef {{type: string, role?: Role, settings: any, restricted?: boolean}} Standing what the rights of a user in a chat follow from
 */

const RANKS = { member: 0, admin: 1, owner: 2 };
/** What no setting gives to others. */
const OWNERS = new Set(['roles', 'handle', 'settings', 'history', 'protected', 'transfer', 'close']);
/** What a restricted member may not do either. */
const RESTRICTED = new Set(['send', 'media', 'react', 'pin', 'invite', 'mention_all']);
/** What both may do in a direct chat. */
const DIRECT = new Set(['send', 'media', 'react', 'pin', 'info', 'delete']);

/** @param {Role} role @param {Role} other */
export const isAbove = (role, other) => RANKS[role] > RANKS[other];

/** @param {Standing} standing @param {string} right a setting that names a role, or something that only the owner may do */
export function allows({ type, role = 'member', settings, restricted }, right) {
  if (type === 'direct') return DIRECT.has(right);
  if (OWNERS.has(right)) return role === 'owner';
  if (restricted && RESTRICTED.has(right)) return false;
  // The right to restrict members includes slow mode.
  const needed = /** @type {Role | undefined} */ (settings[right === 'slow_s' ? 'restrict' : right === 'ttl_s' ? 'info' : right]);
  return RANKS[role] >= RANKS[needed ?? 'member'];
}

/**
 * What may be done with a member.
 * @param {Standing} standing of the user
 * @param {Pick<Member, 'user_id' | 'role' | 'restricted_until'>} member
 * @param {string} me
 * @returns {MemberAction[]}
 */
export function actionsOn(standing, { user_id, role, restricted_until }, me) {
  if (user_id === me) return [];
  /** @type {MemberAction[]} */
  const actions = ['message'];
  const mine = standing.role ?? 'member';
  if (!isAbove(mine, role)) return actions;
  if (allows(standing, 'roles')) actions.push(role === 'admin' ? 'demote' : 'promote');
  if (allows(standing, 'transfer') && role === 'admin') actions.push('transfer');
  if (allows(standing, 'restrict')) actions.push(restricted_until && Date.parse(restricted_until) > Date.now() ? 'release' : 'restrict');
  if (allows(standing, 'kick')) actions.push('remove');
  if (allows(standing, 'ban')) actions.push('ban');
  return actions;
}

/** Whether the members of a chat are shown: in a channel only to admins. @param {Standing} standing */
export const seesMembers = ({ type, role = 'member' }) => type === 'group' || (type === 'channel' && isAbove(role, 'member'));

/** Whether the user can leave. The owner can do so only as the last member. @param {{role?: Role, member_count?: number}} chat */
export const mayLeave = ({ role, member_count }) => role !== 'owner' || member_count === 1;

/** What the rights of the user in a chat follow from. @param {import('./chats.js').ChatItem} chat @returns {Standing} */
export const standingIn = ({ id, type, role, settings }) => ({ type, role, settings, restricted: Boolean(restrictedUntil(id)) });

/** Whether the user may do something in a chat. @param {string} chatId @param {string} right */
export function may(chatId, right) {
  const chat = chatOf(chatId);
  return Boolean(chat && allows(standingIn(chat), right));
}

/** @param {string} chatId */
export const isProtected = (chatId) => Boolean(/** @type {any} */ (chatOf(chatId)?.settings)?.protected);

/** @param {import('./client.js').Message} message */
export const isOwn = ({ sender_id }) => sender_id === myId();
