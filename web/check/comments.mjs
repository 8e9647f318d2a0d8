// What is left of a module that is embedded: the comments at the start of lines are left out, as chat-service/src/web/comments.rs does it.
import { tokenizer } from 'acorn';

/** Returns a module without its comments. @param {string} source */
export function leftOut(source) {
  let isInside = false;
  const codeOf = (/** @type {string} */ line) => {
    let rest = line;
    while (isInside || rest.trimStart().startsWith('/*')) {
      const end = rest.indexOf('*/', isInside ? 0 : rest.indexOf('/*') + 2);
      isInside = end < 0;
      if (isInside) return '';
      rest = rest.slice(end + 2);
    }
    return rest.trimStart().startsWith('//') ? '' : rest;
  };
  return source.split('\n').map(codeOf).join('\n');
}

const tokensOf = (source) => [...tokenizer(source, { ecmaVersion: 'latest', sourceType: 'module' })].map(({ type, value }) => `${type.label} ${value?.pattern ?? value}`);

/** Returns where a module means something else without its comments; `undefined` if it does not. @param {string} source */
export function difference(source) {
  const [before, after] = [source, leftOut(source)].map(tokensOf);
  const n = before.findIndex((token, n) => token !== after[n]);
  return n < 0 && before.length === after.length ? undefined : before[n] ?? 'the end';
}
