//! The deployment of this instance, and others on the same Redis.
//!
//! Two deployments that share a Redis under the same names ignore each other's publications, but share keys: presence, leases
//! and the limits on requests. It is a mistake of configuration, so it is detected: each instance announces its deployment
//! from time to time, and an instance that hears of an older deployment opens no new sockets as long as that one is there.
//! So production is not affected when staging is pointed at its Redis.

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

/// How often an instance announces its deployment, after it has asked chat-service which one that is.
const INTERVAL: Duration = Duration::from_secs(3);

/// How often chat-service is asked as long as it has not answered.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// A deployment of which nothing was heard for so long is gone.
const EXPIRY: Duration = Duration::from_secs(10);

/// What to do about it, for the log.
const REMEDY: &str =
    "set REDIS_NAMESPACE of one of them, or point its REDIS_URL at another Redis; REDIS_DB does not separate them";

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Deployments {
    pub(crate) own: OwnDeployment,
    /// Whether chat-service has answered, also if it knows no deployments.
    is_settled: AtomicBool,
    /// When others were heard last.
    others: Mutex<HashMap<Deployment, Instant>>,
    /// Others that were not known have announced themselves: they are answered.
    answer: Notify,
}

impl Deployments {
    /// Whether a publication of this deployment is for this instance. One that is not is counted.
    pub(crate) fn accepts(&self, publisher: Option<DeploymentId>) -> bool {
        let accepts = self.own.accepts(publisher);
        if !accepts {
            metrics::counter!("redis_foreign_envelopes_total").increment(1);
        }
        accepts
    }

    /// An instance, not this one, has announced its deployment.
    pub(crate) fn hear(&self, Announcement { deployment, .. }: &Announcement) {
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
                "an older deployment uses this redis, so this one opens no new sockets: {REMEDY}");
        }
        self.answer.notify_one();
    }

    /// Whether an older deployment uses this Redis, so that this one has to keep away.
    pub(crate) fn must_yield(&self) -> bool {
        let others = self.others();
        !others.is_empty() && self.own.get().is_some_and(|own| others.keys().any(|other| *other < own))
    }

    /// Makes sure that chat-service was asked which deployment this is, before the first socket is opened.
    pub(crate) async fn settle(&self, chat_service: &ChatService) -> Result<(), ApiError> {
        if self.is_settled.load(Ordering::Relaxed) { Ok(()) } else { self.ask(chat_service).await }
    }

    /// The worker: announces this deployment, and forgets others that are gone.
    pub(crate) async fn run(
        &self,
        instance: InstanceId,
        chat_service: ChatService,
        publisher: Publisher,
        subscriptions: &Subscriptions,
    ) {
        // Or the others' answers to the first announcement would not be heard.
        subscriptions.wait_for(Channel::Deployments).await;
        loop {
            if let Err(error) = self.ask(&chat_service).await {
                tracing::debug!(error.cause = %error, "deployment not known");
            }
            if let Some(deployment) = self.own.get() {
                publisher.announce(&Announcement { instance, deployment }).await;
            }
            self.forget_gone();
            let pause = if self.is_settled.load(Ordering::Relaxed) { INTERVAL } else { RETRY_PAUSE };
            select! {
                () = sleep(pause) => {}
                () = self.answer.notified() => {}
            }
        }
    }

    async fn ask(&self, chat_service: &ChatService) -> Result<(), ApiError> {
        if let Some(deployment) = chat_service.deployment().await? {
            self.own.set(deployment);
            // One that was renewed, and that this instance belonged to.
            self.others().remove(&deployment);
        }
        self.is_settled.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn forget_gone(&self) {
        let mut others = self.others();
        others.retain(|deployment, heard| {
            let is_there = heard.elapsed() < EXPIRY;
            if !is_there {
                tracing::info!(deployment.other = %deployment, "another deployment no longer uses this redis");
            }
            is_there
        });
        let count = u32::try_from(others.len()).unwrap_or(u32::MAX);
        metrics::gauge!("redis_foreign_deployments").set(count);
    }

    fn others(&self) -> MutexGuard<'_, HashMap<Deployment, Instant>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
