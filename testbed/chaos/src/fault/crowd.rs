//! Kills an instance with many users. Their friends on another instance must learn that they are offline.

use std::{
    collections::HashSet,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use neonchat_testbed::client::{Api, Socket, User, retry};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{FaultContext, FaultOutcome};
use crate::cluster::INSTANCES;

/// One friend on the other instance knows this many users.
const USERS_PER_FRIEND: usize = 50;

/// The number of concurrent registrations or handshakes.
const CONCURRENCY: usize = 16;

/// The longest time until the users of a killed instance are offline.
const OFFLINE_TIMEOUT: Duration = Duration::from_secs(15);

/// The allowance for a busy machine.
const SLACK: Duration = Duration::from_secs(10);

/// The longest that all connections may take.
const CONNECT_TIMEOUT: Duration = Duration::from_mins(2);

/// The users that are online according to the presence events of the friends.
type Online = Arc<Mutex<HashSet<String>>>;

pub(super) async fn kill_instance(context: &mut FaultContext<'_>) -> anyhow::Result<FaultOutcome> {
    let (index, count) = (context.instance(), context.profile.crowd);
    let api = context.cluster.endpoints.api(context.rng);
    let groups = groups(&api, count).await?;
    let base = |index: usize| format!("ws://127.0.0.1:{}", context.cluster.notification[index].http_port);
    let (here, elsewhere) = (base(index), base((index + 1) % INSTANCES));

    let online = Online::default();
    let (count_online, mut counted) = watch::channel(0);
    let mut tasks = JoinSet::new();
    for (friend, _) in &groups {
        let socket = retry(async || Socket::open(&elsewhere, friend, None).await).await?;
        tasks.spawn(listen(socket, Arc::clone(&online), count_online.clone()));
    }
    let crowd = groups.iter().flat_map(|(_, crowd)| crowd);
    let sockets = stream::iter(crowd).map(async |user| retry(async || Socket::open(&here, user, None).await).await);
    let mut sockets = pin!(sockets.buffer_unordered(CONCURRENCY));
    while let Some(mut socket) = sockets.try_next().await? {
        tasks.spawn(async move { while socket.receive().await.is_ok() {} });
    }
    let all_online = timeout(CONNECT_TIMEOUT, counted.wait_for(|online| *online == count)).await.map(drop);
    all_online.with_context(|| format!("only {} of {count} users came online", *count_online.borrow()))?;

    context.cluster.notification[index].kill().await?;
    let begun = Instant::now();
    let half = timeout(OFFLINE_TIMEOUT + SLACK, counted.wait_for(|online| *online <= count / 2))
        .await
        .map(|_| begun.elapsed());
    let all = timeout(OFFLINE_TIMEOUT + SLACK, counted.wait_for(|online| *online == 0)).await.map(|_| begun.elapsed());
    let left = *count_online.borrow();
    context.cluster.notification[index].spawn(&[])?;
    let mut outcome = FaultOutcome::default();
    if let (Ok(half), Ok(all)) = (half, all) {
        let (half, all) = (half.as_secs_f64(), all.as_secs_f64());
        outcome.detail = format!("{count} users: half offline after {half:.1} s, all after {all:.1} s");
    } else {
        outcome.failures.push(format!("{left} of {count} users were still online after {:?}", begun.elapsed()));
    }
    Ok(outcome)
}

/// Registers friends and the users that each knows.
async fn groups(api: &Api, count: usize) -> anyhow::Result<Vec<(User, Vec<User>)>> {
    let user = async || retry(async || api.any_user().await).await;
    let mut groups = Vec::new();
    for begin in (0..count).step_by(USERS_PER_FRIEND) {
        let friend = user().await?;
        let size = USERS_PER_FRIEND.min(count - begin);
        let crowd = stream::iter(0..size).map(async |_| {
            let user = user().await?;
            retry(async || api.chat(&friend, &user).await).await?;
            anyhow::Ok(user)
        });
        let crowd = crowd.buffer_unordered(CONCURRENCY).try_collect().await?;
        groups.push((friend, crowd));
    }
    Ok(groups)
}

/// Records the presence events of a friend until the connection ends.
async fn listen(mut socket: Socket, online: Online, count: watch::Sender<usize>) {
    while let Ok(message) = socket.receive().await {
        let Ok(frame) = serde_json::from_str::<serde_json::Value>(message.to_text().unwrap_or_default()) else {
            continue;
        };
        let user = frame["user_id"].as_str().unwrap_or_default().to_owned();
        let mut online = online.lock().unwrap_or_else(PoisonError::into_inner);
        match frame["event"].as_str() {
            Some("user_online") => online.insert(user),
            Some("user_offline") => online.remove(&user),
            _ => continue,
        };
        count.send_replace(online.len());
    }
}
