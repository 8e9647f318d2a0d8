//! The links between the processes. Each goes through its own proxy.

use neonchat_testbed::proxy::{Disturbance, Proxy};

/// A kind of link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// chat-service to Postgres.
    Postgres,
    /// Both services to Redis.
    Redis,
    /// notification-service to chat-service.
    ChatGrpc,
    /// chat-service to notification-service.
    NotificationGrpc,
    /// Clients to notification-service.
    Socket,
}

impl Link {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Postgres, Self::Redis, Self::ChatGrpc, Self::NotificationGrpc, Self::Socket];

    /// Returns the name that is part of the names of faults.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::ChatGrpc => "chat-grpc",
            Self::NotificationGrpc => "notification-grpc",
            Self::Socket => "socket",
        }
    }
}

/// The proxies, each with the index of an instance: the source of the link, or the target of a client's link.
#[derive(Debug, Default)]
pub struct Links(Vec<(Link, usize, Proxy)>);

impl Links {
    /// Starts a proxy in front of `port`. Returns the port of the proxy.
    pub(super) fn add(&mut self, link: Link, instance: usize, port: u16) -> anyhow::Result<u16> {
        let proxy = Proxy::start(port)?;
        let port = proxy.port();
        self.0.push((link, instance, proxy));
        Ok(port)
    }

    /// Disturbs the links of a kind, for one instance or for all.
    pub fn disturb(&self, link: Link, instance: Option<usize>, disturbance: Disturbance) {
        let is_selected = |of: usize| instance.is_none_or(|instance| instance == of);
        for (_, _, proxy) in self.0.iter().filter(|(kind, of, _)| *kind == link && is_selected(*of)) {
            proxy.disturb(disturbance);
        }
    }

    /// Restores all links.
    pub fn heal(&self) {
        for (_, _, proxy) in &self.0 {
            proxy.heal();
        }
    }
}
