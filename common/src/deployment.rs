//! The deployment of a process.
//!
//! The services of a deployment share a database, in which chat-service keeps the id of the deployment. Channels of Redis
//! Pub/Sub do not belong to a database number, so two deployments on one Redis receive each other's publications, whatever
//! their `REDIS_DB`. The id in each publication lets them ignore those of the other.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use serde::{Deserialize, Serialize};

use crate::ids::{DeploymentId, InstanceId};

/// A deployment. Older ones compare as less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Deployment {
    /// The creation time of its database, in microseconds since the Unix epoch.
    pub created_at_micros: i64,
    /// Its id.
    pub id: DeploymentId,
}

/// The deployment of this process. Unknown until the database or chat-service has returned it.
#[derive(Clone, Debug, Default)]
pub struct OwnDeployment(Arc<RwLock<Option<Deployment>>>);

impl OwnDeployment {
    /// Returns the deployment, if it is known.
    #[must_use]
    pub fn get(&self) -> Option<Deployment> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the id of the deployment, if it is known.
    #[must_use]
    pub fn id(&self) -> Option<DeploymentId> {
        self.get().map(|deployment| deployment.id)
    }

    /// Sets the deployment. Logs a warning if it differs from a known one.
    pub fn set(&self, deployment: Deployment) {
        let before = self.0.write().unwrap_or_else(PoisonError::into_inner).replace(deployment);
        match before {
            Some(before) if before == deployment => {}
            Some(before) => {
                tracing::warn!(deployment.id = %deployment.id, previous.id = %before.id, "deployment changed");
            }
            None => tracing::info!(deployment.id = %deployment.id, "deployment id loaded"),
        }
    }

    /// Returns whether this process handles publications of the deployment `publisher`. If one of the two ids is unknown, it
    /// does: older versions publish without an id.
    #[must_use]
    pub fn accepts(&self, publisher: Option<DeploymentId>) -> bool {
        match (publisher, self.id()) {
            (Some(publisher), Some(own)) => publisher == own,
            (None, _) | (_, None) => true,
        }
    }
}

/// The periodic announcement of an instance of notification-service. By it deployments detect that they share a Redis.
#[derive(Debug, Serialize, Deserialize)]
pub struct Announcement {
    /// The instance. Has to be the first field, because an instance recognizes its own publications by their start.
    pub instance: InstanceId,
    /// Its deployment.
    pub deployment: Deployment,
}

impl fmt::Display for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Envelope;

    #[test]
    fn accepts_own_and_unknown_deployment() {
        let (own, other) = (DeploymentId::new(), DeploymentId::new());
        let deployment = OwnDeployment::default();
        assert!(deployment.accepts(Some(other)) && deployment.accepts(None));
        deployment.set(Deployment { created_at_micros: 1, id: own });
        assert!(deployment.accepts(Some(own)) && deployment.accepts(None));
        assert!(!deployment.accepts(Some(other)));
    }

    #[test]
    fn announcement_starts_with_prefix_of_its_instance() {
        let deployment = Deployment { created_at_micros: 1, id: DeploymentId::new() };
        let announcement = Announcement { instance: InstanceId::new(), deployment };
        let text = serde_json::to_string(&announcement).expect("JSON");
        assert!(text.starts_with(&Envelope::prefix(announcement.instance)));
        let back: Announcement = serde_json::from_str(&text).expect("parse announcement");
        assert_eq!(back.deployment, deployment);
    }
}
