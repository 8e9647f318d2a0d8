//! A WebSocket client.

use anyhow::{Context as _, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error as WsError, Message, client::IntoClientRequest as _, protocol::CloseFrame},
};

use super::{Answer, PATIENCE, User};

/// A WebSocket connection to notification-service.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// Why a connection was not opened.
#[derive(Clone, Debug)]
pub struct Refused(pub Answer);

impl Socket {
    /// Connects to `base`, such as `ws://127.0.0.1:8082`, as a user; about one chat or about all.
    ///
    /// # Errors
    /// It is refused, or there is no answer.
    pub async fn open(base: &str, user: &User, chat: Option<&str>) -> anyhow::Result<Self> {
        let chat = chat.map(|chat| format!("&chat_id={chat}")).unwrap_or_default();
        let opened = Self::request(&format!("{base}/ws?token={}{chat}", user.token), &[]).await?;
        opened.map_err(|Refused(answer)| anyhow::anyhow!("refused: {answer:?}"))
    }

    /// Connects to a URL with further headers. The inner result tells a refusal before the upgrade.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn request(url: &str, headers: &[(&'static str, &str)]) -> anyhow::Result<Result<Self, Refused>> {
        let mut request = url.into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse()?);
        }
        match timeout(PATIENCE, connect_async(request)).await? {
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

    /// Sends whatever WebSocket can carry.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn send_raw(&mut self, message: Message) -> anyhow::Result<()> {
        Ok(timeout(PATIENCE, self.stream.send(message)).await??)
    }

    /// The next frame.
    ///
    /// # Errors
    /// None comes, or the connection ends.
    pub async fn next(&mut self) -> anyhow::Result<Value> {
        loop {
            match self.message().await? {
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Close(frame) => bail!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// Whatever comes next, whenever that is. Nothing is lost where this is dropped before.
    ///
    /// # Errors
    /// The connection ended.
    pub async fn receive(&mut self) -> anyhow::Result<Message> {
        Ok(self.stream.next().await.context("the connection ended without a close frame")??)
    }

    /// The next frame, which has to be of this type.
    ///
    /// # Errors
    /// Another one comes, or none.
    pub async fn expect(&mut self, kind: &str) -> anyhow::Result<Value> {
        let frame = self.next().await.with_context(|| format!("while {kind} was expected"))?;
        ensure!(frame["type"] == kind, "{kind} was expected, and {frame} came");
        Ok(frame)
    }

    /// The next frame of this type; presence, which comes whenever it does, is passed over.
    ///
    /// # Errors
    /// Another one comes, or none.
    pub async fn expect_beside_presence(&mut self, kind: &str) -> anyhow::Result<Value> {
        loop {
            let frame = self.next().await.with_context(|| format!("while {kind} was expected"))?;
            if frame["type"] == kind {
                return Ok(frame);
            }
            ensure!(frame["type"] == "presence", "{kind} was expected, and {frame} came");
        }
    }

    /// Sends a message and returns its ack; presence that comes in between is passed over.
    ///
    /// # Errors
    /// Something else is answered.
    pub async fn send_message(&mut self, chat: &str, text: &str) -> anyhow::Result<Value> {
        let request_id = uuid::Uuid::new_v4().to_string();
        self.send(&json!({ "type": "message", "chat_id": chat, "text": text, "request_id": request_id })).await?;
        let ack = self.expect_beside_presence("message_sent").await?;
        ensure!(ack["request_id"] == *request_id, "another message was acked: {ack}");
        Ok(ack)
    }

    /// That nothing else is under way: what the server had for this socket before it answers comes before the answer.
    ///
    /// # Errors
    /// Something came.
    pub async fn expect_quiet(&mut self) -> anyhow::Result<()> {
        self.send(&json!({ "type": "ping" })).await?;
        self.expect_beside_presence("pong").await.map(drop)
    }

    /// Waits for the server to close; returns the frames before that, and the close code.
    ///
    /// # Errors
    /// It does not close, or without a close frame.
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

    /// Closes, and waits until the server has answered.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn close(mut self) -> anyhow::Result<()> {
        timeout(PATIENCE, self.stream.close(None)).await??;
        while let Some(message) = timeout(PATIENCE, self.stream.next()).await? {
            match message {
                Ok(_) => {}
                Err(WsError::ConnectionClosed | WsError::AlreadyClosed) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn message(&mut self) -> anyhow::Result<Message> {
        timeout(PATIENCE, self.receive()).await.context("nothing came")?
    }
}
