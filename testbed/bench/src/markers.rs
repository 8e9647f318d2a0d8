//! Everybody in a large group reads along, and says so for each message.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::unistd::gettid;
use tokio::runtime::Handle;

use super::{
    Measured, Options,
    env::Env,
    generator::readers::{Readers, Totals},
    population::{Population, disjoint},
    report::{Bound, Figure},
    usage::Cpu,
};

const NAME: &str = "markers";

/// The number of members, and of sockets that receive each message: the sender has another one.
const MEMBERS: usize = 10_000;

const INSTANCES: usize = 2;

/// The time between two messages: 20 a second are the limit of a large group.
const INTERVAL: Duration = Duration::from_millis(50);

/// The pause after the last handshake.
const SETTLE: Duration = Duration::from_secs(2);

/// The time under load before the measurement: the interval in which the markers of a member of a large group are written once.
const WARM_UP: Duration = Duration::from_secs(5);

/// The longest until the last markers are written.
const WRITE_LIMIT: Duration = Duration::from_secs(15);

/// How often it is asked whether they are.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The counter of chat-service.
const WRITTEN: &str = "chat_read_markers_written_total";

/// The members who have not read everything, as far as it is stored.
const BEHIND: &str = "
    SELECT count(*) FROM chat_members AS member JOIN chats ON chats.id = member.chat_id WHERE member.read_seq < chats.last_seq";

/// Measures the scenario: the messages alone, then with receipts.
///
/// # Errors
/// A process does not start or ends, or a message does not reach all sockets.
pub(crate) async fn measure(options: &Options) -> Measured {
    let (env, members) = (Env::start(INSTANCES, options.logs.as_deref()).await?, options.scaled(MEMBERS));
    println!(
        "{NAME}: {members} members over {INSTANCES} instances read up to {} messages/s",
        1000 / INTERVAL.as_millis()
    );
    let group = env.chats(disjoint(1, members)).await?;
    let (runtime, duration) = (Handle::current(), options.duration());
    // One thread for the whole run, whose CPU time is that of the generator.
    let run = tokio::task::spawn_blocking(move || {
        let run = Run::measure(&env, &group, duration, &runtime)?;
        anyhow::Ok((run, env))
    });
    let (Run { alone, reading, behind, stray }, env) = run.await?.context(NAME)?;
    env.stop().await?;

    let failure = (behind > 0 || stray > 0)
        .then(|| format!("{NAME}: the markers of {behind} members are not written; {stray} unexpected frames"));
    Ok((figures(&alone, &reading, members), failure))
}

/// What was measured.
struct Run {
    alone: Phase,
    reading: Phase,
    /// The number of members whose markers are not written in the end.
    behind: i64,
    stray: usize,
}

impl Run {
    fn measure(env: &Env, group: &Population, duration: Duration, runtime: &Handle) -> anyhow::Result<Self> {
        let processes = env.processes()?;
        let (tokens, chat) = (group.tokens(), group.chats[0].id);
        let tokens: Vec<_> = tokens.iter().cycle().take(tokens.len() + 1).cloned().collect();
        let mut readers = Readers::open(&env.websockets(), &tokens, chat)?;
        readers.settle(SETTLE)?;
        let sample = |readers: &Readers| {
            let written = runtime.block_on(env.chat_counter(WRITTEN))?;
            let cpu = Cpu::of(&processes, Some(gettid().as_raw()))?;
            anyhow::Ok(Sample { at: Instant::now(), cpu, written, totals: readers.totals() })
        };
        let mut phase = |is_reading: bool| {
            readers.run(WARM_UP, INTERVAL, is_reading)?;
            let before = sample(&readers)?;
            readers.run(duration, INTERVAL, is_reading)?;
            let after = sample(&readers)?;
            // The next phase must not get the end of this one.
            readers.settle(Duration::ZERO)?;
            anyhow::Ok(after.since(&before))
        };
        let (alone, reading) = (phase(false)?, phase(true)?);
        let start = Instant::now();
        loop {
            let behind = runtime.block_on(env.database.query_one(BEHIND, &[]))?.get(0);
            if behind == 0 || start.elapsed() > WRITE_LIMIT {
                return Ok(Self { alone, reading, behind, stray: readers.stray() });
            }
            // The sockets stay open: if one closed, its markers would be written at once.
            readers.settle(POLL_INTERVAL)?;
        }
    }
}

/// The state at a time.
struct Sample {
    at: Instant,
    cpu: Cpu,
    written: f64,
    totals: Totals,
}

/// What happened between two samples.
struct Phase {
    seconds: f64,
    cpu: Cpu,
    written: f64,
    deliveries: f64,
    receipts: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
impl Sample {
    fn since(&self, before: &Self) -> Phase {
        Phase {
            seconds: (self.at - before.at).as_secs_f64(),
            cpu: self.cpu.since(before.cpu),
            written: self.written - before.written,
            deliveries: (self.totals.deliveries - before.totals.deliveries) as f64,
            receipts: (self.totals.receipts - before.totals.receipts) as f64,
        }
    }
}

impl Phase {
    /// Returns the CPU time for each delivery to a socket, in microseconds.
    fn each(&self, of: fn(&Cpu) -> Duration) -> f64 {
        of(&self.cpu).as_secs_f64() * 1e6 / self.deliveries
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn figures(alone: &Phase, reading: &Phase, members: usize) -> Vec<Figure> {
    let figure = |name: &str, value: f64, unit: &'static str| Figure::new(NAME, name, value, unit);
    let messages = |phase: &Phase| phase.deliveries / members as f64 / phase.seconds;
    // Each delivery has one receipt.
    let each = |of: fn(&Cpu) -> Duration| reading.each(of) - alone.each(of);
    vec![
        figure("messages, without receipts", messages(alone), "1/s"),
        figure("messages, with receipts", messages(reading), "1/s"),
        figure("receipts sent", reading.receipts / reading.seconds, "1/s"),
        figure("markers written", reading.written / reading.seconds, "rows/s").target(Some(Bound::AtMost(2500.0))),
        figure("receipts for a written marker", reading.receipts / reading.written, ""),
        figure("server CPU a receipt", each(|cpu| cpu.servers()), "µs"),
        figure("  chat-service", each(|cpu| cpu.chat), "µs"),
        figure("  notification-service", each(|cpu| cpu.notification), "µs"),
        figure("  Postgres", each(|cpu| cpu.postgres), "µs"),
        figure("generator CPU a receipt", each(|cpu| cpu.generator), "µs"),
        figure("CPU of other programs", reading.cpu.others().as_secs_f64() / reading.seconds * 100.0, "% of a core"),
    ]
}
