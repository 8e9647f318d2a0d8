//! The client: handles of a driver.

mod builder;
mod consume;
#[cfg(test)]
mod consume_tests;
mod events;
pub(crate) mod outgoing;
#[cfg(test)]
mod owner_tests;
mod rest;
mod sending;
mod timeline;

use std::{fmt, sync::Arc};

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};

pub use self::{
    builder::{BuildError, Builder},
    events::Events,
    outgoing::{Target, Text},
    rest::{Rest, RestRequest},
    sending::Sending,
    timeline::Timeline,
};
use crate::{
    Chat, ChatId, Error, Login, MessageId, Pending, RequestId, Session, Status, UserId,
    core::{Call, Change, Reply},
    driver::{Command, Shared},
};

/// A client of one user. Clones are handles of the same client, which ends with the last one.
#[derive(Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("Client");
        fields.field("state", &self.state()).field("session", &self.session()).finish_non_exhaustive()
    }
}

impl Client {
    /// Begins a client of the chat-service at `url`, such as `http://localhost:8080`.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder::new(url.into())
    }

    async fn call(&self, call: Call) -> Result<Reply, Error> {
        let (reply, result) = oneshot::channel();
        self.command(Command::Call(call, reply)).await?;
        result.await.map_err(|_| Error::Closed)?
    }

    async fn command(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).await.map_err(|_| Error::Closed)
    }

    async fn flag(&self, call: Call) -> Result<bool, Error> {
        Ok(matches!(self.call(call).await?, Reply::Flag(true)))
    }

    // --- who is signed in ---

    /// Registers a user. It does not sign in.
    pub async fn register(&self, username: &str, password: &str) -> Result<UserId, Error> {
        let body = json!({ "username": username, "password": password });
        let user: Value = self.rest().post("/auth/register").json(&body).send().await?;
        let id = user["id"].as_str().and_then(|id| id.parse().ok());
        id.ok_or_else(|| Error::Answer("a registration without an id".to_owned()))
    }

    /// Signs in. A started client then connects by itself, also after [`Status::SignedOut`]; one that was not started waits for
    /// [`start`](Self::start).
    ///
    /// What the store has of another user is deleted, also what was not sent: its [`Sending`]s end with [`Error::Cancelled`]. So
    /// compare [`Session::username`] before a login with a store that exists.
    ///
    /// # Errors
    /// [`Error::Api`], for instance `invalid_credentials`, or [`Error::Network`]. It is not repeated.
    pub async fn login(&self, username: &str, password: &str) -> Result<(), Error> {
        self.login_with(Login::new(username, password)).await
    }

    /// Signs in, with more than a password. Otherwise as [`login`](Self::login).
    ///
    /// # Errors
    /// As [`login`](Self::login).
    pub async fn login_with(&self, login: Login) -> Result<(), Error> {
        self.call(Call::Login { login, cookie: false }).await.map(drop)
    }

    /// Signs in with the answer of another call than the login, for instance of a second factor. Otherwise as
    /// [`login`](Self::login).
    ///
    /// # Errors
    /// [`Error::Answer`] if it is not the answer of a sign-in.
    pub async fn accept(&self, answer: Value) -> Result<(), Error> {
        self.call(Call::Accept(answer)).await.map(drop)
    }

    /// Ends the session, and deletes everything that is stored.
    pub async fn logout(&self) -> Result<(), Error> {
        self.call(Call::Logout).await.map(drop)
    }

    /// Returns who is signed in.
    #[must_use]
    pub fn session(&self) -> Option<Session> {
        self.shared.session()
    }

    // --- the connection ---

    /// Connects, and stays connected until [`stop`](Self::stop). Once is enough: a started client whose session ends connects again
    /// after the next [`login`](Self::login).
    ///
    /// A new store begins at the heads of the chats: what was sent before is no event, and is loaded by
    /// [`timeline`](Self::timeline).
    ///
    /// # Errors
    /// [`Error::Closed`]. That the server is away is no error: see [`state`](Self::state).
    pub async fn start(&self) -> Result<(), Error> {
        self.call(Call::Start).await.map(drop)
    }

    /// Disconnects. What is pending stays in the store. Nothing connects again but [`start`](Self::start).
    pub async fn stop(&self) -> Result<(), Error> {
        self.call(Call::Stop).await.map(drop)
    }

    /// Stops, and closes the store. All other handles get [`Error::Closed`] from now on.
    pub async fn close(self) {
        let (done, closed) = oneshot::channel();
        if self.command(Command::Close(done)).await.is_ok() {
            // An error: another handle closes it.
            let _ = closed.await;
        }
    }

    /// Returns the state.
    #[must_use]
    pub fn state(&self) -> Status {
        self.shared.status.borrow().clone()
    }

    /// Returns the state and its changes. Only the last one is kept: `states().wait_for(|state| *state == Status::Live)`.
    #[must_use]
    pub fn states(&self) -> watch::Receiver<Status> {
        self.shared.status.subscribe()
    }

    /// Returns what happens from now on.
    ///
    /// Up to 10,000 events wait for a slow reader. What does not fit is left out, and [`Event::Missed`](crate::Event::Missed)
    /// follows in its place. The connection and other readers do not wait.
    #[must_use]
    pub fn events(&self) -> Events {
        Events(self.shared.subscribe())
    }

    /// Tells the client that the network is there, or not. By itself the client learns it from failures.
    pub async fn set_online(&self, is_online: bool) -> Result<(), Error> {
        self.command(Command::Change(if is_online { Change::Online } else { Change::Offline })).await
    }

    /// Tells the client whether anybody sees it. A hidden one waits longer between attempts to connect; one that becomes visible
    /// tests its connection at once.
    pub async fn set_visible(&self, is_visible: bool) -> Result<(), Error> {
        self.command(Command::Change(if is_visible { Change::Visible } else { Change::Hidden })).await
    }

    // --- chats ---

    /// Returns the chats as they are now: pinned ones by their places, then the most recently active.
    #[must_use]
    pub fn chats(&self) -> Vec<Chat> {
        self.shared.chats()
    }

    /// Returns a chat as it is now.
    #[must_use]
    pub fn chat(&self, id: ChatId) -> Option<Chat> {
        self.shared.chat(id)
    }

    /// Returns the messages of a chat.
    #[must_use]
    pub fn timeline(&self, chat: ChatId) -> Timeline {
        Timeline { client: self.clone(), chat }
    }

    /// Returns requests to the REST API.
    #[must_use]
    pub fn rest(&self) -> Rest {
        Rest { client: self.clone() }
    }

    // --- sending ---

    /// Sends a message, now or when there is a connection. Returns when it is stored here: with a [`FileStore`](crate::FileStore)
    /// it is then sent also if the process ends. The [`Sending`] resolves with the answer of the server.
    ///
    /// If the server refuses it, it stays in the [`outbox`](Self::outbox) as failed, also after a restart, until
    /// [`retry`](Self::retry) or [`cancel`](Self::cancel).
    ///
    /// # Errors
    /// - [`Error::SignedOut`]: nobody is signed in. After a session that has ended by itself there is no such error: the message
    ///   waits for the next sign-in of the same user.
    /// - [`Error::Refused`] with `idempotency_mismatch`: something else with this [`request_id`](Text::request_id) is pending.
    /// - [`Error::TooLarge`]
    /// - [`Error::Closed`]
    pub async fn send(&self, chat: ChatId, text: impl Into<Text>) -> Result<Sending, Error> {
        self.enqueue(outgoing::message(chat, &text.into())?).await
    }

    /// Edits a message. Otherwise as [`send`](Self::send).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn edit(
        &self,
        chat: ChatId,
        message: impl Into<Target>,
        text: impl Into<Text>,
    ) -> Result<Sending, Error> {
        self.enqueue(outgoing::edit(chat, message.into(), &text.into())?).await
    }

    /// Deletes messages for everybody. Otherwise as [`send`](Self::send).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn delete(
        &self,
        chat: ChatId,
        messages: impl IntoIterator<Item = impl Into<Target>>,
    ) -> Result<Sending, Error> {
        let targets: Vec<_> = messages.into_iter().map(Into::into).collect();
        self.enqueue(outgoing::delete(chat, &targets, None)?).await
    }

    /// Reacts to a message, or takes a reaction back. Otherwise as [`send`](Self::send).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn react(&self, chat: ChatId, message: MessageId, emoji: &str, on: bool) -> Result<Sending, Error> {
        self.enqueue(outgoing::react(chat, message, emoji, on, None)?).await
    }

    async fn enqueue(&self, entry: Pending) -> Result<Sending, Error> {
        let request_id = entry.request_id;
        let (reply, stored) = oneshot::channel();
        let (ack, answer) = oneshot::channel();
        self.command(Command::Send(Box::new(entry), reply, ack)).await?;
        stored.await.map_err(|_| Error::Closed)??;
        Ok(Sending::new(request_id, answer))
    }

    /// Returns what is not acknowledged, in order.
    #[must_use]
    pub fn outbox(&self) -> Vec<Pending> {
        self.shared.outbox()
    }

    /// Sends again what failed. Returns false if nothing with this ID has failed.
    pub async fn retry(&self, id: RequestId) -> Result<bool, Error> {
        self.flag(Call::Retry(id)).await
    }

    /// Removes what failed or is not sent at the moment from the outbox. Returns false if it is on its way, or not there.
    ///
    /// It may have been sent before: if the connection ended without an answer, the server may have stored it.
    pub async fn cancel(&self, id: RequestId) -> Result<bool, Error> {
        self.flag(Call::Cancel(id)).await
    }

    // --- what makes no event ---

    /// The user has read a chat up to a `seq`. It is stored, and is sent until the server confirms it.
    ///
    /// # Errors
    /// [`Error::Closed`]. The connection and the server make no errors.
    pub async fn read(&self, chat: ChatId, seq: u64) -> Result<(), Error> {
        self.call(Call::Read(chat, seq)).await.map(drop)
    }

    /// The user types, or stopped. Repeat it every 3 to 5 seconds. Without a connection it is not sent.
    ///
    /// # Errors
    /// [`Error::Closed`]. The connection and the server make no errors.
    pub async fn typing(&self, chat: ChatId, on: bool) -> Result<(), Error> {
        self.call(Call::Typing(chat, on)).await.map(drop)
    }

    /// Whether the user is active at this device. Each client begins as active.
    pub async fn set_away(&self, is_away: bool) -> Result<(), Error> {
        self.call(Call::Presence(if is_away { "away" } else { "online" })).await.map(drop)
    }

    /// Keeps what the user has written and not sent, here and on the user's other devices. An empty text deletes it.
    pub async fn draft(&self, chat: ChatId, text: &str, reply_to: Option<MessageId>) -> Result<(), Error> {
        self.call(Call::Draft(chat, text.to_owned(), reply_to)).await.map(drop)
    }
}
