import { NeonChat } from '/sdk/index.js';

document.body.textContent = NeonChat.name;
