//! The faults: their names and how each is injected.

mod clock;
mod crowd;
mod disk;
mod frames;
mod half_open;
mod infrastructure;
mod instances;
mod names;
mod reader;
mod silence;
mod storm;

use std::time::Duration;

use neonchat_testbed::proxy::Disturbance;
use tokio::time::sleep;

use super::{
    cluster::{Cluster, INSTANCES, Link},
    traffic::Traffic,
};

/// A process that can be killed or frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// One instance of chat-service.
    Chat,
    /// One instance of notification-service.
    Notification,
    /// Postgres.
    Postgres,
    /// Redis.
    Redis,
}

/// A fault of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkFault {
    /// Nothing passes, and the connections stay open.
    Cut,
    /// Every connection is reset.
    Reset,
    /// 200 ms of delay in each direction.
    Slow,
    /// 20 kB/s.
    Throttle,
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No fault, for comparison.
    None,
    /// SIGKILL, then a restart.
    Kill(Target),
    /// SIGSTOP, then SIGCONT.
    Freeze(Target),
    /// A fault of the links of a kind, for one instance or for all.
    Link(Link, LinkFault),
    /// Postgres is stopped immediately (`pg_ctl stop -m immediate`) and restarted.
    PostgresStop,
    /// Postgres is read-only.
    PostgresReadOnly,
    /// Redis is stopped and restarted.
    RedisRestart,
    /// Redis loses all data (`FLUSHALL`).
    RedisFlush,
    /// Redis closes the connections of its subscribers.
    RedisCutSubscribers,
    /// One more instance of each service is started, and stopped later.
    AddInstance,
    /// One instance of each service is stopped, and restarted later.
    RemoveInstance,
    /// All processes are stopped cleanly and restarted, one after another.
    Rolling,
    /// The disk of Postgres is full.
    DiskFull,
    /// The clock of Postgres, then of one instance of each service, is an hour ahead (1) or behind (-1).
    Clock(i8),
    /// Each message is sent five times concurrently, to both instances.
    Resend,
    /// A client sends invalid frames.
    BadFrames,
    /// Clients vanish without closing their connections.
    HalfOpen,
    /// The last messages of the chats are not published to all instances, and no message follows.
    Silence,
    /// An instance with many users is killed. The users do not reconnect.
    Crowd,
    /// A client does not read while its chat is flooded.
    FrozenReader,
    /// Thousands of sockets reconnect at the same time.
    Storm,
}

/// Durations and sizes of the faults.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// The duration of a fault.
    pub hold: Duration,
    /// The time between SIGSTOP and SIGCONT.
    pub freeze: Duration,
    /// How long a client does not read.
    pub reader: Duration,
    /// The number of sockets that reconnect at the same time.
    pub sockets: usize,
    /// The number of users of the instance that is killed.
    pub crowd: usize,
    /// `WS_HEARTBEAT_INTERVAL`, in seconds.
    pub heartbeat: u64,
    /// `WS_READ_TIMEOUT`, in seconds.
    pub read_timeout: u64,
    /// The number of faults in a round.
    pub chain: usize,
}

impl Profile {
    /// The full length, for which the guarantees are stated.
    pub const FULL: Self = Self {
        hold: Duration::from_secs(5),
        freeze: Duration::from_secs(20),
        reader: Duration::from_mins(1),
        sockets: 5000,
        crowd: 3000,
        heartbeat: 5,
        read_timeout: 15,
        chain: 1,
    };

    /// As short as possible. A process stays frozen long enough for its callers to time out.
    pub const QUICK: Self = Self {
        hold: Duration::from_millis(600),
        freeze: Duration::from_millis(2500),
        reader: Duration::from_secs(3),
        sockets: 200,
        crowd: 100,
        heartbeat: 1,
        read_timeout: 4,
        chain: 8,
    };
}

/// The result of injecting a fault.
#[derive(Clone, Debug, Default)]
pub struct FaultOutcome {
    /// The random choices and measurements, for the table.
    pub detail: String,
    /// Violations that the fault itself observed, beside the traffic.
    pub failures: Vec<String>,
    /// Why this machine cannot cause the fault, if it cannot.
    pub skipped: Option<String>,
}

impl FaultOutcome {
    fn detail(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..Self::default() }
    }

    fn skipped(reason: &str) -> Self {
        Self { skipped: Some(reason.to_owned()), ..Self::detail(format!("skipped: {reason}")) }
    }
}

/// What a fault needs.
pub struct FaultContext<'a> {
    /// The system.
    pub cluster: &'a mut Cluster,
    /// The clients.
    pub traffic: &'a Traffic,
    /// Durations and sizes.
    pub profile: Profile,
    /// The source of random choices.
    pub rng: &'a mut fastrand::Rng,
}

impl FaultContext<'_> {
    fn instance(&mut self) -> usize {
        self.rng.usize(0..INSTANCES)
    }
}

impl Fault {
    /// All of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let targets = [Target::Chat, Target::Notification, Target::Postgres, Target::Redis];
        let troubles = [LinkFault::Cut, LinkFault::Reset, LinkFault::Slow, LinkFault::Throttle];
        let links = Link::ALL.into_iter().flat_map(|link| troubles.map(|link_fault| Self::Link(link, link_fault)));
        [Self::None]
            .into_iter()
            .chain(targets.map(Self::Kill))
            .chain(targets.map(Self::Freeze))
            .chain(links)
            .chain([
                Self::PostgresStop,
                Self::PostgresReadOnly,
                Self::RedisRestart,
                Self::RedisFlush,
                Self::RedisCutSubscribers,
                Self::AddInstance,
                Self::RemoveInstance,
                Self::Rolling,
                Self::DiskFull,
                Self::Clock(1),
                Self::Clock(-1),
                Self::Resend,
                Self::BadFrames,
                Self::HalfOpen,
                Self::Silence,
                Self::Crowd,
                Self::FrozenReader,
                Self::Storm,
            ])
            .collect()
    }

    /// Injects the fault and ends it.
    ///
    /// # Errors
    /// The harness failed, or a process did not recover.
    pub async fn inject(self, context: &mut FaultContext<'_>) -> anyhow::Result<FaultOutcome> {
        let hold = context.profile.hold;
        match self {
            Self::None => sleep(hold).await,
            Self::Kill(target) => return instances::kill(context, target).await,
            Self::Freeze(target) => return instances::freeze(context, target).await,
            Self::Link(link, link_fault) => {
                let instance = context.instance();
                let instance = context.rng.bool().then_some(instance);
                context.cluster.links.disturb(link, instance, link_fault.disturbance());
                sleep(hold).await;
                context.cluster.links.heal();
                return Ok(FaultOutcome::detail(
                    instance.map_or("all".to_owned(), |index| format!("instance {index}")),
                ));
            }
            Self::PostgresStop => infrastructure::stop_postgres(context).await?,
            Self::PostgresReadOnly => infrastructure::make_read_only(context).await?,
            Self::RedisRestart => infrastructure::restart_redis(context).await?,
            Self::RedisFlush => infrastructure::command_redis(context, "FLUSHALL").await?,
            Self::RedisCutSubscribers => infrastructure::command_redis(context, "CLIENT KILL TYPE pubsub").await?,
            Self::AddInstance => instances::add(context).await?,
            Self::RemoveInstance => return instances::remove(context).await,
            Self::Rolling => return instances::restart_everything(context).await,
            Self::DiskFull => return disk::fill(context).await,
            Self::Clock(hours) => return clock::change(context, hours).await,
            Self::Resend => {
                let sent = context.traffic.resend_concurrently(context.profile.hold, context.rng).await?;
                return Ok(FaultOutcome::detail(format!("{sent} messages, each five times")));
            }
            Self::BadFrames => return frames::send_invalid(context).await,
            Self::HalfOpen => return half_open::disconnect(context).await,
            Self::Silence => return silence::lose_last_messages(context).await,
            Self::Crowd => return crowd::kill_instance(context).await,
            Self::FrozenReader => return reader::freeze(context).await,
            Self::Storm => return storm::reconnect_all(context).await,
        }
        Ok(FaultOutcome::default())
    }
}

impl LinkFault {
    const fn disturbance(self) -> Disturbance {
        match self {
            Self::Cut => Disturbance::Cut,
            Self::Reset => Disturbance::Reset,
            Self::Slow => Disturbance::Delay(Duration::from_millis(200)),
            Self::Throttle => Disturbance::Throttle(20_000),
        }
    }
}
