// Writes src/later/emoji/data.js: the emoji of the picker and their names. Run it after `npm install --no-save emojibase-data` in this
// folder. What is written is committed.
import { readFileSync, writeFileSync } from 'node:fs';

/** Newer ones are boxes on many devices. */
const NEWEST = 15;
/** Groups of Unicode in the order of the picker. Flags are known by their regions. */
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

const clean = (label) => label.toLowerCase().replace(/[,|]/g, '');
/** The emoji, with the selector of a picture only where it would be a text without it. */
const picture = ({ emoji }) => emoji.replaceAll('\uFE0F', '').replace(/(?!\p{Emoji_Presentation})\p{Emoji}/gu, '$&\uFE0F');
/** ‘😀 | grinning face | широко улыбается’. */
const line = (one) => `${picture(one)} | ${clean(one.label)} | ${clean(russian.get(one.hexcode))}`;
const letter = (code) => String.fromCharCode(parseInt(code, 16) - 0x1f1a5);
const flags = english.filter(({ hexcode }) => /^1F1..-1F1..$/.test(hexcode)).map(({ hexcode }) => hexcode.split('-').map(letter).join('')).sort();

const source = `// Written by check/emoji.mjs from emojibase-data (MIT).

/** The emoji of each group: a line has the picture, its English name and its Russian name. */
export const EMOJIS = {
${groups.map(({ name, emojis }) => `  ${name}: \`\n${emojis.map(line).join('\n')}\n\`,`).join('\n')}
};

/** The regions with a flag. The browser knows their names. */
export const FLAGS = '${flags.join(' ')}';
`;
writeFileSync(new URL('../src/later/emoji/data.js', import.meta.url), source);
console.log(`${groups.flatMap(({ emojis }) => emojis).length} emoji, ${flags.length} flags`);
