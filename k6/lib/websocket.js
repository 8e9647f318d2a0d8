// Newer versions of k6 have WebSocket outside of `experimental`. Both are supported.

function websockets() {
  try {
    return require('k6/websockets');
  } catch (_) {
    return require('k6/experimental/websockets');
  }
}

export const { WebSocket } = websockets();
