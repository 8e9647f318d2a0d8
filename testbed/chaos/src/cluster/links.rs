//! The links between the processes, each through a proxy of its own.

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
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Postgres, Self::Redis, Self::ChatGrpc, Self::NotificationGrpc, Self::Socket];

    /// As it is called in the name of a fault.
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

/// The proxies. Where a link begins at an instance, the proxy is under that instance's number; a client's is under that
/// of the instance that it leads to.
#[derive(Debug, Default)]
pub struct Links(Vec<(Link, usize, Proxy)>);

impl Links {
    /// Puts a proxy before `port`; returns where it listens.
    pub(super) fn add(&mut self, link: Link, instance: usize, port: u16) -> anyhow::Result<u16> {
        let proxy = Proxy::start(port)?;
        let port = proxy.port();
        self.0.push((link, instance, proxy));
        Ok(port)
    }

    /// Disturbs the links of a kind: those of one instance, or of all.
    pub fn disturb(&self, link: Link, instance: Option<usize>, disturbance: Disturbance) {
        let is_meant = |of: usize| instance.is_none_or(|instance| instance == of);
        for (_, _, proxy) in self.0.iter().filter(|(kind, of, _)| *kind == link && is_meant(*of)) {
            proxy.disturb(disturbance);
        }
    }

    /// Heals all of them.
    pub fn heal(&self) {
        for (_, _, proxy) in &self.0 {
            proxy.heal();
        }
    }
}
