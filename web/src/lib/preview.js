/** The text of a message where it is shown in short, without what is hidden. @param {{text: string, entities?: {type: string, offset: number, length: number}[]}} message */
export function preview({ text, entities = [] }) {
  for (const { type, offset, length } of entities) if (type === 'spoiler') text = text.slice(0, offset) + '▒'.repeat(length) + text.slice(offset + length);
  return text;
}
