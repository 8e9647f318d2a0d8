//! A message or change on its way.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use crate::{Ack, Error, RequestId};

/// A message or change on its way. It is a future of the answer of the server, which nobody has to await: dropping it does not
/// cancel anything, and [`Event::Outbox`](crate::Event::Outbox) tells the same.
///
/// It resolves with an error only if the server has said that the message is not stored ([`Error::Refused`]), if it was
/// cancelled, or if the client has ended.
#[derive(Debug)]
pub struct Sending {
    request_id: RequestId,
    answer: oneshot::Receiver<Result<Ack, Error>>,
}

impl Sending {
    pub(super) const fn new(request_id: RequestId, answer: oneshot::Receiver<Result<Ack, Error>>) -> Self {
        Self { request_id, answer }
    }

    /// Returns with which ID it is sent: [`Message::request_id`](crate::Message::request_id) of the message.
    #[must_use]
    pub const fn request_id(&self) -> RequestId {
        self.request_id
    }
}

impl Future for Sending {
    type Output = Result<Ack, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(context).map(|answer| answer.unwrap_or(Err(Error::Closed)))
    }
}
