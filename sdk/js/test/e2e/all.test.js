// One process, because the parts share the machine: they run one after the other.
import './node.js';
import './browser.js';
import './docs.js';
import './sessions.js';
