//! Thousands of sockets that come back at once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use neonchat_testbed::client::{Api, Socket, User, insist};
use serde_json::json;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{Happened, Scene};
use crate::cluster::INSTANCES;

/// Sockets of one user: a user with a few chats and many devices costs as much as as many users, but for the registering.
const SOCKETS_PER_USER: usize = 20;

/// Users who register at the same time.
const REGISTERING: usize = 8;

/// Sockets that open at the same time, before the storm.
const OPENING: usize = 50;

/// The longest that it takes until all are there, or there again.
const LIMIT: Duration = Duration::from_mins(2);

/// Milliseconds before another attempt, doubled from the first to the last; half of it at random.
const BACKOFF_MS: (u64, u64) = (50, 4000);

/// How many sockets are there: open, and up to date.
type There = Arc<watch::Sender<usize>>;

pub(super) async fn storm(scene: &mut Scene<'_>) -> anyhow::Result<Happened> {
    let api = scene.cluster.endpoints.api(scene.rng);
    let users = users(&api, scene.pace.sockets.div_ceil(SOCKETS_PER_USER)).await?;
    let there: There = Arc::default();
    let mut tasks = JoinSet::new();
    let bases = scene.cluster.notification[..INSTANCES].iter();
    let bases: Vec<String> = bases.map(|service| format!("ws://127.0.0.1:{}", service.http_port)).collect();
    let all = users.len() * SOCKETS_PER_USER;
    let begun = Instant::now();
    for (count, (user, chat)) in users.iter().flat_map(|user| std::iter::repeat_n(user, SOCKETS_PER_USER)).enumerate() {
        tasks.spawn(stay(user.clone(), chat.clone(), bases.clone(), Arc::clone(&there), scene.rng.fork()));
        // One after another, as they come on a quiet day.
        let opening = timeout(LIMIT, until(&there, count.saturating_sub(OPENING))).await;
        opening.with_context(|| format!("only {} sockets were opened", *there.borrow()))?;
    }
    timeout(LIMIT, until(&there, all)).await.with_context(|| format!("{all} sockets were never open at once"))?;
    let opened = begun.elapsed();

    for service in &mut scene.cluster.notification[..INSTANCES] {
        service.kill().await?;
    }
    // They notice by themselves.
    there.subscribe().wait_for(|there| *there == 0).await?;
    for service in &mut scene.cluster.notification[..INSTANCES] {
        service.spawn(&[])?;
    }
    let begun = Instant::now();
    let half = timeout(LIMIT, until(&there, all / 2)).await.map(|()| begun.elapsed());
    let back = timeout(LIMIT, until(&there, all)).await.map(|()| begun.elapsed());
    let mut happened = Happened::default();
    match (half, back) {
        (Ok(half), Ok(back)) => {
            let [opened, half, back] = [opened, half, back].map(|duration| duration.as_secs_f64());
            happened.detail =
                format!("{all} sockets: opened in {opened:.1} s, half back in {half:.1} s, all in {back:.1} s");
        }
        _ => happened.complaints.push(format!("{} of {all} sockets came back within {LIMIT:?}", *there.borrow())),
    }
    Ok(happened)
}

async fn until(there: &There, count: usize) {
    // The sender lives as long as this does.
    let _ = there.subscribe().wait_for(|there| *there >= count).await;
}

/// Users with a chat each.
async fn users(api: &Api, count: usize) -> anyhow::Result<Vec<(User, String)>> {
    let pairs = stream::iter(0..count.div_ceil(2)).map(async |_| {
        let (one, other) = (insist(async || api.any_user().await).await?, insist(async || api.any_user().await).await?);
        let chat = insist(async || api.chat(&one, &other).await).await?;
        anyhow::Ok([(one, chat.clone()), (other, chat)])
    });
    let pairs: Vec<_> = pairs.buffer_unordered(REGISTERING).try_collect().await?;
    Ok(pairs.into_iter().flatten().collect())
}

async fn stay(user: User, chat: String, bases: Vec<String>, there: There, mut rng: fastrand::Rng) {
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

/// Opens a socket and waits until it is up to date.
async fn open(base: &str, user: &User, chat: &str) -> anyhow::Result<Socket> {
    let mut socket = Socket::open(base, user, None).await?;
    let cursors = BTreeMap::from([(chat, 0)]);
    socket.send(&json!({ "type": "sync", "request_id": "s", "cursors": cursors })).await?;
    socket.expect_beside_presence("synced").await?;
    Ok(socket)
}
