import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fakeBrowser } from './support.mjs';

fakeBrowser();
const { Heights } = await import('../../src/lib/heights.js');
const { dayOf, plurals } = await import('../../src/lib/intl.js');
const { combination } = await import('../../src/lib/keys.js');
const { language, showLanguage, t } = await import('../../src/lib/i18n.js');
const { dayHeading, lastSeen } = await import('../../src/lib/time.js');
const { parseRoute } = await import('../../src/routes.js');

describe('heights', () => {
  it('sums and finds like a plain list', () => {
    const plain = Array.from({ length: 1000 }, (_, n) => 20 + ((n * 7919) % 60));
    const heights = new Heights(plain);
    for (let n = 0; n < 500; n++) {
      const index = (n * 31) % plain.length;
      plain[index] = 10 + ((n * 17) % 90);
      heights.set(index, plain[index]);
    }
    let sum = 0;
    for (const [n, height] of plain.entries()) {
      assert.equal(heights.sum(n), sum);
      assert.equal(heights.at(sum), n);
      assert.equal(heights.at(sum + height - 0.5), n);
      sum += height;
    }
    assert.equal(heights.sum(), sum);
    assert.equal(heights.at(sum + 1000), plain.length - 1);
  });

  it('has no items', () => {
    assert.equal(new Heights([]).sum(), 0);
    assert.equal(new Heights([]).at(10), 0);
  });
});

describe('languages', () => {
  it('uses the plural forms of Russian', async () => {
    await showLanguage('ru');
    const forms = [0, 1, 2, 5, 11, 21, 22, 25, 111, 1001].map((count) => t().unreadMessages(count).replaceAll('\u00a0', ' '));
    assert.deepEqual(forms.map((text) => text.replace(/^[\d ]+ /, '')), [
      ...['непрочитанных сообщений', 'непрочитанное сообщение', 'непрочитанных сообщения', 'непрочитанных сообщений', 'непрочитанных сообщений'],
      ...['непрочитанное сообщение', 'непрочитанных сообщения', 'непрочитанных сообщений', 'непрочитанных сообщений', 'непрочитанное сообщение'],
    ]);
    assert.equal(document.documentElement.lang, 'ru');
    await showLanguage('en');
    assert.equal(t().unreadMessages(1), '1 unread message');
    assert.equal(t().unreadMessages(1200), '1,200 unread messages');
    assert.equal(language.value, 'en');
  });

  it('has a form for every number', () => {
    const few = plurals('ru');
    assert.equal(few(3, { one: '#a', few: '#b', many: '#c', other: '#d' }), '3b');
    assert.equal(few(1.5, { one: '#a', few: '#b', many: '#c', other: '#d' }), '1,5d');
  });

  it('has every text in both languages, and none of one in the other', async () => {
    const [{ default: en }, { default: ru }] = [await import('../../src/i18n/en.js'), await import('../../src/i18n/ru.js')];
    assert.deepEqual(Object.keys(ru).sort(), Object.keys(en).sort());
    for (const [key, text] of Object.entries(ru)) {
      if (typeof text === 'string') assert.match(text, /[а-я]/i, key);
    }
  });
});

describe('times', () => {
  const noon = new Date(2026, 10, 27, 12).getTime();
  it('names days', async () => {
    await showLanguage('en');
    assert.equal(dayHeading(noon - 1000, noon), 'Today');
    assert.equal(dayHeading(noon - 86_400_000, noon), 'Yesterday');
    assert.match(dayHeading(noon - 10 * 86_400_000, noon), /^Tuesday, November 17$/);
    assert.match(dayHeading(noon - 400 * 86_400_000, noon), /2025/);
    assert.notEqual(dayOf(noon), dayOf(noon + 86_400_000));
  });
  it('says when somebody was here', () => {
    assert.equal(lastSeen(noon - 20_000, noon), 'last seen just now');
    assert.equal(lastSeen(noon - 5 * 60_000, noon), 'last seen 5 minutes ago');
    assert.match(lastSeen(noon - 3 * 3_600_000, noon), /^last seen today at /);
  });
});

describe('addresses and keys', () => {
  it('reads routes', () => {
    assert.deepEqual(parseRoute('/'), { name: 'home' });
    assert.deepEqual(parseRoute('/c/abc'), { name: 'chat', chat: 'abc' });
    assert.deepEqual(parseRoute('/c/abc/12'), { name: 'chat', chat: 'abc', seq: 12 });
    assert.deepEqual(parseRoute('/c/abc/0'), { name: 'other', path: '/c/abc/0' });
    assert.deepEqual(parseRoute('/c/abc/12/x'), { name: 'other', path: '/c/abc/12/x' });
    assert.deepEqual(parseRoute('/settings'), { name: 'settings' });
  });
  it('names key combinations', () => {
    const key = (name, more = {}) => combination({ key: name, altKey: false, ctrlKey: false, metaKey: false, shiftKey: false, ...more });
    assert.equal(key('K', { metaKey: true }), 'Ctrl+k');
    assert.equal(key('ArrowUp', { altKey: true }), 'Alt+ArrowUp');
    assert.equal(key('X', { ctrlKey: true, shiftKey: true }), 'Ctrl+Shift+x');
    assert.equal(key('/', { ctrlKey: true, shiftKey: true }), 'Ctrl+/');
    assert.equal(key('/', { shiftKey: true }), '/');
  });
});

describe('the tokens', () => {
  it('are the same in the light theme of the system and in the one that was chosen', () => {
    const css = readFileSync(new URL('../../tokens.css', import.meta.url), 'utf8');
    const tokens = (selector) => css.split(`${selector} {`)[1].split('}')[0].trim().replace(/\s+/g, ' ');
    assert.equal(tokens(':root[data-theme="light"]'), tokens(':root:not([data-theme])'));
    assert.match(tokens(':root[data-theme="light"]'), /--ground: /);
  });
});
