//! The WebSocket: a task that reads and writes.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tokio_tungstenite::tungstenite::{
    Error, Message, client::IntoClientRequest as _, http::HeaderValue, protocol::CloseFrame,
};

use super::tls::{Stream, Tls};
use crate::core::Input;

/// The subprotocol: the server then tells by a close code why it refuses a token.
pub(crate) const PROTOCOL: &str = "neonchat.v1";
/// How many frames may wait for the socket. More only wait if it is broken.
const OUTGOING: usize = 1024;
/// How long the closing handshake may take.
const CLOSING: Duration = Duration::from_secs(1);
/// There was no close frame.
const ABNORMAL: u16 = 1006;

/// A socket. The task ends when this is dropped.
#[derive(Debug)]
pub(super) struct Socket {
    outgoing: Option<mpsc::Sender<Outgoing>>,
    task: JoinSet<()>,
}

#[derive(Debug)]
enum Outgoing {
    Text(String),
    Close(u16),
}

impl Socket {
    /// Opens a socket. What happens to it goes to `inputs`.
    pub(super) fn open(attempt: u64, url: &str, token: &str, tls: Tls, inputs: mpsc::Sender<Input>) -> Self {
        let (outgoing, queue) = mpsc::channel(OUTGOING);
        let connecting = connect(url.to_owned(), token.to_owned(), tls);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let (code, reason) = match connecting.await {
                Ok(stream) if inputs.send(Input::Opened(attempt)).await.is_ok() => {
                    run(attempt, stream, queue, &inputs).await
                }
                Ok(_) => return,
                Err(error) => {
                    tracing::debug!(%error, "handshake failed");
                    (ABNORMAL, String::new())
                }
            };
            // The driver has ended.
            let _ = inputs.send(Input::Closed(attempt, code, reason)).await;
        });
        Self { outgoing: Some(outgoing), task }
    }

    /// Sends a frame. A socket that does not take it is broken, and is closed.
    pub(super) fn send(&mut self, text: String) {
        if self.outgoing.as_ref().is_some_and(|outgoing| outgoing.try_send(Outgoing::Text(text)).is_err()) {
            self.outgoing = None;
        }
    }

    /// Closes the socket with a code.
    pub(super) async fn close(self, code: u16) {
        if let Some(outgoing) = &self.outgoing {
            let _ = timeout(CLOSING, outgoing.send(Outgoing::Close(code))).await;
        }
        self.closed().await;
    }

    /// Waits for a moment until the task ends.
    pub(super) async fn closed(mut self) {
        let _ = timeout(CLOSING, self.task.join_next()).await;
    }
}

async fn connect(url: String, token: String, tls: Tls) -> Result<Stream, Error> {
    let mut request = url.into_client_request()?;
    let protocols = HeaderValue::from_str(&format!("{PROTOCOL}, bearer.{token}"))?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocols);
    tls.connect(request).await
}

/// Reads and writes until the socket ends. Returns the code and the reason.
async fn run(
    attempt: u64,
    mut stream: Stream,
    mut queue: mpsc::Receiver<Outgoing>,
    inputs: &mpsc::Sender<Input>,
) -> (u16, String) {
    loop {
        tokio::select! {
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    if inputs.send(Input::Text(attempt, text.as_str().to_owned())).await.is_err() {
                        break;
                    }
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    // Answers the close frame.
                    let _ = timeout(CLOSING, stream.close(None)).await;
                    return (frame.code.into(), frame.reason.as_str().to_owned());
                }
                // Pings are answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(None)) | Err(_)) | None => break,
            },
            outgoing = queue.recv() => match outgoing {
                Some(Outgoing::Text(text)) => {
                    if stream.send(Message::text(text)).await.is_err() {
                        break;
                    }
                }
                Some(Outgoing::Close(code)) => {
                    let frame = CloseFrame { code: code.into(), reason: "".into() };
                    let _ = timeout(CLOSING, stream.close(Some(frame))).await;
                    break;
                }
                None => break,
            },
        }
    }
    (ABNORMAL, String::new())
}
