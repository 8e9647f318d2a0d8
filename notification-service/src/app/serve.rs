//! The workers and the gRPC server.

use std::sync::Arc;

use fred::{interfaces::EventInterface as _, prelude::Client};
use neonchat_common::{
    grpc::{health, listener::Listener, server},
    redis::namespace::Namespace,
};
use neonchat_proto::notification::v1::notification_service_server::{self, NotificationServiceServer};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{config::Settings, grpc, receive::Receiver, state::AppState};

/// The names under which `grpc.health.v1` reports this server.
const GRPC_NAMES: [&str; 2] = ["", notification_service_server::SERVICE_NAME];

/// Starts the workers of all parts.
pub(super) fn start_workers(state: &AppState, subscriber: &Client, namespace: Namespace) {
    let tasks = &state.tasks;
    state.metrics.keep_up(tasks);
    state.resync.start(tasks);
    let readiness = Arc::clone(&state.readiness);
    tasks.spawn_until_stopped(async move { readiness.run().await });
    // The receiver is created before the subscriber connects, so that it gets every publication.
    let messages = subscriber.message_rx();
    let (instance, deployments) = (state.instance, Arc::clone(&state.deployments));
    let (hub, resync) = (Arc::clone(&state.hub), Arc::clone(&state.resync));
    let receiver = Receiver { instance, namespace, deployments: Arc::clone(&deployments), hub, resync };
    tasks.spawn_until_stopped(async move { receiver.run(messages).await });
    let subscriptions = Arc::clone(&state.subscriptions);
    tasks.spawn_until_stopped(async move { subscriptions.run().await });
    let subscriptions = Arc::clone(&state.subscriptions);
    let (chat_service, publisher) = (state.chat_service.clone(), state.publisher.clone());
    tasks.spawn_until_stopped(async move {
        deployments.run(instance, chat_service, publisher, &subscriptions).await;
    });
    state.presence.start(tasks);
    let receipts = Arc::clone(&state.receipts);
    tasks.spawn_until_stopped(async move { receipts.run().await });
    let hub = Arc::clone(&state.hub);
    tasks.spawn_until_stopped(async move { hub.notify_gathered_receipts().await });
    let delivery = state.delivery.clone();
    let typing = delivery.clone();
    tasks.spawn_until_stopped(async move { typing.notify_gathered_typing().await });
    tasks.spawn_until_stopped(async move { delivery.publish_typing().await });
}

/// Serves gRPC until `stopped`.
pub(super) async fn serve_grpc(
    listener: Listener,
    settings: &Settings,
    state: &AppState,
    stopped: CancellationToken,
) -> anyhow::Result<JoinHandle<Result<(), tonic::transport::Error>>> {
    let service = grpc::Api {
        chat_service: state.chat_service.clone(),
        delivery: state.delivery.clone(),
        presence: Arc::clone(&state.presence),
    };
    let health = health::service(&state.tasks, &GRPC_NAMES, state.readiness.subscribe(), |is_ready| *is_ready).await;
    let server = server::builder(&settings.common.grpc)?
        .add_service(health)
        .add_service(NotificationServiceServer::new(service))
        .serve_with_incoming_shutdown(listener.incoming(), stopped.cancelled_owned());
    Ok(state.tasks.spawn(server))
}
