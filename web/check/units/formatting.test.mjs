// Formatting in the composer: marks become entities, and entities marks.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fakeBrowser } from './support.mjs';

fakeBrowser();
const { partsOf } = await import('../../src/lib/entities.js');
const { marksOf, parse } = await import('../../src/lib/marks.js');
const { toggle } = await import('../../src/later/formatting.js');

const USER = '01890a5d-ac96-774b-bcce-b302099a8057';
/** The text, and each entity as its type and its part of the text. */
const read = (source) => {
  const { text, entities } = parse(source);
  return [text, ...entities.map(({ type, offset, length, ...more }) => [type, text.slice(offset, offset + length), ...Object.values(more)])];
};
const isPlain = (source) => assert.deepEqual(parse(source), { text: source, entities: [] });
/** What is shown. */
const shape = (parts) => parts.map((part) => (part.type === 'text' ? part.text : [part.entity.type, part.entity.url, part.entity.user_id, part.entity.language, shape(part.parts)]));
const shown = (text, entities) => shape(partsOf(text, entities));
const entity = (type, offset, length, more) => ({ type, offset, length, ...more });

describe('marks', () => {
  it('make entities', () => {
    assert.deepEqual(read('**b** __i__ ~~s~~ ||x|| `c` ```p```'), ['b i s x c p', ['bold', 'b'], ['italic', 'i'], ['strike', 's'], ['spoiler', 'x'], ['code', 'c'], ['pre', 'p']]);
    assert.deepEqual(read('[site](https://x.org/a_(b)?c=1) [mail](mailto:a@b.c)'), ['site mail', ['link', 'site', 'https://x.org/a_(b)?c=1'], ['link', 'mail', 'mailto:a@b.c']]);
    assert.deepEqual(read('```js\na\n\nb\n```'), ['a\n\nb', ['pre', 'a\n\nb', 'js']]);
    assert.deepEqual(read('```foo\n```'), ['foo', ['pre', 'foo']]);
  });

  it('count UTF-16 code units, also behind emoji and in Cyrillic', () => {
    assert.deepEqual(parse('👩‍🚀 **ж🙂** __я__').entities, [entity('bold', 6, 3), entity('italic', 10, 1)]);
  });

  it('stand beside punctuation', () => {
    assert.deepEqual(read('«**да**», (__нет__)! **так:** "~~a~~".'), ['«да», (нет)! так: "a".', ['bold', 'да'], ['italic', 'нет'], ['bold', 'так:'], ['strike', 'a']]);
  });

  it('are nested, the outer one first', () => {
    assert.deepEqual(read('**a __b__ ~~c~~**'), ['a b c', ['bold', 'a b c'], ['italic', 'b'], ['strike', 'c']]);
    assert.deepEqual(read('||он||а'), ['она', ['spoiler', 'он']], 'a letter behind it shows nothing');
    assert.deepEqual(read('**__x__**'), ['x', ['bold', 'x'], ['italic', 'x']]);
    assert.deepEqual(read('||**a** `b`|| [**c**](https://x.org)').slice(1).map(([type]) => type), ['spoiler', 'bold', 'code', 'link', 'bold']);
    assert.deepEqual(read('**a\nb**'), ['a\nb', ['bold', 'a\nb']]);
  });

  it('that cross are text', () => {
    assert.deepEqual(read('**a __b** c__'), ['a __b c__', ['bold', 'a __b']]);
    assert.deepEqual(read('**2 **x**'), ['**2 x', ['bold', 'x']]);
  });

  for (const [what, ...sources] of [
    ['in words', 'snake_case __dir 2*3*4 2**3**4 a__b__c un**believ**able C++', 'foo~~bar~~baz a||b||c', 'don`t and won`t'],
    ['without a partner', '**a', 'a**', '__', '` a', '```', '~~a ||b', '[a] [1](2) f(x)[0](y)', '[a](https://)'],
    ['with white space inside', '** a **', '__ a__', 'a || b || c', '~~\n~~', '` `', '``` ```'],
    ['without content', '****', '____', '``', '``````', '[](https://x.org)'],
    ['in longer rows of the same sign', '***a***', '_______', '|||a|||'],
    ['in addresses', 'https://x.org/__a__/**b**/c~~d~~', 'see http://y.z/__init__.py'],
    ['of other languages', '*a* _b_ ~c~', '# a', '> b', '- c', '<b>d</b>', '¯\\_(ツ)_/¯ C:\\new\\_x \\\\server \\[a-z\\]', '[a](javascript:alert(1))', '[a](:evil)', '[a](@bob)'],
  ]) it(`${what} are text`, () => sources.forEach(isPlain));

  it('in programs, paths and smileys are text', () => {
    for (const source of [
      'Привет ^__^ как дела ^__^', 'src/**/*.js and test/**/*.js', 'src/__tests__/a.test.js', '__init__.py', 'def __init__(self, **kw):',
      '__attribute__((packed))', "'Hello '||name||'!'", 'foo()||bar()||(baz)', '(a+b)**(1/2), c=(a)**(1/3)', 'cafe\u0301**x**',
      'if __name__ == "__main__":', "if __name__=='__main__': main()", '"__main__" == __name__', 'from __future__ import annotations', '__all__ = []',
      'type(self).__name__', 'a.__class__.__name__', 'x[0].__doc__ != __doc__',
      'C:\\proj\\__init__.py', 'C:\\app\\__pycache__\\x.pyc', 'grep "a\\||b"', 'hi @__dark__',
    ]) isPlain(source);
  });

  it('in a text beside a program are marks', () => {
    assert.deepEqual(read('__really__ "__never__" so...__yes__, __a__!'), ['really "never" so...yes, a!', ['italic', 'really'], ['italic', 'never'], ['italic', 'yes'], ['italic', 'a']]);
    assert.deepEqual(read('__if__ a == __b__ **c**'), ['if a == __b__ c', ['italic', 'if'], ['bold', 'c']]);
  });

  it('in code are text', () => {
    assert.deepEqual(read('`a **b** __c__` **`d`**'), ['a **b** __c__ d', ['code', 'a **b** __c__'], ['bold', 'd'], ['code', 'd']]);
    assert.deepEqual(read('```\n**a** `b`\n```'), ['**a** `b`', ['pre', '**a** `b`']]);
    assert.deepEqual(read('**a `b** c`'), ['**a b** c', ['code', 'b** c']]);
  });

  it('around addresses are no part of them', () => {
    assert.deepEqual(read('**https://x.org/a**'), ['https://x.org/a', ['bold', 'https://x.org/a']]);
    assert.deepEqual(read('||https://x.org/s||.'), ['https://x.org/s.', ['spoiler', 'https://x.org/s']]);
    assert.deepEqual(read('[a](HTTPS://x.org/) [b](Mailto:a@b.c)'), ['a b', ['link', 'a', 'HTTPS://x.org/'], ['link', 'b', 'Mailto:a@b.c']]);
  });

  it('of a link may be around brackets', () => {
    assert.deepEqual(read('[see [1]](https://x.org) [[a] [b]](https://y.z)'), ['see [1] [a] [b]', ['link', 'see [1]', 'https://x.org'], ['link', '[a] [b]', 'https://y.z']]);
    assert.deepEqual(read('[see [1](https://x.org) [2] [a **b] c**'), ['[see 1 [2] [a b] c', ['link', '1', 'https://x.org'], ['bold', 'b] c']]);
    assert.deepEqual(read('[a\\]](https://x.org) \\[b] a] [c](https://y.z)'), ['a] [b] a] c', ['link', 'a]', 'https://x.org'], ['link', 'c', 'https://y.z']]);
    assert.deepEqual(read('[a]](https://x.org)'), ['[a]](https://x.org)']);
  });

  it('are text behind a backslash', () => {
    assert.deepEqual(read('\\**a** \\`b` \\||c||'), ['**a** `b` ||c||']);
    assert.deepEqual(read('\\\\**a**'), ['\\a', ['bold', 'a']]);
    assert.deepEqual(read('\\[a](https://x.org)'), ['[a](https://x.org)']);
  });

  it('are read onwards, whatever is written', () => {
    // A count of matches, each of which goes on behind the one before. What happens within a match is not counted.
    const { exec } = RegExp.prototype;
    for (const piece of ['**a ', '`', '```', '[', ']', '](https:', '[a](https://x\\', '\\', '**a** ', '||**__~~', 'https://**', '``` ', '](:pre:', '[](', '__a__.', '@a', '[a](https://(']) {
      let matches = 0;
      RegExp.prototype.exec = function (text) {
        matches++;
        return exec.call(this, text);
      };
      try {
        parse(piece.repeat(4_096 / piece.length));
      } finally {
        RegExp.prototype.exec = exec;
      }
      assert.ok(matches < 4 * 4_096, `${piece}: ${matches} matches`);
    }
  });
});

describe('an edit', () => {
  const marks = (text, ...entities) => {
    const source = marksOf(text, entities);
    const meant = parse(source);
    assert.equal(meant.text, text);
    assert.deepEqual(shown(text, meant.entities), shown(text, entities));
    return source;
  };
  it('shows marks', () => {
    assert.equal(marks('a b c', entity('bold', 0, 1), entity('code', 2, 1), entity('spoiler', 4, 1)), '**a** `b` ||c||');
    assert.equal(marks('x', entity('bold', 0, 1), entity('italic', 0, 1)), '**__x__**');
    assert.equal(marks('a\nb', entity('pre', 0, 3, { language: 'js' })), '```js\na\nb\n```');
    assert.equal(marks('a', entity('link', 0, 1, { url: 'https://x.org/(a)' })), '[a](https://x.org/\\(a\\))');
  });
  it('shows what has no mark, or can have none there, like a link', () => {
    assert.equal(marks('unbelievable', entity('bold', 2, 6)), 'un[believ](:bold)able');
    assert.equal(marks('a b', entity('quote', 0, 1), entity('underline', 2, 1)), '[a](:quote) [b](:underline)');
    assert.equal(marks('see [1]', entity('link', 0, 7, { url: 'https://x.org' })), '[see [1]](https://x.org)');
    assert.equal(marks('a]', entity('link', 0, 2, { url: 'https://x.org' })), '[a\\]](https://x.org)');
    assert.equal(marks('Bob', entity('mention', 0, 3, { user_id: USER })), `[Bob](@${USER})`);
    assert.equal(marks('everybody', entity('mention_all', 0, 9)), '[everybody](:mention_all)');
    marks('a ', entity('bold', 0, 2));
    marks('a```b', entity('pre', 0, 5, { language: 'C (ansi)' }));
  });
  it('leaves a text as it is that means the same', () => {
    for (const text of ['snake_case', 'a ** b', '2**3**4', '¯\\_(ツ)_/¯', 'https://x.org/__a__', '[1]']) assert.equal(marks(text), text);
  });
  it('does not format what was only text', () => {
    assert.equal(marks('**a** and `b`'), '\\**a\\** and \\`b\\`');
    assert.equal(marks('\\**a**'), '\\\\\\**a\\**');
    assert.equal(marks('[a](https://x.org) [b]'), '\\[a\\](https://x.org) \\[b\\]');
    assert.equal(marks('**a** b', entity('bold', 6, 1)), '\\**a\\** **b**');
  });

  it('means the same, whatever the text and its formatting are', () => {
    let seed = 7;
    const random = (most) => Math.floor(((seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff) / 65_536) % most);
    const of = (list) => list[random(list.length)];
    const pieces = ['a', 'b ', ' ', '\n', '**', '*', '__', '_', '~~', '~', '||', '|', '`', '```', '[', ']', '](', '(', ')', '\\', '\\\\', '🙂', 'я', 'https://x.org/', '](https://a)', '](:bold)', ':bold', '.', '-', 'js\n', '**a**', '`b`', '__a__', ' == ', '"', `](@${USER})`];
    const types = ['bold', 'italic', 'underline', 'strike', 'code', 'pre', 'spoiler', 'quote', 'link', 'mention', 'mention_all'];
    for (let n = 0; n < 20_000; n++) {
      const text = Array.from({ length: 1 + random(8) }, () => of(pieces)).join('');
      const edges = [...text].reduce((list, character) => [...list, list.at(-1) + character.length], [0]);
      const entities = Array.from({ length: random(5) }, () => {
        const first = random(edges.length - 1);
        const end = first + 1 + random(edges.length - 1 - first);
        const type = of(types);
        const more = { link: { url: of(['https://x.org/a_(b)', 'mailto:a@b.c', 'http://a\\b[c]__d__']) }, mention: { user_id: USER }, pre: of([{}, { language: 'js' }, { language: 'C (ansi)' }]) }[type];
        return entity(type, edges[first], edges[end] - edges[first], more);
      });
      marks(text, ...entities.sort((x, y) => x.offset - y.offset));
    }
  });
});

describe('a shortcut', () => {
  /** The selection is between ‹ and ›. */
  const press = (type, written) => {
    const [value, from, to] = toggle(written.replace(/[‹›]/g, ''), written.indexOf('‹'), written.indexOf('›') - 1, type);
    return `${value.slice(0, from)}‹${value.slice(from, to)}›${value.slice(to)}`;
  };
  for (const [what, type, before, after] of [
    ['formats what is selected', 'bold', 'a ‹b› c', 'a **‹b›** c'],
    ['takes the format away again', 'bold', 'a **‹b›** c', 'a ‹b› c'],
    ['does so if the marks are selected', 'bold', 'a ‹**b**› c', 'a ‹b› c'],
    ['does so under another format', 'bold', '**__‹b›__**', '__‹b›__'],
    ['adds a format to another one', 'italic', '**‹b›**', '**__‹b›__**'],
    ['leaves white space outside', 'strike', '‹ a \n›b', ' ~~‹a›~~ \nb'],
    ['formats a part of a word', 'bold', 'un‹believ›able', 'un[‹believ›](:bold)able'],
    ['takes the format of a part away', 'bold', 'un[‹believ›](:bold)able', 'un‹believ›able'],
    ['begins a format', 'code', 'a ‹›', 'a `‹›`'],
    ['makes a block of lines of code', 'code', '‹a\nb›', '```\n‹a\nb›\n```'],
    ['ends a block', 'pre', '```\n‹a\nb›\n```', '‹a\nb›'],
    ['selects the address of a link', 'link', 'see ‹this›!', 'see [this](‹https://›)!'],
  ]) it(what, () => assert.equal(press(type, before), after));
});
