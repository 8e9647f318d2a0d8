//! The guard of an open connection: it releases what the connection holds.

use std::sync::Arc;

use crate::{
    close::CloseReason,
    connection_slots::ConnectionSlot,
    hub::{Hub, Socket},
    presence::Presence,
    receipts::Receipts,
};

/// A registered socket. Dropping the guard unregisters it, also after a panic, or if the connection never ran.
pub(super) struct ConnectionGuard {
    pub(super) socket: Arc<Socket>,
    hub: Arc<Hub>,
    presence: Arc<Presence>,
    receipts: Arc<Receipts>,
    /// Why the connection ended; `None` if it did not run to its end.
    close_reason: Option<CloseReason>,
    /// Released last, so that the drain waits for the rest.
    _slot: ConnectionSlot,
}

impl ConnectionGuard {
    /// Takes charge of a socket that was registered with the hub.
    pub(super) fn new(
        socket: Arc<Socket>,
        hub: Arc<Hub>,
        presence: Arc<Presence>,
        receipts: Arc<Receipts>,
        slot: ConnectionSlot,
    ) -> Self {
        presence.connected(&socket);
        tracing::info!(user.id = %socket.user, socket.id = %socket.id, "socket opened");
        Self { socket, hub, presence, receipts, close_reason: None, _slot: slot }
    }

    /// Ends the connection.
    pub(super) fn end(mut self, reason: CloseReason) {
        self.close_reason = Some(reason);
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let Self { socket, hub, presence, receipts, close_reason, .. } = self;
        let audience = hub.unregister(socket);
        if audience.is_some() {
            receipts.flush(socket.user);
        }
        presence.disconnected(socket.user, audience);
        // After a panic there is no reason. The log has the panic.
        let reason = close_reason.map(tracing::field::debug);
        tracing::info!(user.id = %socket.user, socket.id = %socket.id, close.reason = reason, "socket closed");
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use neonchat_common::{
        http::address::ClientAddress,
        ids::{InstanceId, TokenId, UserId},
        redis::namespace::Namespace,
        tasks::Tasks,
    };

    use super::*;
    use crate::{config::SocketSettings, connection_slots::ConnectionSlots, presence::Dependencies, unreachable};

    /// Returns the presence of an instance without dependencies.
    fn presence(hub: &Arc<Hub>, tasks: &Tasks) -> Arc<Presence> {
        let dependencies = Dependencies {
            instance: InstanceId::new(),
            deployments: Arc::default(),
            hub: Arc::clone(hub),
            chat_service: unreachable::chat_service(),
            delivery: unreachable::delivery(hub),
            tasks: tasks.clone(),
        };
        Arc::new(Presence::new(unreachable::redis(), Namespace::default(), dependencies, Duration::from_secs(5)))
    }

    #[tokio::test]
    async fn releases_connection_after_panic() {
        let (hub, user, tasks) = (Arc::<Hub>::default(), UserId::new(), Tasks::new());
        let presence = presence(&hub, &tasks);
        let (chat_service, delivery) = (unreachable::chat_service(), unreachable::delivery(&hub));
        let receipts = Arc::new(Receipts::new(Arc::clone(&hub), chat_service, delivery, tasks.clone()));
        let slots = ConnectionSlots::new(SocketSettings::WITHOUT_LIMITS);
        let slot = slots.acquire(ClientAddress::of(Ipv4Addr::LOCALHOST.into())).expect("acquire slot");
        hub.reserve(user);
        let socket = hub.register(user, TokenId::new(), None, &[]);
        let guard = ConnectionGuard::new(socket, Arc::clone(&hub), Arc::clone(&presence), receipts, slot);
        let panicked = tasks.spawn(async move {
            let _guard = guard;
            panic!("a bug in a handler");
        });
        assert!(panicked.await.expect_err("panic").is_panic());
        assert!(!hub.has_user(user) && presence.is_in_grace(user));
        assert_eq!(slots.in_use(), 0);
        tasks.finish(Duration::from_secs(5)).await;
    }
}
