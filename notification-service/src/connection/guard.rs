//! The guard of an open connection: it releases what the connection holds.

use std::sync::Arc;

use crate::{
    close::CloseReason,
    connection_slots::ConnectionSlot,
    hub::{Hub, Socket},
    presence::Presence,
};

/// A registered socket. Dropping the guard unregisters it, also after a panic, or if the connection never ran.
pub(super) struct ConnectionGuard {
    pub(super) socket: Arc<Socket>,
    hub: Arc<Hub>,
    presence: Arc<Presence>,
    /// Why the connection ended; `None` if it did not run to its end.
    close_reason: Option<CloseReason>,
    /// Released last, so that the drain waits for the rest.
    _slot: ConnectionSlot,
}

impl ConnectionGuard {
    /// Takes charge of a socket that was registered with the hub.
    pub(super) fn new(socket: Arc<Socket>, hub: Arc<Hub>, presence: Arc<Presence>, slot: ConnectionSlot) -> Self {
        presence.connected(&socket);
        tracing::info!(user.id = %socket.user, socket.id = %socket.id, "socket opened");
        Self { socket, hub, presence, close_reason: None, _slot: slot }
    }

    /// Ends the connection.
    pub(super) fn end(mut self, reason: CloseReason) {
        self.close_reason = Some(reason);
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let Self { socket, hub, presence, close_reason, .. } = self;
        let audience = hub.unregister(socket);
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
        grpc::client::GrpcClient,
        http::address::ClientAddress,
        ids::{InstanceId, TokenId, UserId},
        redis::{self, namespace::Namespace},
        settings::GrpcSettings,
        tasks::Tasks,
    };

    use super::*;
    use crate::{
        bus::Publisher, chat_service::ChatService, config::SocketSettings, connection_slots::ConnectionSlots,
        delivery::Delivery, presence::Dependencies,
    };

    /// Returns the presence of an instance without dependencies.
    fn presence(hub: &Arc<Hub>, tasks: &Tasks) -> Arc<Presence> {
        let grpc =
            GrpcSettings { internal_token: "token".into(), timeout: Duration::from_secs(1), attempts: 1, tls: None };
        let (instance, deployments) = (InstanceId::new(), Arc::default());
        let redis = redis::client(&"redis://127.0.0.1:1".into()).expect("create Redis client");
        let chat_service =
            ChatService::new(GrpcClient::new(&["127.0.0.1:1".to_owned()], &grpc).expect("create client"));
        let publisher = Publisher::new(redis.clone(), Namespace::default());
        let delivery = Delivery::new(instance, Arc::clone(&deployments), Arc::clone(hub), publisher);
        let (hub, tasks) = (Arc::clone(hub), tasks.clone());
        let dependencies = Dependencies { instance, deployments, hub, chat_service, delivery, tasks };
        Arc::new(Presence::new(redis, Namespace::default(), dependencies, Duration::from_secs(5)))
    }

    #[tokio::test]
    async fn releases_connection_after_panic() {
        let (hub, user, tasks) = (Arc::<Hub>::default(), UserId::new(), Tasks::new());
        let presence = presence(&hub, &tasks);
        let slots = ConnectionSlots::new(SocketSettings {
            max_connections: 1,
            max_connections_per_user: 0,
            max_connections_per_address: 0,
            messages_per_second: 0,
            heartbeat: Duration::from_secs(30),
            read_timeout: Duration::from_mins(1),
            write_timeout: Duration::from_secs(10),
        });
        let slot = slots.acquire(ClientAddress::of(Ipv4Addr::LOCALHOST.into())).expect("acquire slot");
        hub.reserve(user);
        let socket = hub.register(user, TokenId::new(), None, &[]);
        let guard = ConnectionGuard::new(socket, Arc::clone(&hub), Arc::clone(&presence), slot);
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
