import { inOrder, partsOf } from './entities.js';

// In the composer formatting is written with marks: **bold** __italic__ ~~strike~~ ||spoiler|| `code` ```block``` [link](https://…). What has
// no mark, or can have none where it is, is written like a link: un[believ](:bold)able. A backslash before a mark makes it text.

/** @typedef {import('./entities.js').Entity} Entity */

/** @type {{[type: string]: string}} */
export const MARKS = { bold: '**', italic: '__', strike: '~~', spoiler: '||', code: '`', pre: '```' };
/** Keys that make them. @type {{[keys: string]: string}} */
export const KEYS = { 'Ctrl+b': 'bold', 'Ctrl+i': 'italic', 'Ctrl+Shift+x': 'strike', 'Ctrl+e': 'code', 'Ctrl+Shift+p': 'spoiler' };

const LINK = /\]\((?<target>(?:[hH][tT]{2}[pP][sS]?:(?!\/\/\))|[mM][aA][iI][lL][tT][oO]:)(?:\\\S|\([^\s()[\]\\]*\)|[^\s()[\]\\])+|:pre:(?:\\.|[^\s()[\]\\])+|:(?:bold|italic|underline|strike|spoiler|quote|code|pre|mention_all)|@[\da-f-]{36})\)/u;
/** A longer text is too long for a message, whatever its marks. */
const LONGEST = 16_384;
/** A name of a program that looks like a word in italics: it is compared, assigned or imported, or is a member. */
const NAME = String.raw`(?<!\\)__[A-Za-z\d]+(?:_[A-Za-z\d]+)*__`;
const PROGRAM_NAME = String.raw`(?<=[=!]=\s?["']?|[\w)\]]\.)${NAME}|${NAME}(?=["']?\s?[=!]?=|\.\w|\simport\b)`;
/**
 * Behind backslashes: an address, a name of a program, a block, code, a run of signs, the end of a link, or a sign that may need a backslash. Where
 * one does not match, it was given up at the next sign that may begin another: nothing is looked at again and again.
 */
const TOKEN = [
  String.raw`(?<!\\)(?<slashes>\\*)(?:(?<name>${PROGRAM_NAME})|(?<url>\bhttps?://[^\s<>"'[\]\x60\\]+|(?<![\p{L}\p{N}_@])@[\p{L}\p{M}\p{N}_.-]+)`,
  String.raw`\x60{3}(?!\s*\x60{3})(?:(?<language>[\w+#.-]{1,32})?[ \t]*\n)?(?<pre>[^]+?)\n?\x60{3}`,
  String.raw`(?<![\p{L}\p{N}\x60])\x60(?!\s*\x60)(?<code>[^\x60\n]+)\x60(?![\p{L}\p{N}\x60])`,
  String.raw`(?<run>(?<sign>[*_~|])\k<sign>+)|${LINK.source}|[\][\x60])`,
].join('|');
const WORD = /[\p{L}\p{M}\p{N}]/u;
/** Before a mark: it begins nothing. In code, paths and smileys such signs are next to what looks like a mark. */
const NO_START = /[\p{L}\p{M}\p{N})\]}'\/^=<>@-]/u;
/** Behind a mark: it ends nothing, unless it hides something. */
const NO_END = /^(?:[\p{L}\p{M}\p{N}([{'\/\\^=<>@]|[.:][\p{L}\p{N}])/u;

/**
 * Tells what is text in any case, and what may be a mark: then `onToken` returns how much of it is done, if not all.
 * @param {string} source
 * @param {boolean} hasLinks whether brackets mean something
 * @param {(text: string) => void} onText
 * @param {(token: any) => number | void} onToken
 */
function read(source, hasLinks, onText, onToken) {
  const token = new RegExp(TOKEN, 'gu');
  let at = 0;
  for (let match; (match = token.exec(source)); at = token.lastIndex) {
    const [all] = match;
    const groups = /** @type {any} */ (match.groups);
    const from = match.index + groups.slashes.length;
    const mark = groups.run ?? source[from];
    const isInWord = () => WORD.test(source[match.index - 1] ?? '') && WORD.test(source[token.lastIndex] ?? '');
    const isText = () => groups.name || (groups.run ? mark.length !== 2 || ((groups.slashes || mark !== MARKS.spoiler) && isInWord()) : /[[\]]/.test(mark) && !hasLinks);
    onText(source.slice(at, match.index));
    if (groups.url) {
      // Marks behind an address are not of it.
      const address = all.replace(/(?<!\*\*|__|~~|\|\|)(\*\*|__|~~|\|\|)+[.,:;!?)}]*$/, '');
      onText(address);
      token.lastIndex = match.index + address.length;
    } else if (isText()) onText(all);
    else {
      const done = onToken({ ...groups, mark, from, to: token.lastIndex });
      if (done) token.lastIndex = from + done;
    }
  }
  onText(source.slice(at));
}

/**
 * The text that is meant by one with marks, and its formatting. Marks without a partner, inside words, addresses and code are text.
 * @param {string} source
 * @returns {{text: string, entities: Entity[]}}
 */
export function parse(source) {
  if (source.length > LONGEST) return { text: source, entities: [] };
  /** What has begun. Until it ends its mark is text. @type {{mark: string, offset: number}[]} */
  const open = [];
  /** @type {Entity[]} */
  const entities = [];
  let text = '';

  /** @param {string} mark @param {any} entity */
  function close(mark, entity) {
    const n = open.findLastIndex((one) => one.mark === mark);
    const offset = open[n]?.offset ?? Infinity;
    if (text.length <= offset + mark.length) return false;
    text = text.slice(0, offset) + text.slice(offset + mark.length);
    for (const inner of entities) if (inner.offset > offset) inner.offset -= mark.length;
    entities.push({ ...entity, offset, length: text.length - offset });
    open.length = n;
    return true;
  }

  read(source, LINK.test(source), (more) => (text += more), ({ slashes, mark, from, to, language, pre, code = pre, target }) => {
    text += '\\'.repeat(slashes.length / 2);
    if (slashes.length % 2) text += mark;
    else if (code) {
      entities.push({ type: pre ? 'pre' : 'code', ...(language && { language }), offset: text.length, length: code.length });
      text += code;
      return;
    } else {
      const before = source[from - 1] ?? ' ';
      const after = source[to] ?? ' ';
      const isPair = mark.length === 2;
      if (target && close('[', targetOf(target))) return;
      // The end of brackets in the text of a link.
      if (mark === ']' && !target) open.splice(open.findLastIndex((one) => one.mark === '[') >>> 0, 1);
      if (isPair && /\S/.test(before) && (mark === MARKS.spoiler || !NO_END.test(source.slice(to, to + 2))) && close(mark, { type: Object.keys(MARKS).find((type) => MARKS[type] === mark) })) return;
      if (isPair ? /\S/.test(after) && !NO_START.test(before) : mark === '[') open.push({ mark, offset: text.length });
      text += mark;
    }
    return mark.length;
  });
  // Of two with the same text the outer one has ended later.
  return { text, entities: inOrder(entities.reverse()) };
}

/** What a link leads to, or says about its text. @param {string} written */
function targetOf(written) {
  const target = written.replace(/\\(.)/gu, '$1');
  const [, type, language] = target.match(/^:(\w+):?(.*)/s) ?? [];
  if (type) return { type, ...(language && { language }) };
  return target[0] === '@' ? { type: 'mention', user_id: target.slice(1) } : { type: 'link', url: target };
}

/** Puts a backslash before all that may be a mark. @param {string} literal @param {boolean} isLast whether no mark follows @param {boolean} hasLinks */
function escape(literal, isLast, hasLinks) {
  let source = '';
  read(literal, hasLinks, (text) => (source += text), ({ slashes, mark }) => {
    source += `${slashes}${slashes}\\${mark}`;
    return mark.length;
  });
  return isLast ? source : source.replace(/\\+$/, '$&$&');
}

/**
 * @param {import('./entities.js').Part[]} parts
 * @param {boolean} isShort whether with marks where there are some, and not like links
 * @param {(literal: string, isLast: boolean) => string} literal
 * @param {boolean} [isInner]
 * @returns {string}
 */
function write(parts, isShort, literal, isInner) {
  return parts.map((part, n) => {
    if (part.type === 'text') return literal(part.text, !isInner && n === parts.length - 1);
    const { type, url, user_id, language = '' } = part.entity;
    const mark = isShort && MARKS[type];
    if (mark && type === 'code') return mark + part.text + mark;
    if (mark && type === 'pre') return `${mark}${language}\n${part.text}\n${mark}`;
    const inner = write(part.parts, isShort, literal, true);
    if (mark) return mark + inner + mark;
    const target = url ?? (user_id ? `@${user_id}` : `:${type}${language && `:${language}`}`);
    return `[${inner}](${target.replace(/[\s()[\]\\]/g, '\\$&')})`;
  }).join('');
}

/** What is shown, to be compared. @param {import('./entities.js').Part[]} parts @returns {any[]} */
const shape = (parts) => parts.map((part) => (part.type === 'text' ? part.text : [part.entity.type, part.entity.url, part.entity.user_id, part.entity.language, shape(part.parts)]));

/** A text with marks that means a text with formatting, as short as that can be. @param {string} text @param {Entity[]} entities in the order of their offsets */
export function marksOf(text, entities) {
  const parts = partsOf(text, entities);
  const isMeant = (/** @type {string} */ source) => {
    const meant = parse(source);
    return meant.text === text && JSON.stringify(shape(partsOf(text, meant.entities))) === JSON.stringify(shape(parts));
  };
  const plain = write(parts, true, (literal) => literal);
  if (isMeant(plain)) return plain;
  const careful = write(parts, true, (literal, isLast) => escape(literal, isLast, LINK.test(plain)));
  return isMeant(careful) ? careful : write(parts, false, (literal, isLast) => escape(literal, isLast, true));
}
