// k6's WebSocket has left "experimental" lately: this takes it from where this k6 has it.

function websockets() {
  try {
    return require('k6/websockets');
  } catch (_) {
    return require('k6/experimental/websockets');
  }
}

export const { WebSocket } = websockets();
