import { load, save } from '../lib/storage.js';

/** The most emoji that are kept. */
const MOST_RECENT = 24;

/** The emoji that were used last, the latest first. @returns {string[]} */
export const recentEmojis = () => load('emojis') ?? [];

/** @param {string} emoji */
export const rememberEmoji = (emoji) => save('emojis', [emoji, ...recentEmojis().filter((one) => one !== emoji)].slice(0, MOST_RECENT));
