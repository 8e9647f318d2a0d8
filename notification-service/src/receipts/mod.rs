//! Receipts: a member has read a chat up to an event, or has it on a device.
//!
//! Most receipts wait and are written together: see [`gathered`]. One with a `request_id` is written at once.

mod gathered;

use std::{sync::Arc, time::Duration};

use neonchat_common::{
    correlation::{self, CorrelationId},
    error::{ApiError, ErrorCode, NO_SUCH_CHAT},
    ids::{ChatId, UserId},
    tasks::Tasks,
    trace::TraceContext,
};
use tokio::time::{Instant, timeout};
use tracing::info_span;

use self::gathered::{GatheredReceipts, MAX_MEMBERS, Waiting, WaitingReceipt};
use crate::{
    chat_service::{ChatService, MAX_MARKED, Marked, Receipt},
    delivery::Delivery,
    hub::{Hub, Markers, MovedMarkers, Socket, SocketId},
};

/// The longest that writing all receipts takes at the end of the process.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// What became of receipts.
pub(crate) const RECEIPTS: &str = "receipts_total";

/// Moves the markers of members.
pub(crate) struct Receipts {
    hub: Arc<Hub>,
    chat_service: ChatService,
    delivery: Delivery,
    tasks: Tasks,
    gathered: GatheredReceipts,
}

impl Receipts {
    pub(crate) fn new(hub: Arc<Hub>, chat_service: ChatService, delivery: Delivery, tasks: Tasks) -> Self {
        Self { hub, chat_service, delivery, tasks, gathered: GatheredReceipts::new(MAX_MEMBERS) }
    }

    /// Takes a receipt, which is written within the interval of the chat's class. Drops it if this instance knows that the markers are
    /// there already.
    pub(crate) fn take(&self, socket: &Socket, chat: ChatId, markers: Markers) {
        let user = socket.user;
        if !self.hub.are_new_markers(user, chat, markers) {
            count("known", 1);
            return;
        }
        let class = self.hub.class(chat).unwrap_or_default();
        let waiting = WaitingReceipt::new(markers, socket.id);
        if self.gathered.add((user, chat), class, waiting, Instant::now()) {
            count("gathered", 1);
        }
    }

    /// Writes a receipt and announces it. Returns the markers after it.
    pub(crate) async fn write(
        self: &Arc<Self>,
        socket: &Socket,
        chat: ChatId,
        markers: Markers,
    ) -> Result<Marked, ApiError> {
        let (this, user, cause) = (Arc::clone(self), socket.user, socket.id);
        // In a task: the change is announced although the connection may end meanwhile.
        let work = async move {
            let receipt = Receipt { chat, user, markers };
            let marked = this.chat_service.mark_many(&[receipt]).await?.pop().flatten();
            let marked = marked.ok_or_else(|| ApiError::new(ErrorCode::NotFound, NO_SUCH_CHAT))?;
            count("written", 1);
            if let Some(moved) = this.apply(receipt, marked) {
                this.delivery.deliver_markers(&[(moved, Some(cause))]).await;
            }
            Ok(marked)
        };
        self.tasks.spawn(correlation::in_current_scope(work)).await.map_err(ApiError::internal)?
    }

    /// Writes what waits for a user whose last socket here closed.
    pub(crate) fn flush(&self, user: UserId) {
        self.gathered.flush(user);
    }

    /// Writes receipts as they become due.
    pub(crate) async fn run(&self) {
        loop {
            let due = self.gathered.next().await;
            for some in due.chunks(MAX_MARKED) {
                let id = CorrelationId::new();
                let span = info_span!("receipts", request.id = %id);
                correlation::scope(id, TraceContext::default(), span, self.write_all(some)).await;
            }
            self.gathered.written();
            count("lost", self.gathered.take_lost());
        }
    }

    /// Waits, after the last socket closed, until all receipts are written. Those that cannot be written in time are lost.
    pub(crate) async fn drain(&self) {
        if timeout(DRAIN_TIMEOUT, self.gathered.drain()).await.is_err() {
            let lost = self.gathered.len();
            tracing::warn!(count = lost, "receipts not written in time");
            count("lost", lost);
        }
    }

    async fn write_all(&self, due: &[Waiting]) {
        let is_new = |&&((chat, user), waiting): &&Waiting| self.hub.are_new_markers(user, chat, waiting.markers);
        // Meanwhile a receipt with a `request_id` may have moved the markers.
        let due: Vec<_> = due.iter().filter(is_new).copied().collect();
        if due.is_empty() {
            return;
        }
        let receipt = |&((chat, user), waiting): &Waiting| Receipt { chat, user, markers: waiting.markers };
        let receipts: Vec<_> = due.iter().map(receipt).collect();
        match self.chat_service.mark_many(&receipts).await {
            Ok(states) => {
                count("written", receipts.len());
                let states = receipts.iter().zip(states).zip(&due);
                let moved = states.filter_map(|((receipt, marked), (_, waiting))| {
                    Some((self.apply(*receipt, marked?)?, waiting.cause))
                });
                self.delivery.deliver_markers(&moved.collect::<Vec<_>>()).await;
            }
            Err(error) => {
                tracing::warn!(count = due.len(), error.cause = %error, "receipts not written");
                let may_succeed = |user| error.is_retryable().then(|| self.hub.has_user(user));
                self.gathered.put_back(due, may_succeed, Instant::now());
            }
        }
    }

    /// Records the outcome of a receipt. Returns the markers if one of them moved.
    fn apply(&self, receipt: Receipt, marked: Marked) -> Option<MovedMarkers> {
        let Receipt { chat, user, markers } = receipt;
        self.hub.set_markers(user, chat, markers, marked.markers);
        let Marked { markers, unread_count, is_group, .. } = marked;
        let class = marked.class.or_else(|| self.hub.class(chat));
        let unread_count = Some(unread_count);
        marked.has_moved.then_some(MovedMarkers { chat, user, markers, unread_count, class, is_group })
    }
}

fn count(outcome: &'static str, receipts: usize) {
    metrics::counter!(RECEIPTS, "outcome" => outcome).increment(receipts as u64);
}

/// The outcomes of receipts, for the start of the counters.
pub(crate) const OUTCOMES: [&str; 4] = ["known", "gathered", "written", "lost"];

/// Whose marker a cause moved: the socket that needs no frame about it.
pub(crate) type Cause = Option<SocketId>;
