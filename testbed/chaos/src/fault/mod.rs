//! The faults, by name, and what each does.

mod clock;
mod crowd;
mod disk;
mod frames;
mod half_open;
mod infrastructure;
mod instances;
mod reader;
mod silence;
mod storm;

use std::{fmt, str::FromStr, time::Duration};

use neonchat_testbed::proxy::Disturbance;
use tokio::time::sleep;

use super::{
    cluster::{Cluster, INSTANCES, Link},
    traffic::Traffic,
};

/// A process that may be killed or frozen.
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

/// Something that happens to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing comes through, and nobody is told.
    Cut,
    /// Every connection is reset.
    Reset,
    /// 200 ms later, each way.
    Slow,
    /// 20 kB a second.
    Throttle,
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// None at all: what the others are compared with.
    None,
    /// `kill -9`, and a start.
    Kill(Target),
    /// SIGSTOP, and SIGCONT.
    Freeze(Target),
    /// On the links of a kind: those of one instance, or all.
    Link(Link, Trouble),
    /// Postgres is stopped at once (`pg_ctl stop -m immediate`), and started.
    PostgresStop,
    /// Postgres takes no writes.
    PostgresReadOnly,
    /// Redis is ended and started.
    RedisRestart,
    /// Redis forgets everything.
    RedisFlush,
    /// Redis cuts its subscribers off.
    RedisCutSubscribers,
    /// One more instance of each service comes, and goes.
    AddInstance,
    /// One instance of each service goes, and comes back.
    RemoveInstance,
    /// Everything is ended well and started again, one after another.
    Rolling,
    /// The disk of Postgres is full.
    DiskFull,
    /// The clock of Postgres, or that of an instance of each service, is an hour ahead (1) or behind (-1).
    Clock(i8),
    /// Each message is sent five times at once, to both instances.
    Resend,
    /// A client sends what is no frame of the protocol.
    BadFrames,
    /// Clients are gone, and nobody is told.
    HalfOpen,
    /// The last messages are published where not everybody hears of them, and nothing comes after them.
    Silence,
    /// An instance is killed that many users are on, who do not come back.
    Crowd,
    /// A client does not read at full traffic.
    FrozenReader,
    /// Thousands of sockets come back at once.
    Storm,
}

/// How long things take, and how many there are.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// A fault.
    pub hold: Duration,
    /// SIGSTOP.
    pub freeze: Duration,
    /// A client that does not read.
    pub reader: Duration,
    /// The sockets that come back at once.
    pub sockets: usize,
    /// The users of an instance that is killed.
    pub crowd: usize,
    /// `WS_HEARTBEAT_INTERVAL`, in seconds.
    pub heartbeat: u64,
    /// `WS_READ_TIMEOUT`, in seconds.
    pub read_timeout: u64,
    /// How many faults happen to the same clients, one after another.
    pub chain: usize,
}

impl Pace {
    /// As the guarantees have it.
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

    /// As short as still makes sense: a frozen process is missed by everybody who waits for it.
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

/// What became of a fault.
#[derive(Clone, Debug, Default)]
pub struct Happened {
    /// What of it was left to chance, or what was measured.
    pub detail: String,
    /// What was seen beside the traffic, and should not have been.
    pub complaints: Vec<String>,
    /// Why this machine cannot cause the fault, if it cannot.
    pub skipped: Option<String>,
}

impl Happened {
    fn detail(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..Self::default() }
    }

    fn skipped(reason: &str) -> Self {
        Self { skipped: Some(reason.to_owned()), ..Self::detail(format!("skipped: {reason}")) }
    }
}

/// What a fault happens to.
pub struct Scene<'a> {
    /// The system.
    pub cluster: &'a mut Cluster,
    /// Its clients.
    pub traffic: &'a Traffic,
    /// How long things take.
    pub pace: Pace,
    /// What is left to chance.
    pub rng: &'a mut fastrand::Rng,
}

impl Scene<'_> {
    fn instance(&mut self) -> usize {
        self.rng.usize(0..INSTANCES)
    }
}

impl Fault {
    /// All of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let targets = [Target::Chat, Target::Notification, Target::Postgres, Target::Redis];
        let troubles = [Trouble::Cut, Trouble::Reset, Trouble::Slow, Trouble::Throttle];
        let links = Link::ALL.into_iter().flat_map(|link| troubles.map(|trouble| Self::Link(link, trouble)));
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

    /// Does it, and undoes it.
    ///
    /// # Errors
    /// The harness itself fails; or something does not come back.
    pub async fn happen(self, scene: &mut Scene<'_>) -> anyhow::Result<Happened> {
        let hold = scene.pace.hold;
        match self {
            Self::None => sleep(hold).await,
            Self::Kill(target) => return instances::kill(scene, target).await,
            Self::Freeze(target) => return instances::freeze(scene, target).await,
            Self::Link(link, trouble) => {
                let instance = scene.instance();
                let instance = scene.rng.bool().then_some(instance);
                scene.cluster.links.disturb(link, instance, trouble.disturbance());
                sleep(hold).await;
                scene.cluster.links.heal();
                return Ok(Happened::detail(instance.map_or("all".to_owned(), |index| format!("instance {index}"))));
            }
            Self::PostgresStop => infrastructure::stop_postgres(scene).await?,
            Self::PostgresReadOnly => infrastructure::make_read_only(scene).await?,
            Self::RedisRestart => infrastructure::restart_redis(scene).await?,
            Self::RedisFlush => infrastructure::command_redis(scene, "FLUSHALL").await?,
            Self::RedisCutSubscribers => infrastructure::command_redis(scene, "CLIENT KILL TYPE pubsub").await?,
            Self::AddInstance => instances::add(scene).await?,
            Self::RemoveInstance => return instances::remove(scene).await,
            Self::Rolling => return instances::restart_everything(scene).await,
            Self::DiskFull => return disk::fill(scene).await,
            Self::Clock(hours) => return clock::change(scene, hours).await,
            Self::Resend => {
                let sent = scene.traffic.resend_at_once(scene.pace.hold, scene.rng).await?;
                return Ok(Happened::detail(format!("{sent} messages, each five times")));
            }
            Self::BadFrames => return frames::send(scene).await,
            Self::HalfOpen => return half_open::vanish(scene).await,
            Self::Silence => return silence::fall(scene).await,
            Self::Crowd => return crowd::vanish(scene).await,
            Self::FrozenReader => return reader::freeze(scene).await,
            Self::Storm => return storm::storm(scene).await,
        }
        Ok(Happened::default())
    }
}

impl Trouble {
    const fn disturbance(self) -> Disturbance {
        match self {
            Self::Cut => Disturbance::Cut,
            Self::Reset => Disturbance::Reset,
            Self::Slow => Disturbance::Delay(Duration::from_millis(200)),
            Self::Throttle => Disturbance::Throttle(20_000),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Reset => "reset",
            Self::Slow => "slow",
            Self::Throttle => "throttle",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chat => "chat",
            Self::Notification => "notification",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Kill(target) => write!(f, "kill-{target}"),
            Self::Freeze(target) => write!(f, "freeze-{target}"),
            Self::Link(link, trouble) => write!(f, "{}-{}", trouble.name(), link.name()),
            Self::PostgresStop => f.write_str("postgres-stop"),
            Self::PostgresReadOnly => f.write_str("postgres-read-only"),
            Self::RedisRestart => f.write_str("redis-restart"),
            Self::RedisFlush => f.write_str("redis-flush"),
            Self::RedisCutSubscribers => f.write_str("redis-cut-subscribers"),
            Self::AddInstance => f.write_str("add-instance"),
            Self::RemoveInstance => f.write_str("remove-instance"),
            Self::Rolling => f.write_str("rolling"),
            Self::DiskFull => f.write_str("disk-full"),
            Self::Clock(hours) => f.write_str(if *hours > 0 { "clock-ahead" } else { "clock-behind" }),
            Self::Resend => f.write_str("resend"),
            Self::BadFrames => f.write_str("bad-frames"),
            Self::HalfOpen => f.write_str("half-open"),
            Self::Silence => f.write_str("silence"),
            Self::Crowd => f.write_str("crowd"),
            Self::FrozenReader => f.write_str("frozen-reader"),
            Self::Storm => f.write_str("storm"),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = Self::all();
        all.iter().copied().find(|fault| fault.to_string() == name).ok_or_else(|| {
            let names: Vec<String> = all.iter().map(ToString::to_string).collect();
            format!("there is none of this name. There are: {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_found_by_its_name() {
        let all = Fault::all();
        assert!(all.iter().all(|fault| fault.to_string().parse() == Ok(*fault)));
        let error = "earthquake".parse::<Fault>().expect_err("no fault");
        assert!(error.contains("kill-chat, ") && error.contains("cut-chat-grpc"), "{error}");
    }
}
