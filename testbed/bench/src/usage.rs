//! What processes take: CPU and memory, as the kernel counts them.

use std::{fs, time::Duration};

use anyhow::Context as _;

/// What the kernel counts CPU time in, in `/proc/PID/stat`: `USER_HZ`, 100 on every machine that Rust runs on.
const TICK: Duration = Duration::from_millis(10);

/// The processes that are measured.
#[derive(Clone, Debug)]
pub(crate) struct Processes {
    /// chat-service.
    pub(crate) chat: Vec<u32>,
    /// notification-service, all instances.
    pub(crate) notification: Vec<u32>,
    /// Postgres' first process.
    pub(crate) postgres: u32,
    /// Redis.
    pub(crate) redis: u32,
    /// Those that make the load, beside this one.
    pub(crate) workers: Vec<u32>,
}

/// CPU time, of the user and of the kernel together, since they started; and between two looks.
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
    /// What makes the load.
    pub(crate) generator: Duration,
    /// The whole machine, over all cores, whoever took it.
    pub(crate) machine: Duration,
}

impl Cpu {
    /// What was taken until now. `generator` is the thread of this process that makes load, if one does.
    ///
    /// # Errors
    /// A process has ended.
    pub(crate) fn of(processes: &Processes, generator: Option<i32>) -> anyhow::Result<Self> {
        let sum = |ids: &[u32]| ids.iter().map(|id| cpu(*id, Including::Itself)).sum::<anyhow::Result<Duration>>();
        let mut postgres = cpu(processes.postgres, Including::Ended)?;
        for child in children(processes.postgres)? {
            // One that has just ended is now in its parent's sum; what it took meanwhile comes with the next look.
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

    /// What was taken since `before`.
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

    /// That of the servers: everything but the generator's.
    #[must_use]
    pub(crate) fn servers(self) -> Duration {
        self.chat + self.notification + self.postgres + self.redis
    }

    /// What the machine was busy with beside: where this is much, the figures are not the system's.
    #[must_use]
    pub(crate) fn others(self) -> Duration {
        self.machine.saturating_sub(self.servers() + self.generator)
    }
}

/// Memory, as PSS: what is shared counts in parts. Bytes.
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
    /// What is held now.
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

    /// That of all.
    pub(crate) const fn sum(&self) -> u64 {
        self.chat + self.notification + self.postgres + self.redis
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Including {
    Itself,
    /// And its children that have ended.
    Ended,
}

fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| path.to_owned())
}

fn cpu(id: u32, including: Including) -> anyhow::Result<Duration> {
    let stat = read(&format!("/proc/{id}/stat"))?;
    ticks(&stat, including).with_context(|| format!("/proc/{id}/stat is not understood"))
}

/// From `proc_pid_stat(5)`: utime, stime, cutime, cstime are the fields 14 to 17. The name before them may have spaces.
fn ticks(stat: &str, including: Including) -> Option<Duration> {
    let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let count = if including == Including::Ended { 4 } else { 2 };
    let ticks = fields.take(count).map(str::parse::<u32>).sum::<Result<u32, _>>().ok()?;
    Some(TICK * ticks)
}

/// To the nanosecond: the first figure of schedstat.
fn thread(id: i32) -> anyhow::Result<Duration> {
    let stat = read(&format!("/proc/self/task/{id}/schedstat"))?;
    Ok(Duration::from_nanos(stat.split(' ').next().unwrap_or_default().parse()?))
}

fn machine() -> anyhow::Result<Duration> {
    busy(&read("/proc/stat")?).context("/proc/stat is not understood")
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
        cpu(id, Including::Ended).expect("CPU");
        assert!(thread(nix::unistd::gettid().as_raw()).expect("CPU") > Duration::ZERO);
        machine().expect("CPU");
    }
}
