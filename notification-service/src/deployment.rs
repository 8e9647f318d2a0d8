//! Detects other deployments on the same Redis.
//!
//! Two deployments that share a Redis and a namespace ignore each other's publications, but they share keys: presence, leases
//! and rate limiters. That is a configuration error, so it is detected: each instance announces its deployment periodically,
//! and an instance that receives the announcement of an older deployment opens no new sockets while that one is present. So
//! production is not affected if staging is pointed at its Redis.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use neonchat_common::{
    bus::Channel,
    deployment::{Announcement, Deployment, OwnDeployment},
    error::ApiError,
    ids::{DeploymentId, InstanceId},
};
use tokio::{
    select,
    sync::Notify,
    time::{Instant, sleep},
};

use crate::{
    bus::{Publisher, Subscriptions},
    chat_service::ChatService,
};

/// How often an instance asks chat-service for its deployment and announces it.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(3);

/// How often chat-service is asked until it has answered once.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// A deployment without an announcement for this time is removed.
const EXPIRY: Duration = Duration::from_secs(10);

/// The remedy that the log messages name.
const REMEDY: &str =
    "set REDIS_NAMESPACE of one of them, or point its REDIS_URL at another Redis; REDIS_DB does not separate them";

/// The deployment of this instance, and the others on its Redis.
#[derive(Debug, Default)]
pub(crate) struct Deployments {
    pub(crate) own: OwnDeployment,
    /// Whether chat-service has answered. Its version may have no deployments.
    is_known: AtomicBool,
    /// The other deployments, with the time of their last announcement.
    others: Mutex<HashMap<Deployment, Instant>>,
    /// Signals that an unknown deployment was announced, so that this one is announced in return.
    new_deployment: Notify,
}

impl Deployments {
    /// Returns whether this instance handles publications of a deployment. Counts those that it ignores.
    pub(crate) fn accepts(&self, publisher: Option<DeploymentId>) -> bool {
        let accepts = self.own.accepts(publisher);
        if !accepts {
            metrics::counter!("redis_foreign_envelopes_total").increment(1);
        }
        accepts
    }

    /// Records the announcement of another instance.
    pub(crate) fn record_announcement(&self, Announcement { deployment, .. }: &Announcement) {
        if self.accepts(Some(deployment.id)) {
            return;
        }
        if self.others().insert(*deployment, Instant::now()).is_some() {
            return;
        }
        if self.own.get().is_some_and(|own| own < *deployment) {
            tracing::warn!(deployment.other = %deployment, "another deployment uses this redis: {REMEDY}");
        } else {
            tracing::error!(deployment.other = %deployment,
                "an older deployment uses this redis, this one opens no new sockets: {REMEDY}");
        }
        self.new_deployment.notify_one();
    }

    /// Returns whether an older deployment uses this Redis, so that this one must open no sockets.
    pub(crate) fn must_yield(&self) -> bool {
        let others = self.others();
        !others.is_empty() && self.own.get().is_some_and(|own| others.keys().any(|other| *other < own))
    }

    /// Asks chat-service for the deployment if it is not known. Called before the first socket opens.
    pub(crate) async fn ensure_known(&self, chat_service: &ChatService) -> Result<(), ApiError> {
        if self.is_known.load(Ordering::Relaxed) { Ok(()) } else { self.refresh(chat_service).await }
    }

    /// Runs the worker that announces this deployment and removes expired ones.
    pub(crate) async fn run(
        &self,
        instance: InstanceId,
        chat_service: ChatService,
        publisher: Publisher,
        subscriptions: &Subscriptions,
    ) {
        // Without the subscription, the others' answers to the first announcement would be lost.
        subscriptions.wait_for(Channel::Deployments).await;
        loop {
            if let Err(error) = self.refresh(&chat_service).await {
                tracing::debug!(error.cause = %error, "deployment could not be determined");
            }
            if let Some(deployment) = self.own.get() {
                publisher.announce(&Announcement { instance, deployment }).await;
            }
            self.remove_expired();
            let pause = if self.is_known.load(Ordering::Relaxed) { ANNOUNCE_INTERVAL } else { RETRY_DELAY };
            select! {
                () = sleep(pause) => {}
                () = self.new_deployment.notified() => {}
            }
        }
    }

    async fn refresh(&self, chat_service: &ChatService) -> Result<(), ApiError> {
        if let Some(deployment) = chat_service.deployment().await? {
            self.own.set(deployment);
            // The ID of this deployment may have changed to one that others have announced.
            self.others().remove(&deployment);
        }
        self.is_known.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn remove_expired(&self) {
        let mut others = self.others();
        others.retain(|deployment, announced_at| {
            let is_present = announced_at.elapsed() < EXPIRY;
            if !is_present {
                tracing::info!(deployment.other = %deployment, "another deployment stopped using this redis");
            }
            is_present
        });
        let count = u32::try_from(others.len()).unwrap_or(u32::MAX);
        metrics::gauge!("redis_foreign_deployments").set(count);
    }

    fn others(&self) -> MutexGuard<'_, HashMap<Deployment, Instant>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
