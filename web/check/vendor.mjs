// Copies the libraries of the client out of node_modules into web/vendor, and writes their versions and hashes to vendor.json.
// `--check` only compares. Bare specifiers become relative ones: an import map would be an inline script, which the CSP forbids.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

const modules = new URL('node_modules/', import.meta.url);
const vendor = new URL('../vendor/', import.meta.url);
const isCheck = process.argv.includes('--check');

/** Each file, with the package and module that it comes from. */
const files = {
  'preact.js': ['preact', 'dist/preact.mjs'],
  'hooks.js': ['preact', 'hooks/dist/hooks.mjs'],
  'signals.js': ['@preact/signals', 'dist/signals.mjs'],
  'signals-core.js': ['@preact/signals-core', 'dist/signals-core.mjs'],
};
const paths = { preact: './preact.js', 'preact/hooks': './hooks.js', '@preact/signals-core': './signals-core.js' };
const licences = { preact: 'preact', signals: '@preact/signals' };

const read = (path) => readFileSync(new URL(path, modules), 'utf8');
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

function convert(text) {
  return text
    .replace(/\n?\/\/# sourceMappingURL=.*$/m, '')
    .replace(/(from|import)\s*(["'])([^"'.][^"']*)\2/g, (_, keyword, quote, name) => {
      if (!paths[name]) throw new Error(`the vendored modules import ${name}`);
      return keyword + quote + paths[name] + quote;
    });
}

const outputs = {};
const entries = {};
for (const [file, [name, source]] of Object.entries(files)) {
  const { version, license } = JSON.parse(read(`${name}/package.json`));
  outputs[file] = convert(read(`${name}/${source}`));
  entries[file] = { package: name, version, license, sha256: sha256(outputs[file]) };
}
for (const [file, name] of Object.entries(licences)) outputs[`LICENSE-${file}`] = read(`${name}/LICENSE`);
outputs['vendor.json'] = `${JSON.stringify(entries, null, 2)}\n`;

for (const [file, text] of Object.entries(outputs)) {
  const url = new URL(file, vendor);
  if (!isCheck) writeFileSync(url, text);
  else if (readFileSync(url, 'utf8') !== text) {
    console.error(`web: vendor/${file} is not what vendor.mjs writes`);
    process.exitCode = 1;
  }
}
