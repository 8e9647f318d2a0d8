import { createHash } from 'node:crypto';

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/**
 * Returns a UUID that is always the same for the same arguments: a UUIDv5. As the `request_id` of an answer it makes sure that a
 * program that handles a message twice, because it was killed in between, answers it once.
 * @param {string} id a UUID, for instance the id of the message that is answered
 * @param {string} purpose tells several answers to one message apart
 */
export function derivedId(id, purpose) {
  if (!UUID.test(id)) throw new TypeError(`not a UUID: ${id}`);
  const hash = createHash('sha1').update(Buffer.from(id.replaceAll('-', ''), 'hex')).update(purpose).digest();
  // The version and the variant.
  hash[6] = (hash[6] & 0x0f) | 0x50;
  hash[8] = (hash[8] & 0x3f) | 0x80;
  return hash.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
