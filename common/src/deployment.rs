//! Which deployment a process belongs to.
//!
//! The services of one deployment share one database, so the id of the deployment is kept there (by chat-service). Channels
//! of Redis Pub/Sub have no database number: two deployments on one Redis hear each other, whatever their `REDIS_DB`. By the
//! id in each publication they ignore each other.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use serde::{Deserialize, Serialize};

use crate::ids::{DeploymentId, InstanceId};

/// A deployment. The older one is the lesser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Deployment {
    /// When its database was made, in microseconds since the Unix epoch.
    pub created_at_micros: i64,
    /// Its id.
    pub id: DeploymentId,
}

/// The deployment of this process. Not known until the database or chat-service was asked.
#[derive(Clone, Debug, Default)]
pub struct OwnDeployment(Arc<RwLock<Option<Deployment>>>);

impl OwnDeployment {
    /// Returns it, where it is known.
    #[must_use]
    pub fn get(&self) -> Option<Deployment> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns its id, where it is known.
    #[must_use]
    pub fn id(&self) -> Option<DeploymentId> {
        self.get().map(|deployment| deployment.id)
    }

    /// Sets it. A change of a known one is logged.
    pub fn set(&self, deployment: Deployment) {
        let before = self.0.write().unwrap_or_else(PoisonError::into_inner).replace(deployment);
        match before {
            Some(before) if before == deployment => {}
            Some(before) => {
                tracing::warn!(deployment.id = %deployment.id, previous.id = %before.id, "deployment changed");
            }
            None => tracing::info!(deployment.id = %deployment.id, "deployment known"),
        }
    }

    /// Whether a publication of this deployment is for this process. Where one of the two ids is not known, it is: versions
    /// before the id published without one.
    #[must_use]
    pub fn accepts(&self, publisher: Option<DeploymentId>) -> bool {
        match (publisher, self.id()) {
            (Some(publisher), Some(own)) => publisher == own,
            (None, _) | (_, None) => true,
        }
    }
}

/// What an instance of notification-service tells from time to time, so that deployments that share a Redis notice it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Announcement {
    /// The instance. Stays the first field: an instance knows its own publications by their beginning.
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
    fn accepts_its_own_and_what_has_no_id() {
        let (own, other) = (DeploymentId::new(), DeploymentId::new());
        let deployment = OwnDeployment::default();
        assert!(deployment.accepts(Some(other)) && deployment.accepts(None));
        deployment.set(Deployment { created_at_micros: 1, id: own });
        assert!(deployment.accepts(Some(own)) && deployment.accepts(None));
        assert!(!deployment.accepts(Some(other)));
    }

    #[test]
    fn an_announcement_begins_like_every_publication_of_its_instance() {
        let deployment = Deployment { created_at_micros: 1, id: DeploymentId::new() };
        let announcement = Announcement { instance: InstanceId::new(), deployment };
        let text = serde_json::to_string(&announcement).expect("JSON");
        assert!(text.starts_with(&Envelope::prefix(announcement.instance)));
        let back: Announcement = serde_json::from_str(&text).expect("an announcement");
        assert_eq!(back.deployment, deployment);
    }
}
