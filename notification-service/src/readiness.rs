//! Whether this instance can open new sockets.

use std::{mem, sync::Arc, time::Duration};

use neonchat_common::tasks::DrainState;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use crate::{chat_service::ChatService, deployment::Deployments};

/// The interval of the checks for `grpc.health.v1`.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The status of an instance that found an older deployment on its Redis.
pub(crate) const SHARED_REDIS: &str = "another deployment uses this redis";

/// The readiness of this instance.
#[derive(Debug)]
pub(crate) struct Readiness {
    drain: DrainState,
    deployments: Arc<Deployments>,
    chat_service: ChatService,
    /// The result of the last check.
    is_ready: watch::Sender<bool>,
}

impl Readiness {
    pub(crate) fn new(deployments: Arc<Deployments>, chat_service: ChatService) -> Self {
        Self { drain: DrainState::default(), deployments, chat_service, is_ready: watch::Sender::new(false) }
    }

    /// Checks periodically, for those who subscribe to the results.
    pub(crate) async fn run(&self) {
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            checks.tick().await;
            let _ = self.check().await;
        }
    }

    /// Returns why new sockets cannot be opened, if that is so. Sockets need chat-service; without Redis they are served all the
    /// same.
    pub(crate) async fn check(&self) -> Result<(), &'static str> {
        let is_healthy = self.refusal().is_none() && self.chat_service.is_healthy().await;
        let mut checked = if is_healthy { Ok(()) } else { Err("waiting for chat-service") };
        self.is_ready.send_if_modified(|is_ready| {
            // Again, because the drain may have started during the check.
            checked = self.refusal().map_or(checked, Err);
            mem::replace(is_ready, checked.is_ok()) != checked.is_ok()
        });
        checked
    }

    /// Returns why this instance must not open sockets, if that is so.
    fn refusal(&self) -> Option<&'static str> {
        if self.is_draining() { Some("draining") } else { self.deployments.must_yield().then_some(SHARED_REDIS) }
    }

    /// Returns the results of the checks.
    pub(crate) fn subscribe(&self) -> watch::Receiver<bool> {
        self.is_ready.subscribe()
    }

    /// Starts the drain: this instance opens no new sockets.
    pub(crate) fn drain(&self) {
        self.drain.drain();
        self.is_ready.send_replace(false);
    }

    /// Returns whether the drain has started.
    pub(crate) fn is_draining(&self) -> bool {
        self.drain.is_draining()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unreachable;

    #[tokio::test]
    async fn is_not_ready_from_start_of_drain() {
        let readiness = Readiness::new(Arc::default(), unreachable::chat_service());
        readiness.is_ready.send_replace(true);
        readiness.drain();
        assert!(!*readiness.subscribe().borrow());
        assert_eq!(readiness.check().await, Err("draining"));
    }
}
