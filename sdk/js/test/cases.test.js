// The shared cases, which every SDK runs.
import { readFileSync, readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { runCase } from './support/cases.js';

const folder = new URL('../../cases/', import.meta.url);

for (const file of readdirSync(folder).filter((name) => /^\d.*\.json$/.test(name)).sort()) {
  const { behaviour, title, cases } = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
  describe(`${behaviour}. ${title}`, () => {
    for (const one of cases) it(one.name, () => runCase(one));
  });
}
