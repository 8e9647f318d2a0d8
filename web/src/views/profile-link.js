import { showLater } from '../ui/later.js';

/** Shows who somebody is. @param {string} id */
export const showProfile = (id) => showLater(() => import('../later/profile.js'), { id });
