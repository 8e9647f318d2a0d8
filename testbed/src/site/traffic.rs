//! Pairs of clients that send messages, reconnect when their socket ends, and retry unacked messages.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, ensure};
use neonchat_common::lifecycle::shutdown_signal;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{Site, ledger::Ledger};
use crate::client::{Refused, Socket, User, retry};

/// The number of chats, each with two clients.
const PAIRS: usize = 4;

/// The pause between two messages of a client. All clients together send 10/s, below every limit of the services.
const SEND_INTERVAL: Duration = Duration::from_millis(800);

/// The pause between two attempts to connect or to send.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// One request in this number may fail, because a busy machine refuses some. An upgrade that replaces all instances at the
/// same time fails all requests for seconds.
const MAX_FAILED: u64 = 100;

/// The longest wait for the answer to a send. The client then reconnects.
const ACK_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends messages until SIGTERM, then compares the history with the acks and prints a summary.
///
/// # Errors
/// An acked message is lost or stored twice, or more than 1 % of the handshakes and requests failed.
pub(super) async fn traffic(site: &Site) -> anyhow::Result<()> {
    let (stop, stopped) = watch::channel(false);
    let mut chats = Vec::new();
    for _ in 0..PAIRS {
        let (first, second) = (retry(|| site.api.any_user()).await?, retry(|| site.api.any_user()).await?);
        let chat = site.api.chat(&first, &second).await?;
        let mut clients = JoinSet::new();
        for user in [&first, &second] {
            let client = Client { site: site.clone(), user: user.clone(), chat: chat.clone(), pending: None };
            clients.spawn(client.run(stopped.clone()));
        }
        chats.push((first, chat, clients));
    }
    println!("traffic: started");
    shutdown_signal().await;
    stop.send_replace(true);

    let mut all = Ledger::default();
    for (user, chat, mut clients) in chats {
        let mut ledger = Ledger::default();
        while let Some(client) = clients.join_next().await {
            ledger.merge(client?);
        }
        ledger.check(&history(site, &user, &chat).await?).with_context(|| format!("chat {chat}"))?;
        all.merge(ledger);
    }
    println!(
        "traffic: {} messages acked, none lost; {} sockets opened; refused sends: {:?}; failed requests: {:?}",
        all.acked.len(),
        all.opened,
        all.refused_sends,
        all.failures
    );
    let failed: u64 = all.failures.values().sum();
    ensure!(failed * MAX_FAILED <= all.acked.len() as u64, "too many requests failed, by status: {:?}", all.failures);
    Ok(())
}

/// A member of a chat.
struct Client {
    site: Site,
    user: User,
    chat: String,
    /// The `request_id` and the text of the unacked message.
    pending: Option<(String, String)>,
}

impl Client {
    async fn run(mut self, stopped: watch::Receiver<bool>) -> Ledger {
        let mut ledger = Ledger::default();
        let url = format!("{}/ws?token={}", self.site.websocket, self.user.token);
        while !*stopped.borrow() || self.pending.is_some() {
            match Socket::request(&url, &[]).await {
                Ok(Ok(mut socket)) => {
                    ledger.opened += 1;
                    // The error is the end of the connection.
                    let _ = self.send_messages(&mut socket, &stopped, &mut ledger).await;
                }
                Ok(Err(Refused(answer))) => ledger.fail(answer.status),
                Err(_) => ledger.fail(0),
            }
            sleep(RETRY_PAUSE).await;
        }
        ledger
    }

    async fn send_messages(
        &mut self,
        socket: &mut Socket,
        stopped: &watch::Receiver<bool>,
        ledger: &mut Ledger,
    ) -> anyhow::Result<()> {
        while !*stopped.borrow() || self.pending.is_some() {
            let new = || (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
            let (request, text) = self.pending.get_or_insert_with(new).clone();
            let frame = json!({ "type": "message", "chat_id": self.chat, "text": text, "request_id": request });
            socket.send(&frame).await?;
            let answer = timeout(ACK_TIMEOUT, answer_to(socket, &request)).await??;
            if let Some(seq) = answer["seq"].as_i64() {
                ledger.acked.insert(text, seq);
                self.pending = None;
                self.call_rest(ledger).await;
                sleep(SEND_INTERVAL).await;
            } else {
                ledger.refuse(answer["code"].as_str().unwrap_or_default());
                sleep(RETRY_PAUSE).await;
            }
        }
        Ok(())
    }

    /// Sends a REST request.
    async fn call_rest(&self, ledger: &mut Ledger) {
        let status = self.site.api.get("/api/v1/users/me", &self.user).await.map_or(0, |answer| answer.status);
        if status != 200 {
            ledger.fail(status);
        }
    }
}

/// Returns the ack or the error of a send.
async fn answer_to(socket: &mut Socket, request: &str) -> anyhow::Result<Value> {
    loop {
        let frame = socket.next().await?;
        if frame["request_id"] == request {
            return Ok(frame);
        }
    }
}

/// Returns all messages of a chat by `seq`.
async fn history(site: &Site, user: &User, chat: &str) -> anyhow::Result<BTreeMap<i64, String>> {
    let mut messages = BTreeMap::new();
    let mut before = String::new();
    loop {
        let path = format!("/api/v1/chats/{chat}/messages?limit=100{before}");
        let answer = retry(|| site.api.get(&path, user)).await?;
        let page = answer.body["messages"].as_array().with_context(|| format!("{path}: {answer:?}"))?;
        for message in page {
            let seq = message["seq"].as_i64().context("a message without seq")?;
            messages.insert(seq, message["text"].as_str().context("a message without text")?.to_owned());
            if Some(&seq) == messages.keys().next() {
                before = format!("&before_id={}", message["id"].as_str().unwrap_or_default());
            }
        }
        if answer.body["has_previous"] != true {
            return Ok(messages);
        }
    }
}
