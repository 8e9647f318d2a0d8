import { t } from '../lib/i18n.js';

/** Why the server refused something, for people. @param {{code?: string, reason?: string}} error */
export function explain({ code, reason }) {
  const texts = t();
  const { refused } = texts;
  if (code === 'forbidden') return reason && reason in refused ? refused[/** @type {keyof typeof refused} */ (reason)] : texts.refusedForbidden;
  if (code === 'last_owner') return texts.groups.lastOwner;
  if (code === 'not_found') return texts.refusedNotFound;
  if (code === 'limit_reached') return texts.refusedLimit;
  if (code === 'validation_failed' || code === 'payload_too_large') return texts.refusedInvalid;
  if (code === 'rate_limited') return texts.errorTooMany;
  return !code || code === 'network' || code === 'unavailable' ? texts.errorNetwork : texts.errorUnknown(code);
}
