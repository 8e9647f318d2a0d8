//! The client of the NeonChat messenger: it stays connected, misses nothing, and sends each message once.
//!
//! ```no_run
//! use neonchat_client::{Client, Event, FileStore};
//!
//! # async fn example(chat: neonchat_client::ChatId) -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("http://localhost:8080").store(FileStore::open("alice.jsonl")?).build()?;
//! if client.session().is_none_or(|session| session.username() != "alice") {
//!     client.login("alice", "securepass123").await?;
//! }
//! let mut events = client.events();
//! client.start().await?;
//! let ack = client.send(chat, "Hello").await?.await?;
//! println!("stored as {:?}", ack.seq);
//! while let Some(event) = events.next().await {
//!     if let Event::Message(new) = event {
//!         println!("{} {}", new.seq, new.message.text);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [`Client`] is a handle of a task that holds the connection. [`Client::events`] tells what happens, [`Client::send`] puts
//! a message into the outbox, from where it is sent until the server answers, [`Client::timeline`] has the messages, and
//! [`Client::rest`] makes any other call. What is known survives a restart in a [`FileStore`].
//!
//! # Features
//!
//! - `tls`: `https://` and `wss://`, by rustls with ring. The root certificates are those of the system, and those of
//!   `Builder::root_certificates`.

#![forbid(unsafe_code)]

#[cfg(test)]
mod cases;
mod client;
mod core;
mod driver;
mod ephemeral;
mod error;
mod event;
mod frame;
mod ids;
mod model;
mod session;
pub mod store;

pub use self::{
    client::{BuildError, Builder, Client, Events, Rest, RestRequest, Sending, Target, Text, Timeline},
    ephemeral::{Presence, Receipt, Receipts, Typing},
    error::{Error, Problem},
    event::{Ack, ChatEvent, Event, Failure, Gap, NewMessage, OutboxEvent, OutboxKind, Status},
    frame::{Change, Deleted, Edit, Frame, Object},
    ids::{ChatId, MessageId, RequestId, UserId},
    model::{Chat, Draft, LastMessage, Message, Page, Partner, Reaction},
    session::{Login, Session},
    store::{FileStore, MemoryStore, Pending, PendingState, Store},
};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
