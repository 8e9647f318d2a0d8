//! The client of NeonChat.
#![forbid(unsafe_code)]

#[cfg(test)]
mod cases;
mod client;
mod core;
mod driver;
mod error;
mod event;
mod frame;
mod ids;
mod model;
mod session;
pub mod store;

pub use self::{
    client::{BuildError, Builder, Client, Events, Rest, RestRequest, Sending, Target, Text, Timeline},
    error::{Error, Problem},
    event::{
        Ack, ChatEvent, Event, Failure, Gap, NewMessage, OutboxEvent, OutboxKind, Presence, Receipt, Receipts, Status,
        Typing,
    },
    frame::{Change, Deleted, Edit, Frame, Object},
    ids::{ChatId, MessageId, RequestId, UserId},
    model::{Chat, Draft, LastMessage, Message, Page, Partner, Reaction},
    session::{Login, Session},
    store::{FileStore, MemoryStore, Pending, PendingState, Store},
};
