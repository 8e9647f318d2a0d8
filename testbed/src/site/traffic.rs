//! Pairs of clients that send messages with the SDK, which connects again and sends again by itself.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, ensure};
use neonchat_client::{ChatId, Client, Event, Events, Status};
use neonchat_common::lifecycle::shutdown_signal;
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet, time::sleep};
use uuid::Uuid;

use super::{Site, ledger::Ledger};
use crate::client::{open_chat, retry, sign_up};

/// The number of chats, each with two clients.
const PAIRS: usize = 4;

/// The pause between two messages of a client. All clients together send 10/s, below every limit of the services.
const SEND_INTERVAL: Duration = Duration::from_millis(800);

/// One request in this number may fail, because a busy machine refuses some. An upgrade that replaces all instances at the
/// same time fails all requests for seconds.
const MAX_FAILED: u64 = 100;

/// Sends messages until SIGTERM, then compares the history with the acks and prints a summary.
///
/// # Errors
/// An acked message is lost or stored twice, or more than 1 % of the handshakes and requests failed.
pub(super) async fn traffic(site: &Site) -> anyhow::Result<()> {
    let (stop, stopped) = watch::channel(false);
    let mut chats = Vec::new();
    for _ in 0..PAIRS {
        let (first, second) = (sign_in(site).await?, sign_in(site).await?);
        let chat = open_chat(&first, &second).await?;
        let mut clients = JoinSet::new();
        for client in [first, second] {
            clients.spawn(run(client, chat, stopped.clone()));
        }
        chats.push((chat, clients));
    }
    println!("traffic: started");
    shutdown_signal().await;
    stop.send_replace(true);

    let mut all = Ledger::default();
    for (chat, mut clients) in chats {
        let mut ledger = Ledger::default();
        let mut client = None;
        while let Some(ended) = clients.join_next().await {
            let (its, log) = ended??;
            client = Some(its);
            ledger.merge(log);
        }
        let client = client.context("a chat without clients")?;
        ledger.check(&history(&client, chat).await?).with_context(|| format!("chat {chat}"))?;
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

async fn sign_in(site: &Site) -> anyhow::Result<Client> {
    let client = Client::builder(&*site.rest).web_socket_url(format!("{}/ws", site.websocket)).build()?;
    sign_up(&client, "u").await?;
    Ok(client)
}

/// A member of a chat sends messages until it is stopped.
async fn run(client: Client, chat: ChatId, stopped: watch::Receiver<bool>) -> anyhow::Result<(Client, Ledger)> {
    let events = client.events();
    client.start().await?;
    let (ended, end) = watch::channel(false);
    let (sent, connections) = tokio::join!(
        async {
            let sent = send_messages(&client, chat, &stopped).await;
            ended.send_replace(true);
            sent
        },
        connections(events, end),
    );
    client.stop().await?;
    let mut ledger = sent?;
    ledger.merge(connections);
    Ok((client, ledger))
}

async fn send_messages(client: &Client, chat: ChatId, stopped: &watch::Receiver<bool>) -> anyhow::Result<Ledger> {
    let mut ledger = Ledger::default();
    while !*stopped.borrow() {
        let text = Uuid::new_v4().to_string();
        match client.send(chat, &*text).await?.await {
            Ok(ack) => {
                let seq = ack.seq.context("a message without a seq")?;
                ledger.acked.insert(text, i64::try_from(seq)?);
            }
            Err(error) => ledger.refuse(error.code()),
        }
        if let Err(error) = client.rest().get("/users/me").send::<Value>().await {
            ledger.fail(error.status().unwrap_or_default());
        }
        sleep(SEND_INTERVAL).await;
    }
    Ok(ledger)
}

/// Counts the sockets that were opened, and the handshakes that failed.
async fn connections(mut events: Events, mut end: watch::Receiver<bool>) -> Ledger {
    let mut ledger = Ledger::default();
    let mut former = Status::Connecting;
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = end.changed() => None,
        };
        match event {
            Some(Event::State(state)) => {
                match (&former, &state) {
                    (_, Status::Syncing) => ledger.opened += 1,
                    (Status::Connecting, Status::Waiting { .. }) => ledger.fail(0),
                    _ => {}
                }
                former = state;
            }
            Some(_) => {}
            None => return ledger,
        }
    }
}

/// Returns all messages of a chat by `seq`.
async fn history(client: &Client, chat: ChatId) -> anyhow::Result<BTreeMap<i64, String>> {
    let mut messages = BTreeMap::new();
    let mut before = None;
    loop {
        let path = format!("/chats/{chat}/messages");
        let page: Value = retry(async || {
            let request = client.rest().get(&*path).query("limit", 100);
            let request = if let Some(before) = before { request.query("before_seq", before) } else { request };
            Ok(request.send().await?)
        })
        .await?;
        for message in page["messages"].as_array().with_context(|| format!("{path}: {page}"))? {
            let seq = message["seq"].as_i64().context("a message without seq")?;
            messages.insert(seq, message["text"].as_str().context("a message without text")?.to_owned());
        }
        before = messages.keys().next().copied();
        if page["has_previous"] != true {
            return Ok(messages);
        }
    }
}
