// Writes types/: the declarations of the sources.
import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
// tsc does not copy declarations.
copyFileSync(`${root}/src/openapi.d.ts`, `${root}/types/openapi.d.ts`);
