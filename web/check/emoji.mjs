// Writes src/later/emoji/data.js: the emoji of the picker, with English and Russian words. Run it after
// `npm install --no-save emojibase-data` in this folder. What is written is committed.
import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

/** Newer ones are boxes on many devices. */
const NEWEST = 15;
const MOST = 25 * 1024;
/** A word beside the names is kept if so many emoji have it. */
const SHARED = 4;
/** Groups of Unicode in the order of the picker, each with the number of words beside the name. Flags are made from their codes. */
const GROUPS = [['smileys', 0, 1], ['people', 1, 0], ['nature', 3, 0], ['food', 4, 0], ['travel', 5, 0], ['activities', 6, 0], ['objects', 7, 0], ['symbols', 8, 0]];
/** Left out: people of one gender (there is a neutral one of each), families, clock faces, and most shapes and signs. */
const LEFT_OUT = /^(wo)?m[ae]n\b(?!.*dancing)|^family|^(kiss|couple with heart):|hair|bald|beard|-thirty$|o’clock|Japanese|(circle|square|arrow)\b|diamond|triangle|(?<!check mark|OK|NEW|SOS|COOL|FREE) button$|zodiac|^(Aries|Taurus|Gemini|Cancer|Leo|Virgo|Libra|Scorpio|Sagittarius|Capricorn|Aquarius|Pisces|Ophiuchus)$|^keycap|^person (taking|in (tux|suit|lotus|manual|motor)|getting|wearing|kneeling|standing with|with (white|skullcap|veil|crown)|rowing|bouncing|lifting|playing|golfing|surfing|in bed|fencing)|^(toothbrush|razor|lotion|mouse trap|mirror|window|identification card|headstone|moai|placard|amphora|nazar|hamsa|rosette|carp streamer|wind chime|pine decoration|tanabata|japanese dolls|izakaya|oden|dango|rice cracker|fish cake|hyacinth|potted|judge|guard|factory worker|office worker|mechanic|supervillain|merperson|genie|troll|ninja|breast-feeding|people (wrestling|with bunny)|horse racing|snowboarder|skier)$|(lowered|raised) flag$|globe showing (america|asia)|globe with|map of|classical building|brick|rock$|wood$|love hotel|convenience|department|tokyo|shinto|kaaba|foggy|barber|circus|motorway|railway track|oil drum|wheel$|(horizontal|vertical) traffic|ring buoy|canoe|ferry|motor boat|small airplane|airplane (arr|dep)|parachute|seat$|satellite|bellhop|timer clock|mantel|(waxing|waning)|moon face|sun behind|closed umbrella|umbrella (on|with)|auto rickshaw|pickup|delivery truck|sport utility|box tray|mailbox|^(bullet|maglev|monorail|railway car|mountain railway|light rail|tram car|trolleybus|minibus|articulated|oncoming|suspension|aerial tramway|derelict|hut|post office|Japanese post|moon viewing|station)|quarter moon|(crescent|gibbous) moon|(potable|littering|bicycles|pedestrians|phones|smoking$)|(fax|pager|videocassette|computer disk|trackball|film frames|clamp|alembic|bookmark tabs|card index|file|clipboard|dividers|spiral|newspaper$|rolled-up|label|yen|pound|ledger|scroll|sari|briefs|one-piece|thong|flat shoe|ballet|sandal|kimono|rescue|helmet)/;

const read = (language) => JSON.parse(readFileSync(new URL(`node_modules/emojibase-data/${language}/data.json`, import.meta.url), 'utf8'));
const english = read('en');
const russian = new Map(read('ru').map((one) => [one.hexcode, one]));

/** The form that Unicode calls fully qualified: the selector only where it changes something. */
const qualified = (emoji) => emoji.replace(/(\p{Emoji_Presentation})\uFE0F/gu, '$1');

/** The name, and words that it does not have, without those that begin like another one. */
function words({ label, tags = [] }, count) {
  const taken = label.toLowerCase().split(/[^\p{L}\p{N}]+/u);
  const more = [];
  for (const tag of tags.map((one) => one.toLowerCase().replace(/[,|]/g, ' '))) {
    if (more.length >= count || !/\p{L}/u.test(tag) || taken.some((word) => word && (tag.startsWith(word) || word.startsWith(tag)))) continue;
    more.push(tag);
    taken.push(tag);
  }
  return [label.toLowerCase().replace(/[,|]/g, ''), ...more].join(',');
}

const groups = GROUPS.map(([name, group, count]) => {
  const emojis = english.filter((one) => one.group === group && one.version <= NEWEST && !LEFT_OUT.test(one.label)).sort((a, b) => a.order - b.order);
  return {
    line: [name, ...emojis.map((one) => qualified(one.emoji))].join(' '),
    english: emojis.map((one) => words(one, count)),
    russian: emojis.map((one) => words(russian.get(one.hexcode), count)),
  };
});
const column = (name) => groups.flatMap((group) => group[name]).join('\n');
/** Names with the words that several emoji have. */
function nameColumn(name) {
  const lines = groups.flatMap((group) => group[name].map((line) => line.split(',')));
  const users = new Map();
  for (const word of lines.flatMap((line) => line.slice(1))) users.set(word, (users.get(word) ?? 0) + 1);
  return lines.map(([label, ...more]) => [label, ...more.filter((word) => users.get(word) >= SHARED)].join(',')).join('\n');
}
const flags = english.filter(({ hexcode }) => /^1F1..-1F1..$/.test(hexcode)).map(({ hexcode }) => hexcode.split('-').map((code) => String.fromCharCode(parseInt(code, 16) - 0x1f1a5)).join(''));
const source = `// Written by check/emoji.mjs from emojibase-data (MIT).

/** A group a line. */
export const EMOJIS = \`${column('line')}\`;

/** The name of each, and words, in the same order. */
export const ENGLISH = \`${nameColumn('english')}\`;
export const RUSSIAN = \`${nameColumn('russian')}\`;

/** Regions with a flag. The browser knows their names. */
export const FLAGS = '${flags.sort().join(' ')}';
`;
const size = gzipSync(source, { level: 9 }).length;
console.log(`${groups.flatMap(({ english }) => english).length} emoji, ${flags.length} flags, ${(size / 1024).toFixed(1)} KB gzipped`);
if (size > MOST) throw new Error(`more than ${MOST} bytes`);
writeFileSync(new URL('../src/later/emoji/data.js', import.meta.url), source);
