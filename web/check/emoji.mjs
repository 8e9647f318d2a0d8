// Writes pictures.js, english.js and russian.js of src/later/emoji: the emoji of the picker and their names. Run it after
// `npm install --no-save emojibase-data` in this folder. What is written is committed.
import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

/** Newer ones are boxes on many devices. */
const NEWEST = 15;
const MOST = 14 * 1024;
/** Groups of Unicode in the order of the picker. Flags are made from their codes. */
const GROUPS = { smileys: 0, people: 1, nature: 3, food: 4, travel: 5, activities: 6, objects: 7, symbols: 8 };
/** Left out: people of one gender (there is a neutral one of each), families, clock faces, and most shapes and signs. */
const LEFT_OUT = /^(wo)?m[ae]n\b(?!.*dancing)|^family|^(kiss|couple with heart):|hair|bald|beard|-thirty$|o’clock|Japanese|(circle|square|arrow)\b|diamond|triangle|(?<!check mark|OK|NEW|SOS|COOL|FREE) button$|zodiac|^(Aries|Taurus|Gemini|Cancer|Leo|Virgo|Libra|Scorpio|Sagittarius|Capricorn|Aquarius|Pisces|Ophiuchus)$|^keycap|^person (taking|in (tux|suit|lotus|manual|motor)|getting|wearing|kneeling|standing with|with (white|skullcap|veil|crown)|rowing|bouncing|lifting|playing|golfing|surfing|in bed|fencing)|^(toothbrush|razor|lotion|mouse trap|mirror|window|identification card|headstone|moai|placard|amphora|nazar|hamsa|rosette|carp streamer|wind chime|pine decoration|tanabata|japanese dolls|izakaya|oden|dango|rice cracker|fish cake|hyacinth|potted|judge|guard|factory worker|office worker|mechanic|supervillain|merperson|genie|troll|ninja|breast-feeding|people (wrestling|with bunny)|horse racing|snowboarder|skier)$|(lowered|raised) flag$|globe showing (america|asia)|globe with|map of|classical building|brick|rock$|wood$|love hotel|convenience|department|tokyo|shinto|kaaba|foggy|barber|circus|motorway|railway track|oil drum|wheel$|(horizontal|vertical) traffic|ring buoy|canoe|ferry|motor boat|small airplane|airplane (arr|dep)|parachute|seat$|satellite|bellhop|timer clock|mantel|(waxing|waning)|moon face|sun behind|closed umbrella|umbrella (on|with)|auto rickshaw|pickup|delivery truck|sport utility|box tray|mailbox|^(bullet|maglev|monorail|railway car|mountain railway|light rail|tram car|trolleybus|minibus|articulated|oncoming|suspension|aerial tramway|derelict|hut|post office|Japanese post|moon viewing|station)|quarter moon|(crescent|gibbous) moon|(potable|littering|bicycles|pedestrians|phones|smoking$)|(fax|pager|videocassette|computer disk|trackball|film frames|clamp|alembic|bookmark tabs|card index|file|clipboard|dividers|spiral|newspaper$|rolled-up|label|yen|pound|ledger|scroll|sari|briefs|one-piece|thong|flat shoe|ballet|sandal|kimono|rescue|helmet)/;

const read = (language) => JSON.parse(readFileSync(new URL(`node_modules/emojibase-data/${language}/data.json`, import.meta.url), 'utf8'));
const english = read('en');
const russian = new Map(read('ru').map(({ hexcode, label }) => [hexcode, label]));

const groups = Object.entries(GROUPS).map(([name, group]) => ({
  name,
  emojis: english.filter((one) => one.group === group && one.version <= NEWEST && !LEFT_OUT.test(one.label)).sort((a, b) => a.order - b.order),
}));
const emojis = groups.flatMap((group) => group.emojis);

let last = 0;
/** A code point: one character if it is near the one before it, two in the planes of pictures, else five. */
function short(codePoint) {
  const distance = codePoint - last;
  last = codePoint;
  const place = codePoint - 0x1f300;
  if (distance >= -26 && distance <= 25) return String.fromCharCode(66 + distance);
  return place >= 0 && place < 26 * 80 ? String.fromCharCode(97 + place / 80, 40 + (place % 80)) : `~${codePoint.toString(36).padStart(4, '0')}`;
}
/** The code points of an emoji. Those of a sequence are joined by `!`; what selects a picture follows from the code points. */
const points = ({ emoji }) => emoji.replaceAll('\uFE0F', '').split('\u200D').map((part) => short(part.codePointAt(0))).join('!');

const clean = (label) => label.toLowerCase().replace(/[,|]/g, '');
/** Cyrillic letters as the ASCII characters from `@` on: `gzip` then needs four fifths of the bytes. */
const inAscii = (text) => text.replace(/[а-я]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) - 0x3f0));

const LETTERS = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
const flags = english.filter(({ hexcode }) => /^1F1..-1F1..$/.test(hexcode)).map(({ hexcode }) => hexcode.split('-').map((code) => String.fromCharCode(parseInt(code, 16) - 0x1f1a5)).join('')).sort();
const NOTE = '// Written by check/emoji.mjs from emojibase-data (MIT).\n\n';
/** A module for each alphabet: `gzip` would mix their frequencies. */
const modules = {
  'pictures.js': `${NOTE}/** Groups, and their emoji. */
export const PICTURES = ${JSON.stringify(Object.fromEntries(groups.map((group) => [group.name, group.emojis.map(points).join('')])), null, 2)};

/** The second letters of regions with a flag, by the first one. The browser knows their names. */
export const FLAGS = '${LETTERS.map((letter) => flags.filter(([first]) => first === letter).map(([, second]) => second).join('')).join(' ')}';
`,
  'english.js': `${NOTE}export const ENGLISH = \`${emojis.map(({ label }) => clean(label)).join('\n')}\`;\n`,
  'russian.js': `${NOTE}/** The letters from а to я are the characters from @ to _. */
export const RUSSIAN = String.raw\`${emojis.map(({ hexcode }) => inAscii(clean(russian.get(hexcode)))).join('\n')}\`;
`,
};
const size = Object.values(modules).reduce((sum, source) => sum + gzipSync(source, { level: 9 }).length, 0);
console.log(`${emojis.length} emoji, ${flags.length} flags, ${(size / 1024).toFixed(1)} KB gzipped`);
if (size > MOST) throw new Error(`more than ${MOST} bytes`);
for (const [name, source] of Object.entries(modules)) writeFileSync(new URL(`../src/later/emoji/${name}`, import.meta.url), source);
