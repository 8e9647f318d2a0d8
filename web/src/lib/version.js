/** That of NeonChat. A unit test compares it with Cargo.toml. */
export const VERSION = '0.1.0';

/** When the files of the client that this device has were loaded; 0 if it has none. */
export async function loadedAt() {
  const names = (await globalThis.caches?.keys()) ?? [];
  return Math.max(0, ...names.map((name) => Number(/^neonchat-(\d+)$/.exec(name)?.[1] ?? 0)));
}
