//! The worker of a shard: takes requests from its queue, makes them, delivers their events and answers them.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::{Either, select};
use neonchat_common::{
    batch::recv_batch,
    ids::{ChatId, Seq},
    tasks::Tasks,
};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{MAX_BATCH, NewRequest, Queued, change::Changed, log_refused, send::Sent};
use crate::{
    bus::Publication,
    chat_service::{ChatService, ClientChange, NewMessage},
    delivery::Delivery,
    hub::Hub,
};

/// How long messages and changes that were queued together wait for each other. Answers and events that are ready together take one write
/// to a socket, and a client that answers each with a request has its requests in one batch again.
const GRACE: Duration = Duration::from_millis(50);

/// Makes the requests of a shard.
pub(super) struct Worker {
    requests: mpsc::Receiver<Queued<NewRequest>>,
    rejected: Arc<AtomicUsize>,
    /// Makes and delivers changes that took longer than [`GRACE`]. The next ones have to wait for them.
    late_changes: Option<JoinHandle<()>>,
    services: Services,
}

/// What requests are made with.
#[derive(Clone)]
pub(super) struct Services {
    pub(super) hub: Arc<Hub>,
    pub(super) chat_service: ChatService,
    pub(super) delivery: Delivery,
    pub(super) tasks: Tasks,
}

/// A request that chat-service has made, now or before.
pub(super) enum Done {
    Sent(Box<Sent>),
    Changed(Box<Changed>),
}

impl Worker {
    pub(super) fn new(
        requests: mpsc::Receiver<Queued<NewRequest>>,
        rejected: Arc<AtomicUsize>,
        services: Services,
    ) -> Self {
        Self { requests, rejected, late_changes: None, services }
    }

    pub(super) async fn run(mut self, stopped: CancellationToken) {
        loop {
            let size = |queued: &Queued<NewRequest>| queued.request.size();
            let requests = recv_batch(&mut self.requests, &stopped, MAX_BATCH, size).await;
            log_refused(self.rejected.swap(0, Ordering::Relaxed), "the queue of the shard is full");
            let Some(requests) = requests else { return };
            let (sends, changes) = split(requests);
            self.make(sends, changes).await;
        }
    }

    async fn make(&mut self, sends: Vec<Queued<NewMessage>>, changes: Vec<Queued<ClientChange>>) {
        let services = self.services.clone();
        let store = services.store(sends);
        if changes.is_empty() {
            return services.deliver(store.await).await;
        }
        let change = Box::pin(change_after(self.late_changes.take(), services.clone(), changes));
        match select(pin!(store), change).await {
            Either::Left((stored, mut change)) => {
                if let Ok(made) = timeout(GRACE, &mut change).await {
                    return services.deliver_together(stored, made).await;
                }
                let late = services.clone();
                let deliver = async move { late.deliver(change.await).await };
                self.late_changes = Some(services.tasks.spawn(deliver));
                services.deliver(stored).await;
            }
            Either::Right((made, mut store)) => {
                if let Ok(stored) = timeout(GRACE, &mut store).await {
                    return services.deliver_together(stored, made).await;
                }
                services.deliver(made).await;
                services.deliver(store.await).await;
            }
        }
    }
}

/// Makes changes when the earlier ones are made and delivered.
async fn change_after(
    earlier: Option<JoinHandle<()>>,
    services: Services,
    changes: Vec<Queued<ClientChange>>,
) -> Vec<Done> {
    if let Some(earlier) = earlier {
        // If it failed, there is nothing left to wait for.
        let _ = earlier.await;
    }
    services.change(changes).await
}

/// Separates messages and changes.
fn split(requests: Vec<Queued<NewRequest>>) -> (Vec<Queued<NewMessage>>, Vec<Queued<ClientChange>>) {
    let (mut sends, mut changes) = (Vec::with_capacity(requests.len()), Vec::new());
    for Queued { socket, request, permit, accepted_at } in requests {
        match request {
            NewRequest::Send(request) => sends.push(Queued { socket, request, permit, accepted_at }),
            NewRequest::Change(request) => changes.push(Queued { socket, request, permit, accepted_at }),
        }
    }
    (sends, changes)
}

impl Services {
    async fn deliver_together(&self, mut stored: Vec<Done>, made: Vec<Done>) {
        stored.extend(made);
        // The events of a chat in their order, so that none waits for another one; and one chat after another, so that what goes to a
        // socket is there when its writer wakes up.
        stored.sort_by_key(Done::place);
        self.deliver(stored).await;
    }

    /// Delivers the events to the local sockets, then to Redis; then the clients get acks.
    async fn deliver(&self, mut done: Vec<Done>) {
        if done.is_empty() {
            return;
        }
        let mut publications = Vec::with_capacity(done.len());
        for done in &mut done {
            done.deliver(self, &mut publications);
        }
        let published = self.delivery.start_publishing(publications).await;
        let hub = Arc::clone(&self.hub);
        // A task of its own, so that the shard's next calls do not wait for Redis.
        self.tasks.spawn(async move {
            let published = published.await;
            for done in done {
                done.acknowledge(&hub, &published);
            }
        });
    }
}

impl Done {
    /// Returns the chat and the `seq` of the event, if there is one.
    const fn place(&self) -> (ChatId, Option<Seq>) {
        match self {
            Self::Sent(sent) => sent.place(),
            Self::Changed(changed) => changed.place(),
        }
    }

    /// Delivers the event to the local sockets. Adds the publications for the other instances.
    fn deliver(&mut self, services: &Services, publications: &mut Vec<Publication>) {
        match self {
            Self::Sent(sent) => sent.deliver(services, publications),
            Self::Changed(changed) => changed.deliver(services, publications),
        }
    }

    /// Answers the client. `published` has for each publication whether Redis accepted it.
    fn acknowledge(self, hub: &Hub, published: &[bool]) {
        match self {
            Self::Sent(sent) => sent.acknowledge(hub, published),
            // Without Redis, the other instances find the event by their resync.
            Self::Changed(changed) => changed.acknowledge(hub),
        }
    }
}
