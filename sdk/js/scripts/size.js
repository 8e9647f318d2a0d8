// Prints how large the client is: one bundle, minified and gzipped. Fails above the limit.
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { minify } from 'terser';

export const LIMIT = 12 * 1024;

export async function size() {
  const { outputFiles } = await build({
    entryPoints: [new URL('../src/index.js', import.meta.url).pathname],
    bundle: true,
    minifySyntax: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  });
  const { code = '' } = await minify(outputFiles[0].text, { module: true, compress: { passes: 3, inline: 0 } });
  const contents = Buffer.from(code);
  return { minified: contents.length, gzipped: gzipSync(contents, { level: 9 }).length };
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const { minified, gzipped } = await size();
  console.log(`@neonchat/client: ${minified} bytes minified, ${gzipped} gzipped (limit ${LIMIT})`);
  if (gzipped > LIMIT) process.exitCode = 1;
}
