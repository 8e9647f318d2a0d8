/** @typedef {{type: string, offset: number, length: number}} Entity in UTF-16 code units */

/**
 * Where the formatting of a text is after the text was changed in one place. What the change is inside of grows or shrinks with it; what it
 * cuts is dropped, and a name that goes on now.
 * @template {Entity} T
 * @param {T[]} entities
 * @param {string} before
 * @param {string} after
 * @returns {T[]}
 */
export function moveEntities(entities, before, after) {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start++;
  let same = 0;
  while (same < shorter - start && before.at(-1 - same) === after.at(-1 - same)) same++;
  const end = before.length - same;
  const growth = after.length - before.length;
  return entities.flatMap((entity) => {
    const { offset, length } = entity;
    const goesOn = entity.type === 'mention' && /^[\p{L}\p{N}_]/u.test(after.slice(offset + length));
    if (offset + length <= start) return goesOn ? [] : entity;
    if (offset >= end) return { ...entity, offset: offset + growth };
    // A mention that was changed names somebody else.
    if (offset <= start && offset + length >= end && length + growth > 0 && entity.type !== 'mention') return { ...entity, length: length + growth };
    return [];
  });
}
