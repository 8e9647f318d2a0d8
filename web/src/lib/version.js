/** That of NeonChat. A unit test compares it with Cargo.toml. */
export const VERSION = '0.1.0';

/** The build of the client that this device keeps: see sw.js. Empty if it keeps none. */
export async function build() {
  const names = (await globalThis.caches?.keys()) ?? [];
  return names.findLast((name) => name.startsWith('neonchat-'))?.slice(9, 17) ?? '';
}
