// Prints how large the client is: one bundle, minified and gzipped. Fails above the limit.
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

export const LIMIT = 12 * 1024;

export async function size() {
  const { outputFiles } = await build({
    entryPoints: [new URL('../src/index.js', import.meta.url).pathname],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  });
  const { contents } = outputFiles[0];
  return { minified: contents.length, gzipped: gzipSync(contents, { level: 9 }).length };
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const { minified, gzipped } = await size();
  console.log(`@neonchat/client: ${minified} bytes minified, ${gzipped} gzipped (limit ${LIMIT})`);
  if (gzipped > LIMIT) process.exitCode = 1;
}
