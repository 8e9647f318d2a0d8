//! What connects the state machine with the world: sockets, HTTP, timers, the store.

mod clock;
mod http;
mod socket;
mod storage;
mod tls;
mod urls;
mod view;

use std::{collections::HashMap, sync::Arc};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::sleep_until,
};

#[cfg(test)]
pub(crate) use self::socket::PROTOCOL;
use self::socket::Socket;
pub(crate) use self::{
    clock::Clock,
    http::Http,
    storage::Storage,
    tls::Tls,
    urls::{checked_websocket_url, websocket_url, without_api},
    view::Shared,
};
use crate::{
    Ack, ChatEvent, Error, Event, MemoryStore, OutboxEvent, OutboxKind, Pending, RequestId,
    core::{Call, CallId, Change, Core, Effect, Input, Reply, Step},
    store::StoreError,
};

/// How many inputs may wait for the core.
const INPUTS: usize = 256;
/// How many inputs share one transaction.
const BATCH: usize = 256;

/// The reply to a call.
pub(crate) type Returned = Result<Reply, Error>;

/// What the handles of a client ask for.
pub(crate) enum Command {
    /// A call of the core.
    Call(Call, oneshot::Sender<Returned>),
    /// As `Call::Send`. The second one is told what the server has answered.
    Send(Box<Pending>, oneshot::Sender<Returned>, oneshot::Sender<Result<Ack, Error>>),
    /// The surroundings changed.
    Change(Change),
    /// Stops, and ends the driver.
    Close(oneshot::Sender<()>),
}

/// Runs the core of one client, until all handles are dropped or one closes it.
pub(crate) struct Driver {
    core: Core,
    clock: Clock,
    storage: Storage,
    http: Http,
    /// Of the WebSocket.
    url: String,
    socket: Option<Socket>,
    /// Sockets that are being closed.
    sockets: JoinSet<()>,
    requests: JoinSet<()>,
    commands: mpsc::Receiver<Command>,
    inputs: (mpsc::Sender<Input>, mpsc::Receiver<Input>),
    shared: Arc<Shared>,
    calls: CallId,
    replies: HashMap<CallId, oneshot::Sender<Returned>>,
    acks: HashMap<RequestId, Vec<oneshot::Sender<Result<Ack, Error>>>>,
    /// The caller that closes the client.
    closing: Option<oneshot::Sender<()>>,
}

/// What the driver waits for.
enum Next {
    Command(Command),
    Input(Input),
    /// All handles were dropped.
    Abandoned,
}

impl Driver {
    pub(crate) fn new(
        (core, clock, storage): (Core, Clock, Storage),
        (http, url): (Http, String),
        commands: mpsc::Receiver<Command>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            core,
            clock,
            storage,
            http,
            url,
            socket: None,
            sockets: JoinSet::new(),
            requests: JoinSet::new(),
            commands,
            inputs: mpsc::channel(INPUTS),
            shared,
            calls: 0,
            replies: HashMap::new(),
            acks: HashMap::new(),
            closing: None,
        }
    }

    pub(crate) async fn run(mut self) {
        self.refresh_view();
        while self.closing.is_none() {
            match self.next().await {
                Next::Command(command) => self.command(command),
                Next::Input(input) => self.core.handle(self.clock.now(), input),
                Next::Abandoned => break,
            }
            // What is there already goes into the same transaction.
            for _ in 0..BATCH {
                let Ok(input) = self.inputs.1.try_recv() else { break };
                self.core.handle(self.clock.now(), input);
            }
            self.perform().await;
        }
        self.finish().await;
    }

    async fn next(&mut self) -> Next {
        let timer = self.core.next_timer().map(|due| self.clock.instant(due));
        let tick = async {
            match timer {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = self.commands.recv() => command.map_or(Next::Abandoned, Next::Command),
            // This end of the channel is never closed.
            Some(input) = self.inputs.1.recv() => Next::Input(input),
            () = tick => Next::Input(Input::Tick),
            // Ended tasks are let go of.
            Some(_) = self.requests.join_next() => Next::Input(Input::Tick),
            Some(_) = self.sockets.join_next() => Next::Input(Input::Tick),
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Call(call, reply) => self.call(call, reply),
            Command::Send(entry, stored, ack) => {
                let request_id = entry.request_id;
                self.call(Call::Send(entry), stored);
                if self.core.has_pending(request_id) {
                    self.acks.entry(request_id).or_default().push(ack);
                }
            }
            Command::Change(change) => self.core.handle(self.clock.now(), Input::Change(change)),
            Command::Close(done) => self.closing = Some(done),
        }
    }

    fn call(&mut self, call: Call, reply: oneshot::Sender<Returned>) {
        self.calls += 1;
        self.replies.insert(self.calls, reply);
        self.core.handle(self.clock.now(), Input::Call(self.calls, call));
    }

    /// Stops, and closes the store.
    async fn finish(mut self) {
        self.calls += 1;
        self.core.handle(self.clock.now(), Input::Call(self.calls, Call::Stop));
        self.perform().await;
        // Each is given up after a moment.
        while self.sockets.join_next().await.is_some() {}
        // Unlocked before the answer, so that the store can be opened again.
        drop(std::mem::replace(&mut self.storage, no_storage()));
        if let Some(done) = self.closing.take() {
            let _ = done.send(());
        }
    }

    // --- what is to be done ---

    /// Does what the core wants, until it wants nothing more.
    async fn perform(&mut self) {
        loop {
            let Step { ops, effects } = self.core.take();
            if ops.is_empty() && effects.is_empty() {
                return;
            }
            if !ops.is_empty() {
                let ops = Arc::new(ops);
                let written = ops.clone();
                if let Err(error) = self.with_storage(move |storage| storage.write(&written)).await {
                    let event = self.storage.replace(&error, &self.core.saved(), &ops);
                    self.tell(&event);
                }
            }
            self.shared.set_session(self.core.session());
            for effect in effects {
                self.effect(effect).await;
            }
        }
    }

    /// Uses the store, which may block.
    async fn with_storage<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Storage) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut storage = std::mem::replace(&mut self.storage, no_storage());
        let used = tokio::task::spawn_blocking(move || {
            let result = work(&mut storage);
            (storage, result)
        });
        let (storage, result) = used.await.map_err(|error| StoreError::Other(Box::new(error)))?;
        self.storage = storage;
        result
    }

    async fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Open { attempt, token } => {
                let tls = self.http.tls();
                self.socket = Some(Socket::open(attempt, &self.url, &token, tls, self.inputs.0.clone()));
            }
            Effect::Close { code } => {
                if let Some(socket) = self.socket.take() {
                    self.sockets.spawn(socket.close(code));
                }
            }
            Effect::Send(text) => {
                if let Some(socket) = &mut self.socket {
                    socket.send(text);
                }
            }
            Effect::Request { id, cookie: true, .. } => {
                // Cookies are for browsers: this client never signs in with them.
                let answer = Err("this client has no cookies".to_owned());
                self.core.handle(self.clock.now(), Input::Answer(id, answer));
            }
            Effect::Request { id, request, token, .. } => {
                let (answer, inputs) = (self.http.request(request, token), self.inputs.0.clone());
                self.requests.spawn(async move {
                    let answer = answer.await;
                    // The driver has ended.
                    let _ = inputs.send(Input::Answer(id, answer)).await;
                });
            }
            Effect::Read { id, chat, from, to, limit, backwards } => {
                let read = move |storage: &mut Storage| Ok(storage.messages(chat, from..=to, limit, backwards));
                let rows = self.with_storage(read).await.unwrap_or_default();
                self.core.handle(self.clock.now(), Input::Rows(id, rows));
            }
            Effect::Event(event) => self.tell(&event),
            Effect::Reply(call, result) => {
                if let Some(reply) = self.replies.remove(&call) {
                    // Nobody waits for it any more.
                    let _ = reply.send(result);
                }
            }
        }
    }

    fn tell(&mut self, event: &Event) {
        if let Event::Chat(ChatEvent::Listed) = event {
            self.refresh_view();
        }
        self.shared.tell(event);
        // Who waits for an answer then sees what has become of the outbox.
        if let Event::Outbox(outbox) = event {
            self.settle(outbox);
        }
    }

    /// Tells who waits for the answer to a message or change.
    fn settle(&mut self, OutboxEvent { kind, entry, ack }: &OutboxEvent) {
        let result = match (kind, ack) {
            (OutboxKind::Added, _) => return,
            (OutboxKind::Done, Some(ack)) => Ok(ack.clone()),
            (OutboxKind::Failed, _) => {
                let code = entry.code.clone().unwrap_or_default();
                Err(Error::Refused { code, reason: entry.reason.clone(), detail: entry.detail.clone() })
            }
            _ => Err(Error::Cancelled),
        };
        for waiting in self.acks.remove(&entry.request_id).into_iter().flatten() {
            let _ = waiting.send(result.clone());
        }
    }

    fn refresh_view(&self) {
        self.shared.load(self.core.chats(), self.core.outbox());
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.end();
    }
}

fn no_storage() -> Storage {
    Storage(Box::new(MemoryStore::new()))
}
