// Counts the JavaScript of the client, gzipped, and its modules: those before the first screen, those of the messenger behind it, and
// all. The first screen of a device that has nothing of the client yet is the sign-in form: what the imports of main.js reach. Everything
// else is loaded by import() while the form is filled in, and later comes from the service worker. Comments are not served.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { difference, leftOut } from './comments.mjs';

const web = fileURLToPath(new URL('../', import.meta.url));
const sdk = fileURLToPath(new URL('../../sdk/js/src/', import.meta.url));

const FIRST = { modules: 24, bytes: 90 * 1024 };
const WHOLE = { bytes: 200 * 1024 };

const comments = /\/\*[^]*?\*\/|^\s*\/\/.*$/gm;
const statics = /\b(?:from|import)\s*(['"])([^'"]+)\1/g;
const dynamics = /\bimport\(\s*(['"])([^'"]+)\1/g;

const fileOf = (path) => (path.startsWith('/sdk/') ? join(sdk, path.slice(5)) : join(web, path));
const source = (path) => readFileSync(fileOf(path), 'utf8');

/** The modules that a module names. */
function imports(path, pattern) {
  return [...source(path).replace(comments, '').matchAll(pattern)].map(([, , name]) => {
    const target = name.startsWith('/') ? name : normalize(join(dirname(path), name));
    if (!existsSync(fileOf(target))) throw new Error(`${path} imports ${name}, which does not exist`);
    return target;
  });
}

/** The modules that are loaded with some. */
function graph(roots, known = new Set()) {
  for (const path of roots) {
    if (known.has(path)) continue;
    known.add(path);
    graph(imports(path, statics), known);
  }
  return known;
}

const served = (path) => (path.startsWith('/vendor/') ? source(path) : leftOut(source(path)));
const size = (paths) => [...paths].reduce((sum, path) => sum + gzipSync(served(path), { level: 9 }).length, 0);
const report = (name, paths) => console.log(`${name.padEnd(24)} ${String(paths.size).padStart(3)} modules ${(size(paths) / 1024).toFixed(1).padStart(6)} KB gzipped`);

const first = graph(['/src/main.js']);
const messenger = new Set([...graph(['/src/views/messenger.js', '/src/state/client.js'])].filter((path) => !first.has(path)));
const whole = new Set(first);
for (let before = -1; before < whole.size; ) {
  before = whole.size;
  for (const path of [...whole]) graph(imports(path, dynamics), whole);
}
const all = readdirSync(join(web, 'src'), { recursive: true }).filter((path) => path.endsWith('.js'));
const ofSdk = readdirSync(sdk, { recursive: true }).filter((path) => path.endsWith('.js') && !path.startsWith('node'));
/** All modules that lose their comments. */
const edited = ['/sw.js', ...all.map((path) => `/src/${path}`), ...ofSdk.map((path) => `/sdk/${path}`)];
const unused = all.map((path) => `/src/${path}`).filter((path) => !whole.has(path));

report('before the first screen', first);
report('chats and messages', messenger);
report('whole', whole);
const problems = [
  first.size > FIRST.modules && `more than ${FIRST.modules} modules before the first screen`,
  size(first) > FIRST.bytes && `more than ${FIRST.bytes} bytes before the first screen`,
  size(whole) > WHOLE.bytes && `more than ${WHOLE.bytes} bytes in all`,
  ...unused.map((path) => `${path} is imported by nothing`),
  ...edited.map((path) => [path, difference(source(path))]).filter(([, token]) => token !== undefined).map(([path, token]) => `a comment of ${path} cannot be left out, before ${token}`),
].filter(Boolean);
for (const problem of problems) console.error(`web: ${problem}`);
if (problems.length) process.exitCode = 1;
