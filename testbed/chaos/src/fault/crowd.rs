//! An instance is killed that many users are on: those who know them are told that they are gone.

use std::{
    collections::HashSet,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use neonchat_testbed::client::{Api, Socket, User, insist};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{Happened, Scene};
use crate::cluster::INSTANCES;

/// Of so many users of the crowd one friend is told, who is on another instance.
const USERS_PER_FRIEND: usize = 50;

/// Users who register, or connect, at the same time.
const AT_ONCE: usize = 16;

/// As promised (guarantee G8).
const LIMIT: Duration = Duration::from_secs(15);

/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(10);

/// The longest that it takes until all are there.
const CONNECT_LIMIT: Duration = Duration::from_mins(2);

/// Who is online, as far as the friends were told.
type Online = Arc<Mutex<HashSet<String>>>;

pub(super) async fn vanish(scene: &mut Scene<'_>) -> anyhow::Result<Happened> {
    let (index, count) = (scene.instance(), scene.pace.crowd);
    let api = scene.cluster.endpoints.api(scene.rng);
    let groups = groups(&api, count).await?;
    let base = |index: usize| format!("ws://127.0.0.1:{}", scene.cluster.notification[index].http_port);
    let (here, elsewhere) = (base(index), base((index + 1) % INSTANCES));

    let online = Online::default();
    let (count_online, mut counted) = watch::channel(0);
    let mut tasks = JoinSet::new();
    for (friend, _) in &groups {
        let socket = insist(async || Socket::open(&elsewhere, friend, None).await).await?;
        tasks.spawn(listen(socket, Arc::clone(&online), count_online.clone()));
    }
    let crowd = groups.iter().flat_map(|(_, crowd)| crowd);
    let sockets = stream::iter(crowd).map(async |user| insist(async || Socket::open(&here, user, None).await).await);
    let mut sockets = pin!(sockets.buffer_unordered(AT_ONCE));
    while let Some(mut socket) = sockets.try_next().await? {
        tasks.spawn(async move { while socket.receive().await.is_ok() {} });
    }
    let all_online = timeout(CONNECT_LIMIT, counted.wait_for(|online| *online == count)).await.map(drop);
    all_online.with_context(|| format!("only {} of {count} users came online", *count_online.borrow()))?;

    scene.cluster.notification[index].kill().await?;
    let begun = Instant::now();
    let half = timeout(LIMIT + SLACK, counted.wait_for(|online| *online <= count / 2)).await.map(|_| begun.elapsed());
    let all = timeout(LIMIT + SLACK, counted.wait_for(|online| *online == 0)).await.map(|_| begun.elapsed());
    let left = *count_online.borrow();
    scene.cluster.notification[index].spawn(&[])?;
    let mut happened = Happened::default();
    if let (Ok(half), Ok(all)) = (half, all) {
        let (half, all) = (half.as_secs_f64(), all.as_secs_f64());
        happened.detail = format!("{count} users: half offline after {half:.1} s, all after {all:.1} s");
    } else {
        happened.complaints.push(format!("{left} of {count} users were online still after {:?}", begun.elapsed()));
    }
    Ok(happened)
}

/// Friends, and the users whom each knows.
async fn groups(api: &Api, count: usize) -> anyhow::Result<Vec<(User, Vec<User>)>> {
    let user = async || insist(async || api.any_user().await).await;
    let mut groups = Vec::new();
    for begin in (0..count).step_by(USERS_PER_FRIEND) {
        let friend = user().await?;
        let size = USERS_PER_FRIEND.min(count - begin);
        let crowd = stream::iter(0..size).map(async |_| {
            let user = user().await?;
            insist(async || api.chat(&friend, &user).await).await?;
            anyhow::Ok(user)
        });
        let crowd = crowd.buffer_unordered(AT_ONCE).try_collect().await?;
        groups.push((friend, crowd));
    }
    Ok(groups)
}

/// Notes what a friend is told, until the connection ends.
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
