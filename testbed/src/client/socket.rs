//! A WebSocket client.

use anyhow::{Context as _, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error as WsError, Message, client::IntoClientRequest as _, protocol::CloseFrame},
};

use super::{ANSWER_TIMEOUT, Answer, User};

/// A WebSocket connection to notification-service.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// The answer that refused a handshake.
#[derive(Clone, Debug)]
pub struct Refused(pub Answer);

impl Socket {
    /// Connects to `base`, such as `ws://127.0.0.1:8082`, as a user. With `chat` the socket is scoped to it.
    ///
    /// # Errors
    /// The handshake is refused, or there is no answer.
    pub async fn open(base: &str, user: &User, chat: Option<&str>) -> anyhow::Result<Self> {
        let chat = chat.map(|chat| format!("&chat_id={chat}")).unwrap_or_default();
        let opened = Self::request(&format!("{base}/ws?token={}{chat}", user.token), &[]).await?;
        opened.map_err(|Refused(answer)| anyhow::anyhow!("refused: {answer:?}"))
    }

    /// Connects to a URL with additional headers. The inner error is the answer that refused the handshake.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn request(url: &str, headers: &[(&'static str, &str)]) -> anyhow::Result<Result<Self, Refused>> {
        let mut request = url.into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse()?);
        }
        match timeout(ANSWER_TIMEOUT, connect_async(request)).await? {
            Ok((stream, _)) => Ok(Ok(Self { stream })),
            Err(WsError::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                let body = serde_json::from_slice(body).unwrap_or_default();
                Ok(Err(Refused(Answer { status: response.status().as_u16(), body })))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn send(&mut self, frame: &Value) -> anyhow::Result<()> {
        self.send_raw(Message::text(frame.to_string())).await
    }

    /// Sends any WebSocket message.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn send_raw(&mut self, message: Message) -> anyhow::Result<()> {
        Ok(timeout(ANSWER_TIMEOUT, self.stream.send(message)).await??)
    }

    /// Returns the next frame.
    ///
    /// # Errors
    /// No frame arrives in time, or the connection ends.
    pub async fn next(&mut self) -> anyhow::Result<Value> {
        loop {
            match self.message().await? {
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Close(frame) => bail!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// Returns the next WebSocket message, without a timeout. Cancel safe.
    ///
    /// # Errors
    /// The connection ended.
    pub async fn receive(&mut self) -> anyhow::Result<Message> {
        Ok(self.stream.next().await.context("the connection ended without a close frame")??)
    }

    /// Returns the next frame, which must have this type.
    ///
    /// # Errors
    /// Another frame arrives, or none.
    pub async fn expect(&mut self, kind: &str) -> anyhow::Result<Value> {
        let frame = self.next().await.with_context(|| format!("expected {kind}"))?;
        ensure!(frame["type"] == kind, "expected {kind}, got {frame}");
        Ok(frame)
    }

    /// Returns the next frame. Skips presence, which may arrive at any time.
    ///
    /// # Errors
    /// As [`Socket::next`].
    pub async fn next_beside_presence(&mut self) -> anyhow::Result<Value> {
        loop {
            let frame = self.next().await?;
            if frame["type"] != "presence" {
                return Ok(frame);
            }
        }
    }

    /// Returns the next frame, which must have this type. Skips presence.
    ///
    /// # Errors
    /// Another frame arrives, or none.
    pub async fn expect_beside_presence(&mut self, kind: &str) -> anyhow::Result<Value> {
        let frame = self.next_beside_presence().await.with_context(|| format!("expected {kind}"))?;
        ensure!(frame["type"] == kind, "expected {kind}, got {frame}");
        Ok(frame)
    }

    /// Sends a message and returns its ack. Skips presence.
    ///
    /// # Errors
    /// The answer is not an ack.
    pub async fn send_message(&mut self, chat: &str, text: &str) -> anyhow::Result<Value> {
        let request_id = uuid::Uuid::new_v4().to_string();
        self.send(&json!({ "type": "message", "chat_id": chat, "text": text, "request_id": request_id })).await?;
        let ack = self.expect_beside_presence("message_sent").await?;
        ensure!(ack["request_id"] == *request_id, "another message was acked: {ack}");
        Ok(ack)
    }

    /// Checks that no frame but presence is in flight. The pong arrives after all earlier frames.
    ///
    /// # Errors
    /// Another frame arrived.
    pub async fn expect_quiet(&mut self) -> anyhow::Result<()> {
        self.send(&json!({ "type": "ping" })).await?;
        self.expect_beside_presence("pong").await.map(drop)
    }

    /// Waits until the server closes the connection. Returns the frames before that, and the close code.
    ///
    /// # Errors
    /// The server does not close the connection, or sends no close code.
    pub async fn closed(&mut self) -> anyhow::Result<(Vec<Value>, u16)> {
        let mut frames = Vec::new();
        loop {
            match self.message().await? {
                Message::Text(text) => frames.push(serde_json::from_str(&text)?),
                Message::Close(Some(CloseFrame { code, .. })) => return Ok((frames, code.into())),
                Message::Close(None) => bail!("closed without a code"),
                _ => {}
            }
        }
    }

    /// Closes the connection and waits for the close frame of the server.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn close(mut self) -> anyhow::Result<()> {
        timeout(ANSWER_TIMEOUT, self.stream.close(None)).await??;
        while let Some(message) = timeout(ANSWER_TIMEOUT, self.stream.next()).await? {
            match message {
                Ok(_) => {}
                Err(WsError::ConnectionClosed | WsError::AlreadyClosed) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn message(&mut self) -> anyhow::Result<Message> {
        timeout(ANSWER_TIMEOUT, self.receive()).await.context("no message arrived in time")?
    }
}
