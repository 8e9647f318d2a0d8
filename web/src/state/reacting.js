import { client } from './client.js';
import { myId } from './session.js';

/** @typedef {import('./client.js').Message} Message */

/**
 * Whether the user has reacted with an emoji. What REST has told may be older than the counts, which frames renew; these name
 * the last three users.
 * @param {Message} message
 * @param {NonNullable<Message['reactions']>[number]} reaction
 * @param {string} me
 */
export function isMine({ my_reactions }, { emoji, count, recent = [] }, me) {
  if (recent.includes(me)) return true;
  return count > recent.length && Boolean(my_reactions?.includes(emoji));
}

/** Reacts, or takes the reaction back. @param {string} chatId @param {Message} message @param {string} emoji */
export function toggleReaction(chatId, message, emoji) {
  const reaction = message.reactions?.find((one) => one.emoji === emoji);
  client.react(chatId, message, emoji, { on: !(reaction && isMine(message, reaction, myId())) });
}
