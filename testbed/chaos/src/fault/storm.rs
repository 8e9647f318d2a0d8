//! Thousands of sockets reconnect at the same time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use neonchat_testbed::client::{Api, Socket, User, retry};
use serde_json::json;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{FaultContext, FaultOutcome};
use crate::cluster::INSTANCES;

/// The number of sockets of a user. Many sockets of one user cost as much as those of many users, without their registration.
const SOCKETS_PER_USER: usize = 20;

/// The number of concurrent registrations.
const REGISTER_CONCURRENCY: usize = 8;

/// The number of concurrent handshakes before the storm.
const OPEN_CONCURRENCY: usize = 50;

/// The longest until all sockets are open, or open again.
const CONNECT_TIMEOUT: Duration = Duration::from_mins(2);

/// The first and the longest backoff in milliseconds. It doubles after each attempt. Half of it is jitter.
const BACKOFF_MS: (u64, u64) = (50, 4000);

/// The number of sockets that are open and synchronized.
type ConnectedCount = Arc<watch::Sender<usize>>;

pub(super) async fn reconnect_all(context: &mut FaultContext<'_>) -> anyhow::Result<FaultOutcome> {
    let api = context.cluster.endpoints.api(context.rng);
    let users = users(&api, context.profile.sockets.div_ceil(SOCKETS_PER_USER)).await?;
    let there: ConnectedCount = Arc::default();
    let mut tasks = JoinSet::new();
    let bases = context.cluster.notification[..INSTANCES].iter();
    let bases: Vec<String> = bases.map(|service| format!("ws://127.0.0.1:{}", service.http_port)).collect();
    let all = users.len() * SOCKETS_PER_USER;
    let begun = Instant::now();
    for (count, (user, chat)) in users.iter().flat_map(|user| std::iter::repeat_n(user, SOCKETS_PER_USER)).enumerate() {
        tasks.spawn(stay(user.clone(), chat.clone(), bases.clone(), Arc::clone(&there), context.rng.fork()));
        // Steadily, with bounded concurrency.
        let opening = timeout(CONNECT_TIMEOUT, until(&there, count.saturating_sub(OPEN_CONCURRENCY))).await;
        opening.with_context(|| format!("only {} sockets were opened", *there.borrow()))?;
    }
    timeout(CONNECT_TIMEOUT, until(&there, all))
        .await
        .with_context(|| format!("{all} sockets were never open at the same time"))?;
    let opened = begun.elapsed();

    for service in &mut context.cluster.notification[..INSTANCES] {
        service.kill().await?;
    }
    // The clients notice the lost connections.
    there.subscribe().wait_for(|there| *there == 0).await?;
    for service in &mut context.cluster.notification[..INSTANCES] {
        service.spawn(&[])?;
    }
    let begun = Instant::now();
    let half = timeout(CONNECT_TIMEOUT, until(&there, all / 2)).await.map(|()| begun.elapsed());
    let back = timeout(CONNECT_TIMEOUT, until(&there, all)).await.map(|()| begun.elapsed());
    let mut outcome = FaultOutcome::default();
    match (half, back) {
        (Ok(half), Ok(back)) => {
            let [opened, half, back] = [opened, half, back].map(|duration| duration.as_secs_f64());
            outcome.detail =
                format!("{all} sockets: opened in {opened:.1} s, half reopened in {half:.1} s, all in {back:.1} s");
        }
        _ => outcome
            .failures
            .push(format!("{} of {all} sockets were reopened within {CONNECT_TIMEOUT:?}", *there.borrow())),
    }
    Ok(outcome)
}

async fn until(there: &ConnectedCount, count: usize) {
    // This owns the sender, so waiting cannot fail.
    let _ = there.subscribe().wait_for(|there| *there >= count).await;
}

/// Registers users, each with a chat.
async fn users(api: &Api, count: usize) -> anyhow::Result<Vec<(User, String)>> {
    let pairs = stream::iter(0..count.div_ceil(2)).map(async |_| {
        let (one, other) = (retry(async || api.any_user().await).await?, retry(async || api.any_user().await).await?);
        let chat = retry(async || api.chat(&one, &other).await).await?;
        anyhow::Ok([(one, chat.clone()), (other, chat)])
    });
    let pairs: Vec<_> = pairs.buffer_unordered(REGISTER_CONCURRENCY).try_collect().await?;
    Ok(pairs.into_iter().flatten().collect())
}

async fn stay(user: User, chat: String, bases: Vec<String>, there: ConnectedCount, mut rng: fastrand::Rng) {
    let (mut backoff, max) = BACKOFF_MS;
    loop {
        let base = rng.choice(&bases).map(String::as_str).unwrap_or_default();
        if let Ok(mut socket) = open(base, &user, &chat).await {
            backoff = BACKOFF_MS.0;
            there.send_modify(|there| *there += 1);
            while socket.receive().await.is_ok() {}
            there.send_modify(|there| *there -= 1);
        } else {
            sleep(Duration::from_millis(backoff / 2 + rng.u64(0..=backoff / 2))).await;
            backoff = (2 * backoff).min(max);
        }
    }
}

/// Opens a socket and waits until it is synchronized.
async fn open(base: &str, user: &User, chat: &str) -> anyhow::Result<Socket> {
    let mut socket = Socket::open(base, user, None).await?;
    let cursors = BTreeMap::from([(chat, 0)]);
    socket.send(&json!({ "type": "sync", "request_id": "s", "cursors": cursors })).await?;
    socket.expect_beside_presence("synced").await?;
    Ok(socket)
}
