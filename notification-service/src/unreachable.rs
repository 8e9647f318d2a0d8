//! Clients of dependencies that do not answer, for tests.

use std::{sync::Arc, time::Duration};

use fred::prelude::Client;
use neonchat_common::{
    grpc::client::GrpcClient,
    ids::InstanceId,
    redis::{self, namespace::Namespace},
    settings::GrpcSettings,
};

use crate::{bus::Publisher, chat_service::ChatService, delivery::Delivery, hub::Hub};

/// Returns a client of a chat-service to which no connection can be made.
pub(crate) fn chat_service() -> ChatService {
    let settings =
        GrpcSettings { internal_token: "token".into(), timeout: Duration::from_secs(1), attempts: 1, tls: None };
    ChatService::new(GrpcClient::new(&["127.0.0.1:1".to_owned()], &settings).expect("create client"))
}

/// Returns a client of a Redis to which no connection can be made.
pub(crate) fn redis() -> Client {
    redis::client(&"redis://127.0.0.1:1".into()).expect("create Redis client")
}

/// Returns a delivery that only reaches the local sockets.
pub(crate) fn delivery(hub: &Arc<Hub>) -> Delivery {
    let publisher = Publisher::new(redis(), Namespace::default());
    Delivery::new(InstanceId::new(), Arc::default(), Arc::clone(hub), publisher)
}
