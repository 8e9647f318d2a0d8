//! Access to internals for `benches/writer.rs` (feature `test-support`). The service does not use it.

use neonchat_common::{
    deployment::OwnDeployment,
    grpc::client::GrpcClient,
    ids::{ChatId, SendId, UserId},
    redis::{self, namespace::Namespace},
    tasks::Tasks,
    trace::TraceContext,
};

use crate::{
    config::Settings,
    db::{Connector, Db},
    messages::{
        model::{NewMessage, StoreOutcome},
        service::Messages,
    },
    notifier::Notifier,
};

/// The part of the service that stores messages.
#[derive(Clone)]
pub struct MessageStore {
    messages: Messages,
}

impl MessageStore {
    /// Starts the store on the database of `connector`.
    ///
    /// # Errors
    /// A setting is invalid.
    pub fn start(connector: Connector, settings: &Settings) -> anyhow::Result<Self> {
        let db = Db::new(connector, &settings.database)?;
        let grpc = GrpcClient::new(&settings.notification_addresses, &settings.common.grpc)?;
        let redis = redis::client(&settings.common.redis_url)?;
        let notifier = Notifier::new(grpc, redis, Namespace::default(), OwnDeployment::default());
        Ok(Self { messages: Messages::new(db, notifier, settings.messages, Tasks::new()) })
    }

    /// Stores a new message in each chat by one call. Returns whether all of them were stored.
    pub async fn store(&self, chats: &[(ChatId, UserId)], text: &str) -> bool {
        let message = |&(chat, sender): &(ChatId, UserId)| {
            let (request_id, trace) = (SendId::new(), TraceContext::default());
            text.to_owned().try_into().ok().map(|text| NewMessage {
                chat,
                sender,
                text,
                request_id,
                trace,
                given: None,
                rich: None,
                is_passive: false,
            })
        };
        let Some(messages) = chats.iter().map(message).collect() else { return false };
        let outcomes = self.messages.submit(messages).await;
        outcomes.is_ok_and(|outcomes| outcomes.iter().all(|outcome| matches!(outcome, Ok(StoreOutcome::Stored(_)))))
    }
}
