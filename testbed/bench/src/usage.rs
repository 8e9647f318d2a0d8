//! CPU time and memory of processes, from the kernel.

use std::{fs, time::Duration};

use anyhow::Context as _;

/// The unit of CPU time in `/proc/PID/stat`: 1/`USER_HZ`, which is 1/100 s on all supported machines.
const TICK: Duration = Duration::from_millis(10);

/// The processes that are measured.
#[derive(Clone, Debug)]
pub(crate) struct Processes {
    /// chat-service.
    pub(crate) chat: Vec<u32>,
    /// notification-service, all instances.
    pub(crate) notification: Vec<u32>,
    /// The postmaster of Postgres.
    pub(crate) postgres: u32,
    /// Redis.
    pub(crate) redis: u32,
    /// The worker processes that generate load.
    pub(crate) workers: Vec<u32>,
}

/// CPU time (user and system) since the start of the processes, or between two samples.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    /// chat-service.
    pub(crate) chat: Duration,
    /// notification-service, all instances.
    pub(crate) notification: Duration,
    /// Postgres, all processes.
    pub(crate) postgres: Duration,
    /// Redis.
    pub(crate) redis: Duration,
    /// The load generator.
    pub(crate) generator: Duration,
    /// The whole machine, summed over all cores.
    pub(crate) machine: Duration,
}

impl Cpu {
    /// Returns the CPU time so far. `generator` is the thread of this process that generates load, if any.
    ///
    /// # Errors
    /// A process has ended.
    pub(crate) fn of(processes: &Processes, generator: Option<i32>) -> anyhow::Result<Self> {
        let sum = |ids: &[u32]| ids.iter().map(|id| cpu(*id, Including::Itself)).sum::<anyhow::Result<Duration>>();
        let mut postgres = cpu(processes.postgres, Including::Ended)?;
        for child in children(processes.postgres)? {
            // The time of a child that has just ended is counted by its parent in the next sample.
            postgres += cpu(child, Including::Itself).unwrap_or_default();
        }
        Ok(Self {
            chat: sum(&processes.chat)?,
            notification: sum(&processes.notification)?,
            postgres,
            redis: cpu(processes.redis, Including::Itself)?,
            generator: sum(&processes.workers)? + generator.map_or(Ok(Duration::ZERO), thread)?,
            machine: machine()?,
        })
    }

    /// Returns the CPU time since `before`.
    #[must_use]
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            chat: self.chat.saturating_sub(before.chat),
            notification: self.notification.saturating_sub(before.notification),
            postgres: self.postgres.saturating_sub(before.postgres),
            redis: self.redis.saturating_sub(before.redis),
            generator: self.generator.saturating_sub(before.generator),
            machine: self.machine.saturating_sub(before.machine),
        }
    }

    /// Returns the sum of two CPU times.
    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            chat: self.chat + other.chat,
            notification: self.notification + other.notification,
            postgres: self.postgres + other.postgres,
            redis: self.redis + other.redis,
            generator: self.generator + other.generator,
            machine: self.machine + other.machine,
        }
    }

    /// Returns the CPU time of the servers, without the generator.
    #[must_use]
    pub(crate) fn servers(self) -> Duration {
        self.chat + self.notification + self.postgres + self.redis
    }

    /// Returns the CPU time of other processes. If it is high, the figures are not reliable.
    #[must_use]
    pub(crate) fn others(self) -> Duration {
        self.machine.saturating_sub(self.servers() + self.generator)
    }
}

/// Memory as PSS, in bytes. Shared pages count proportionally.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// chat-service.
    pub(crate) chat: u64,
    /// notification-service, all instances.
    pub(crate) notification: u64,
    /// Postgres, all processes.
    pub(crate) postgres: u64,
    /// Redis.
    pub(crate) redis: u64,
}

impl Memory {
    /// Returns the current memory.
    ///
    /// # Errors
    /// A process has ended.
    pub(crate) fn of(processes: &Processes) -> anyhow::Result<Self> {
        let sum = |ids: &[u32]| ids.iter().map(|id| pss(*id)).sum::<anyhow::Result<u64>>();
        let mut postgres = pss(processes.postgres)?;
        for child in children(processes.postgres)? {
            postgres += pss(child).unwrap_or_default();
        }
        let (chat, notification) = (sum(&processes.chat)?, sum(&processes.notification)?);
        Ok(Self { chat, notification, postgres, redis: pss(processes.redis)? })
    }

    /// Returns the sum of all processes.
    pub(crate) const fn sum(&self) -> u64 {
        self.chat + self.notification + self.postgres + self.redis
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Including {
    Itself,
    /// The process and its children that have ended.
    Ended,
}

fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| path.to_owned())
}

fn cpu(id: u32, including: Including) -> anyhow::Result<Duration> {
    let stat = read(&format!("/proc/{id}/stat"))?;
    ticks(&stat, including).with_context(|| format!("/proc/{id}/stat is malformed"))
}

/// From `proc_pid_stat(5)`: utime, stime, cutime, cstime are the fields 14 to 17. The name before them may have spaces.
fn ticks(stat: &str, including: Including) -> Option<Duration> {
    let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let count = if including == Including::Ended { 4 } else { 2 };
    let ticks = fields.take(count).map(str::parse::<u32>).sum::<Result<u32, _>>().ok()?;
    Some(TICK * ticks)
}

/// Returns the CPU time of a thread with nanosecond precision, the first number of schedstat.
fn thread(id: i32) -> anyhow::Result<Duration> {
    let stat = read(&format!("/proc/self/task/{id}/schedstat"))?;
    Ok(Duration::from_nanos(stat.split(' ').next().unwrap_or_default().parse()?))
}

fn machine() -> anyhow::Result<Duration> {
    busy(&read("/proc/stat")?).context("/proc/stat is malformed")
}

/// From `proc_stat(5)`: user, nice, system, (idle, iowait,) irq, softirq.
fn busy(stat: &str) -> Option<Duration> {
    let fields: Vec<u32> =
        stat.lines().next()?.split_whitespace().skip(1).map_while(|ticks| ticks.parse().ok()).collect();
    Some(TICK * [0, 1, 2, 5, 6].iter().map(|field| fields.get(*field)).sum::<Option<u32>>()?)
}

fn children(id: u32) -> anyhow::Result<Vec<u32>> {
    let children = read(&format!("/proc/{id}/task/{id}/children"))?;
    Ok(children.split_whitespace().filter_map(|child| child.parse().ok()).collect())
}

fn pss(id: u32) -> anyhow::Result<u64> {
    let rollup = read(&format!("/proc/{id}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib: u64 = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no Pss")?.parse()?;
    Ok(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_read_past_a_name_with_spaces_and_brackets() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 100 20 3000 400 20 0 1 0 5";
        assert_eq!(ticks(stat, Including::Itself), Some(Duration::from_millis(1200)));
        assert_eq!(ticks(stat, Including::Ended), Some(Duration::from_millis(35_200)));
        assert_eq!(ticks("7 (a", Including::Itself), None);
    }

    #[test]
    fn idle_is_not_busy() {
        let stat = "cpu  1 2 3 1000 2000 4 5 600 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(busy(stat), Some(Duration::from_millis(150)));
        assert_eq!(busy("cpu 1 2"), None);
    }

    #[test]
    fn this_process_is_measured() {
        let id = std::process::id();
        assert!(pss(id).expect("memory") > 0);
        cpu(id, Including::Ended).expect("read the CPU time");
        assert!(thread(nix::unistd::gettid().as_raw()).expect("read the CPU time") > Duration::ZERO);
        machine().expect("read the CPU time");
    }
}
