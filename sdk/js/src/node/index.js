// What only programs in Node.js need. It is not part of the package for browsers.
export { consume } from './consume.js';
export { derivedId } from './derived-id.js';
export { fileStore } from './file-store.js';
